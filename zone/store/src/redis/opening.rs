//! Opening a world: is Redis set up to keep one, and is what is in it ours, of a version that we read, and this world?
//!
//! Nothing is written before that is known. A place that holds anything else is refused and left as it is.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::cmd;

use super::answer::{list, lossy, next, text};
use super::lane::{CALL_DEADLINE, Failure, Lane};
use super::link::{Link, Target};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::check;
use crate::error::OpenError;
use crate::url::{Deployment, RedisUrl, Tls};

/// Newest format of a world's keys that this code reads and writes.
pub(super) const FORMAT: u32 = 1;

/// Oldest version of Redis that has everything that the scripts use (flags of scripts, places of streams).
const OLDEST_REDIS: u32 = 7;

pub(super) async fn open(url: RedisUrl, world: &str) -> Result<RedisStore, OpenError> {
    check::world(world)?;
    let place = url.to_string();
    let (replicas, shared) = (url.replicas, matches!(url.deployment, Deployment::Cluster(_)));
    let base = keys::base(world);
    let target = Arc::new(target(url, base.clone())?);
    // The barrier needs a key that is made with the world, so the first questions are asked without.
    let quick = Lane::start(Link::new(Arc::clone(&target)), 0, CALL_DEADLINE);
    let failed = |failure: Failure| unreachable(&place, failure);
    let info = quick.try_call(vec![Request::Command(cmd("INFO").to_owned())]).await.map_err(failed)?;
    let info = info.into_iter().next().map(text).transpose().map_err(|trouble| failed(trouble.into()))?;
    let mut told = Told::read(&info.unwrap_or_default());
    told.flushing = flushing(&quick).await.map_err(failed)?;
    told.check_settings(&place, replicas)?;
    if told.replicas.is_some_and(|confirmed| confirmed < replicas) {
        let confirmed = i64::from(told.replicas.unwrap_or_default());
        return Err(failed(Trouble::Replicas { confirmed, wanted: replicas }.into()));
    }
    let history = rand::random::<u64>().to_string();
    let marker = [FORMAT.to_string(), world.to_owned(), u8::from(shared).to_string(), history];
    let marker = Request::script(Script::Open, marker);
    let found = quick.try_call(vec![marker]).await.map_err(failed)?;
    check_marker(&place, world, found)?;
    target.opened.store(true, Ordering::Relaxed);
    let durable = Lane::start(Link::new(target), replicas, CALL_DEADLINE);
    // The world's marker must be as durable as what comes after it, and replicas that are missing are better missed now.
    durable.try_call(vec![Request::Script(Script::Probe, Vec::new())]).await.map_err(failed)?;
    quick.widen();
    if replicas == 0 {
        durable.widen();
    }
    Ok(RedisStore { base, durable, quick })
}

