//! Copies of records in Redis, for a store whose world is kept elsewhere.
//!
//! What flows in are snapshots (`snapshot.rs`); what flows out are those that are there, or nothing. Nothing here is believed by
//! itself, and nothing here is missed: Redis may be empty, stale, or gone. While it is gone every call is told so at once, and
//! one task looks whether it is back; a call that it leaves without an answer waits for [`PATIENCE`], once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use darkages_topology::PlayerId;
use redis::{Cmd, Value, cmd};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::answer::{self, bytes, int, list, maybe_bytes, next};
use super::checkpoints::{fence_bytes, write_checkpoint};
use super::clear::Walk;
use super::keys;
use super::lane::{CALL_DEADLINE, Failure, Lane};
use super::link::Link;
use super::opening::{self, Told};
use super::owners::{chunks, reads};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use crate::error::OpenError;
use crate::health::{self, Away, Presence};
use crate::journal::Checkpoint;
use crate::lease::Fence;
use crate::snapshot::{self, Entry, Stamped};
use crate::url::{Deployment, RedisUrl};

/// How long a call may wait for Redis before it goes on without: what an outage costs those who are under way when it begins.
pub const PATIENCE: Duration = Duration::from_millis(150);

/// Between two looks at a Redis that is away. The connection has a back-off of its own, up to half a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a copy is kept that nobody writes: who has left the world must not fill the memory.
pub const COPY_LIFE: Duration = Duration::from_secs(3_600);

/// Newest format of copies that this code reads and writes.
pub(super) const FORMAT: u32 = 1;

/// What became of a checkpoint that was to go into a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// It is there, behind these bytes of the record.
    Taken(Vec<u8>),
    /// There is no copy that it fits. One that is there starts like this; nothing, when none is.
    Other(Vec<u8>),
}

/// Copies in Redis. Dropping it lets go of the connection.
pub(crate) struct Copies {
    shared: Arc<Shared>,
    looking: AbortHandle,
}

struct Shared {
    lane: Lane,
    base: String,
    /// How every key of copies of this world starts, also of an earlier one.
    own: String,
    place: String,
    world: String,
    is_cluster: bool,
    /// It may have copies of records that are gone.
    given_up: AtomicBool,
    presence: Presence,
    missed: Notify,
}

/// Why Redis cannot be used for copies.
enum Unusable {
    /// It must not be: waiting does not help.
    Refused(OpenError),
    /// It is not there, or not ready.
    Away(Trouble),
}

impl From<OpenError> for Unusable {
    fn from(error: OpenError) -> Self {
        Self::Refused(error)
    }
}

impl From<Trouble> for Unusable {
    fn from(trouble: Trouble) -> Self {
        Self::Away(trouble)
    }
}

impl From<Failure> for Unusable {
    fn from(failure: Failure) -> Self {
        Self::Away(failure.trouble())
    }
}

impl Copies {
    /// Opens the copies of `world`, of those records that are kept in the place with this `id`: an earlier world of that name may
    /// have left copies. A Redis that is not there yet is waited for in the background.
    ///
    /// # Errors
    /// When waiting cannot help: Redis holds something else, does not let us in, takes no writes, or is too old.
    pub async fn open(url: RedisUrl, world: &str, id: &str) -> Result<Self, OpenError> {
        let is_single = matches!(url.deployment, Deployment::Single(_));
        let is_cluster = matches!(url.deployment, Deployment::Cluster(_));
        let place = url.to_string();
        let own = keys::copies(world);
        let base = format!("{own}:{id}");
        let target = opening::target(url, base.clone())?;
        let lane = Lane::start(Link::new(Arc::new(target)), 0, PATIENCE);
        lane.widen();
        let shared = Arc::new(Shared {
            lane,
            base,
            own,
            place,
            world: world.to_owned(),
            is_cluster,
            given_up: AtomicBool::new(false),
            presence: Presence::new(health::REDIS),
            missed: Notify::new(),
        });
        match shared.greet().await {
            Ok(()) => {}
            Err(Unusable::Refused(error)) => return Err(error),
            Err(Unusable::Away(trouble)) if is_final(&trouble, is_single) => {
                return Err(OpenError::Unreachable { place: shared.place.clone(), source: Box::new(trouble) });
            }
            Err(Unusable::Away(trouble)) => shared.miss(&trouble),
        }
        let looking = tokio::spawn(Arc::clone(&shared).look_while_away()).abort_handle();
        Ok(Self { shared, looking })
    }

    /// Puts checkpoints of a writer into copies that they fit, `bodies` being what is kept of each. `None` when Redis does not
    /// answer; some may be there then.
    pub async fn save(&self, fence: Fence, checkpoints: &[Checkpoint], bodies: &[Vec<u8>]) -> Option<Vec<Copied>> {
        let pairs: Vec<_> = checkpoints.iter().zip(bodies).collect();
        let requests = chunks(&pairs, |(_, body)| body.len()).into_iter().map(|chunk| {
            let mut arguments = vec![fence_bytes(fence), life()];
            for (checkpoint, body) in chunk {
                write_checkpoint(checkpoint, (*body).clone(), &mut arguments);
            }
            Request::Script(Script::CopySave, arguments)
        });
        let read = |answers| {
            let mut copied = Vec::with_capacity(checkpoints.len());
            for answer in answers {
                let mut parts = list(answer)?.into_iter();
                while let Some(taken) = parts.next() {
                    let start = bytes(next(&mut parts)?)?;
                    copied.push(if int(&taken)? == 1 { Copied::Taken(start) } else { Copied::Other(start) });
                }
            }
            Ok(copied)
        };
        self.shared.ask(requests.collect(), checkpoints.len(), read).await
    }

    /// Makes copies of records, each with the start of a copy that is known to be wrong. Says for each whether the copy has
    /// it now: not if it has a later one.
    pub async fn put(&self, entries: &[(Entry, Vec<u8>)]) -> Option<Vec<bool>> {
        let requests = chunks(entries, |(entry, _)| entry.body.len()).into_iter().map(|chunk| {
            let mut arguments = vec![life()];
            for (Entry { player, prefix, body, stamp: _ }, wrong) in chunk {
                arguments.extend([keys::player(*player).into_bytes(), prefix.clone(), body.clone(), wrong.clone()]);
            }
            Request::Script(Script::CopyPut, arguments)
        });
        let read = |answers: Vec<Value>| {
            let mut put = Vec::with_capacity(entries.len());
            for answer in answers {
                for part in list(answer)? {
                    put.push(int(&part)? == 1);
                }
            }
            Ok(put)
        };
        self.shared.ask(requests.collect(), entries.len(), read).await
    }

    /// The copies that there are, in the order of `players`. What cannot be read is none.
    pub async fn find(&self, players: &[PlayerId]) -> Option<Vec<Option<Stamped>>> {
        let read = |answers: Vec<Value>| {
            let mut found = Vec::with_capacity(players.len());
            for answer in answers {
                for value in list(answer)? {
                    found.push(maybe_bytes(value)?.and_then(|bytes| snapshot::decode(&bytes).ok()));
                }
            }
            Ok(found)
        };
        self.shared.ask(reads(&self.shared.base, players), players.len(), read).await
    }

    /// Removes all copies, because the records of which they are go. A Redis that does not answer is asked for none any more.
    pub async fn clear(&self) {
        if let Err(failure) = self.remove_all().await {
            self.shared.given_up.store(true, Ordering::Release);
            let (place, reason) = (&self.shared.place, failure.trouble());
            tracing::warn!(place, %reason, "redis may have copies of a world that is gone, and is not used any more");
        }
    }

    async fn remove_all(&self) -> Result<(), Failure> {
        let mut walk = Walk::new(&self.shared.base);
        while let Some(scan) = walk.scan() {
            let removal = walk.found(self.command(scan).await?, |key| !key.ends_with(b":meta"))?;
            if let Some(removal) = removal {
                self.command(removal).await?;
            }
        }
        Ok(())
    }

    async fn command(&self, command: Cmd) -> Result<Value, Failure> {
        let answers = self.shared.lane.try_call_within(CALL_DEADLINE, vec![Request::Command(command)]).await?;
        Ok(next(&mut answers.into_iter())?)
    }

    /// Redis, while it is away.
    pub fn away(&self) -> Option<Away> {
        self.shared.presence.away()
    }

    /// Calls that wait for Redis.
    pub fn depth(&self) -> usize {
        self.shared.lane.depth.now()
    }