/// What connections to this URL have in common, for keys that start with `base`.
pub(super) fn target(url: RedisUrl, base: String) -> Result<Target, OpenError> {
    let authority = authority(&url)?;
    if url.tls.is_some() {
        // Fails when the process has one already, which is then the one that is used.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    Ok(Target { url, authority, base: base.into(), opened: AtomicBool::new(false) })
}

fn authority(url: &RedisUrl) -> Result<Option<Vec<u8>>, OpenError> {
    let Some(Tls { ca: Some(file) }) = &url.tls else { return Ok(None) };
    let unreadable = |source| OpenError::Unreadable { place: file.display().to_string(), source: Box::new(source) };
    fs::read(file).map(Some).map_err(unreadable)
}

pub(super) fn unreachable(place: &str, failure: Failure) -> OpenError {
    match failure.trouble() {
        Trouble::Damaged { what } => {
            OpenError::Corrupt { place: place.to_owned(), reason: format!("{what} cannot be read") }
        }
        trouble => OpenError::Unreachable { place: place.to_owned(), source: Box::new(trouble) },
    }
}

/// When the server flushes its append-only file; `None` when it does not say.
async fn flushing(lane: &Lane) -> Result<Option<String>, Failure> {
    let question = cmd("CONFIG").arg("GET").arg("appendfsync").to_owned();
    match lane.try_call(vec![Request::Command(question)]).await {
        // Many services keep this command to themselves.
        Err(Failure::Trouble(Trouble::Permission { .. } | Trouble::Refused { .. })) => Ok(None),
        Err(failure) => Err(failure),
        Ok(answers) => {
            let mut answers = answers.into_iter();
            let setting = list(next(&mut answers)?)?.into_iter().nth(1);
            Ok(setting.map(text).transpose()?)
        }
    }
}

/// What a server tells of itself. What it does not tell is not held against it: services that run Redis for others hide some
/// of it.
pub(super) struct Told {
    version: Option<String>,
    keeps_file: Option<bool>,
    flushing: Option<String>,
    eviction: Option<String>,
    replicas: Option<u32>,
}

impl Told {
    pub fn read(info: &str) -> Self {
        let told: HashMap<&str, &str> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
        let text = |name| told.get(name).map(|value| (*value).to_owned());
        Self {
            version: text("redis_version"),
            keeps_file: told.get("aof_enabled").map(|enabled| *enabled != "0"),
            flushing: None,
            eviction: text("maxmemory_policy"),
            replicas: told.get("connected_slaves").and_then(|count| count.parse().ok()),
        }
    }

    /// Refuses a server that is too old.
    pub fn check_version(&self, place: &str) -> Result<(), OpenError> {
        let Some(version) = &self.version else { return Ok(()) };
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_none_or(|major| major >= OLDEST_REDIS) {
            return Ok(());
        }
        let found = format!("Redis {version}");
        Err(OpenError::Unsuitable { place: place.to_owned(), found, fix: "use Redis 7.0 or later" })
    }

    /// Refuses a server that would lose what it acknowledges.
    fn check_settings(&self, place: &str, replicas: u32) -> Result<(), OpenError> {
        self.check_version(place)?;
        let unsuitable = |found, fix| Err(OpenError::Unsuitable { place: place.to_owned(), found, fix });
        match self.keeps_file {
            Some(true) => {}
            Some(false) => {
                let fix = "set appendonly yes, or a restart loses what was acknowledged";
                return unsuitable("appendonly no".to_owned(), fix);
            }
            None => {
                tracing::warn!(place, "redis does not say whether appendonly is on; without it a restart loses data")
            }
        }
        match self.flushing.as_deref() {
            Some("always") => {}
            // Written before it is answered, so that it survives the process; a machine's end is what replicas are for.
            Some("no") if replicas > 0 => {}
            // While a flush is slow, `everysec` puts off not only the next flush but also the next write, for two seconds.
            Some(policy) => {
                let fix = "set appendfsync always, or a server that crashes loses what it answered seconds before";
                return unsuitable(format!("appendfsync {policy}"), fix);
            }
            None => {
                tracing::warn!(place, "redis does not say its appendfsync; unless it is always, a crash loses data")
            }
        }
        match self.eviction.as_deref() {
            None | Some("noeviction") => Ok(()),
            Some(policy) => {
                let fix = "set maxmemory-policy noeviction, or Redis throws players away when memory is short";
                unsuitable(format!("maxmemory-policy {policy}"), fix)
            }
        }
    }
}

fn check_marker(place: &str, world: &str, answers: Vec<redis::Value>) -> Result<(), OpenError> {
    let read = || -> Result<(String, String, String), Trouble> {
        let mut answers = answers.into_iter();
        let mut parts = list(next(&mut answers)?)?.into_iter();
        let kind = text(next(&mut parts)?)?;
        let mut rest = parts.map(lossy);
        let first = rest.next().unwrap_or(Ok(String::new()))?;
        Ok((kind, first, rest.next().unwrap_or(Ok(String::new()))?))
    };
    let (kind, first, second) = read().map_err(|trouble: Trouble| unreachable(place, trouble.into()))?;
    let place = place.to_owned();
    if kind == "foreign" {
        return Err(match (keys::world_of(&first), keys::world_of_copies(&first)) {
            (Some(found), _) => OpenError::OtherWorld { place, found, wanted: world.to_owned() },
            (_, Some(found)) => {
                let found = format!("it has copies of the world \"{found}\", which CQL keeps");
                OpenError::Unsuitable {
                    place, found, fix: "give both URLs, redis://…,cql://…, or another database"
                }
            }
            _ => OpenError::ForeignKeys { place, key: first },
        });
    }
    match first.parse::<u32>() {
        Ok(FORMAT) if second == world => Ok(()),
        Ok(FORMAT) => Err(OpenError::OtherWorld { place, found: second, wanted: world.to_owned() }),
        Ok(found) if found > FORMAT => Err(OpenError::NewerVersion { place, found, supported: FORMAT }),
        _ => Err(OpenError::Corrupt { place, reason: format!("its marker has the format \"{first}\"") }),
    }
}

/// The version in the marker of a world, for whoever only looks at it.
pub(super) fn version_of(place: &str, world: &str, found: Option<&String>) -> Result<u32, OpenError> {
    let place = place.to_owned();
    let Some(format) = found else { return Err(OpenError::NoWorld { place, world: world.to_owned() }) };
    match format.parse::<u32>() {
        Ok(found) if found > FORMAT => Err(OpenError::NewerVersion { place, found, supported: FORMAT }),
        Ok(found) => Ok(found),
        Err(_) => Err(OpenError::Corrupt { place, reason: format!("its marker has the format \"{format}\"") }),
    }
}