    /// Lets go of the connection; whatever is asked later is not answered.
    pub async fn close(&self) {
        self.looking.abort();
        self.shared.lane.close().await;
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Shared {
    /// Asks unless Redis is away; `count` things must be answered.
    async fn ask<T>(
        &self,
        requests: Vec<Request>,
        count: usize,
        read: impl FnOnce(Vec<Value>) -> Result<Vec<T>, Trouble>,
    ) -> Option<Vec<T>> {
        if requests.is_empty() {
            return Some(Vec::new());
        }
        if self.presence.away().is_some() || self.given_up.load(Ordering::Acquire) {
            return None;
        }
        let answers = match self.lane.try_call(requests).await {
            Ok(answers) => read(answers),
            Err(Failure::Trouble(trouble)) => Err(trouble),
            // It is there, and has too much to do for this call.
            Err(Failure::Full | Failure::Closed) => return None,
        };
        let answers = answers.and_then(|answers| {
            if answers.len() == count {
                Ok(answers)
            } else {
                Err(Trouble::Odd { what: "another number of answers".to_owned() })
            }
        });
        answers.map_err(|trouble| self.miss(&trouble)).ok()
    }

    /// Redis did not answer as it should: it is away until it was greeted again.
    fn miss(&self, trouble: &Trouble) {
        if self.presence.failed() {
            tracing::warn!(place = self.place, reason = %trouble, "redis is away; checkpoints go to the store behind it");
        }
        self.missed.notify_one();
    }

    /// Whether what is there may be used: a Redis that is new enough, with copies of this world or nothing.
    async fn greet(&self) -> Result<(), Unusable> {
        let (info, marker) = (Request::Command(cmd("INFO")), self.marker());
        let mut answers = self.lane.try_call_within(CALL_DEADLINE, vec![info]).await?.into_iter();
        Told::read(&answer::text(next(&mut answers)?)?).check_version(&self.place)?;
        let mut answers = self.lane.try_call_within(CALL_DEADLINE, vec![marker]).await?.into_iter();
        let mut parts = list(next(&mut answers)?)?.into_iter();
        let (kind, found) = (answer::text(next(&mut parts)?)?, answer::lossy(next(&mut parts)?)?);
        if kind == "foreign" {
            return Err(self.foreign(found).into());
        }
        let place = self.place.clone();
        match found.parse::<u32>() {
            Ok(FORMAT) => Ok(()),
            Ok(found) if found > FORMAT => Err(OpenError::NewerVersion { place, found, supported: FORMAT }.into()),
            _ => Err(OpenError::Corrupt { place, reason: format!("its marker has the format \"{found}\"") }.into()),
        }
    }

    fn marker(&self) -> Request {
        Request::script(Script::CopyOpen, [FORMAT.to_string(), u8::from(self.is_cluster).to_string(), self.own.clone()])
    }

    /// The error for a key that is not ours.
    fn foreign(&self, key: String) -> OpenError {
        let (place, wanted) = (self.place.clone(), self.world.clone());
        if let Some(found) = keys::world_of_copies(&key) {
            return OpenError::OtherWorld { place, found, wanted };
        }
        match keys::world_of(&key) {
            Some(world) => OpenError::Unsuitable {
                place,
                found: format!("it keeps the world \"{world}\" itself"),
                fix: "give another database for copies, or open that world by this URL alone",
            },
            None => OpenError::ForeignKeys { place, key },
        }
    }

    /// Greets a Redis that is away until it can be used.
    async fn look_while_away(self: Arc<Self>) {
        loop {
            self.missed.notified().await;
            while self.presence.away().is_some() {
                tokio::time::sleep(LOOK_EVERY).await;
                match self.greet().await {
                    Ok(()) => {
                        self.presence.answered();
                        tracing::info!(place = self.place, "redis is back");
                    }
                    Err(Unusable::Away(reason)) => tracing::debug!(place = self.place, %reason, "redis is still away"),
                    Err(Unusable::Refused(error)) => tracing::debug!(%error, "redis cannot be used"),
                }
            }
        }
    }
}

fn life() -> Vec<u8> {
    COPY_LIFE.as_millis().to_string().into_bytes()
}

/// Whether waiting for Redis cannot help.
const fn is_final(trouble: &Trouble, is_single: bool) -> bool {
    match trouble {
        Trouble::Password { .. } | Trouble::Permission { .. } | Trouble::Master { .. } => true,
        // Behind sentinels and in a cluster another may be promoted any moment.
        Trouble::Replica { .. } => is_single,
        _ => false,
    }
}
