//! What a world in Redis keeps: lists and logs say how long they are, other keys are counted by a walk.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::answer::{int, list, lossy, maybe_bytes, next, number};
use super::bare::{Bare, bare};
use super::clear::{KEYS_AT_A_TIME, Walk};
use super::journal::read_entry;
use super::lane::Failure;
use super::opening::{self, FORMAT, unreachable};
use super::trouble::Trouble;
use super::{COPY_LIFE, LOG_KEPT_BYTES_PER_SHARD, LOG_KEPT_PER_SHARD, copies, keys};
use crate::check;
use crate::error::OpenError;
use crate::health;
use crate::inventory::{Family, Inventory, Retention, Rows};
use crate::limits::REQUESTS_KEPT_PER_PLAYER;
use crate::url::RedisUrl;
use darkages_topology::ShardId;

/// Keys that a walk looks at, at most: some seconds of a busy server's time.
const MAX_WALKED: usize = 2_000_000;

struct Looker {
    bare: Bare,
    place: String,
}

impl Looker {
    async fn begin(url: &RedisUrl, world: &str) -> Result<Self, OpenError> {
        check::world(world)?;
        Ok(Self { place: url.to_string(), bare: bare(url.clone(), world).await? })
    }

    fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.bare.base)
    }

    fn failed(&self, trouble: Trouble) -> OpenError {
        unreachable(&self.place, Failure::Trouble(trouble))
    }

    async fn ask<T>(&mut self, command: &Cmd, read: impl FnOnce(Value) -> Result<T, Trouble>) -> Result<T, OpenError> {
        let node = self.bare.node.to_string();
        let answer = match self.bare.connection.send_packed_command(command).await {
            Ok(Value::ServerError(error)) => Err(Trouble::server(&error, &node)),
            Ok(answer) => read(answer),
            Err(source) => Err(Trouble::Lost { node, source }),
        };
        answer.map_err(|trouble| self.failed(trouble))
    }

    async fn count(&mut self, command: &str, rest: &str) -> Result<Rows, OpenError> {
        let command = cmd(command).arg(self.key(rest)).to_owned();
        let count = self.ask(&command, |answer| int(&answer)).await?;
        Ok(Rows::Exact(count.unsigned_abs()))
    }

    /// How many keys there are of each sort that starts with one of these names; all of them are lower bounds when there are too
    /// many keys to look at.
    async fn walk<const N: usize>(&mut self, base: &str, names: [&str; N]) -> Result<[Rows; N], OpenError> {
        let (mut walk, mut walked, mut counts) = (Walk::new(base), 0, [0; N]);
        while let Some(scan) = walk.scan() {
            let answer = self.ask(&scan, Ok).await?;
            walked += KEYS_AT_A_TIME;
            let looked = walk.found(answer, |key| {
                let rest = key.strip_prefix(base.as_bytes()).unwrap_or_default();
                for (count, name) in counts.iter_mut().zip(names) {
                    *count += u64::from(rest.starts_with(name.as_bytes()));
                }
                false
            });
            looked.map_err(|trouble| self.failed(trouble))?;
            if walked > MAX_WALKED {
                return Ok(counts.map(Rows::MoreThan));
            }
        }
        Ok(counts.map(Rows::Exact))
    }

    /// How many entries the logs have, and how old the oldest is.
    async fn log(&mut self) -> Result<(u64, Option<Duration>), OpenError> {
        let shards = cmd("HKEYS").arg(self.key(":logsizes")).to_owned();
        let shards: Vec<ShardId> = self
            .ask(&shards, |answer| list(answer)?.into_iter().map(|shard| Ok(ShardId(number(shard)?))).collect())
            .await?;
        let now = self.now().await?;
        let (mut entries, mut oldest) = (0, None);
        for shard in shards {
            let key = self.key(&format!(":log:{}", shard.0));
            entries += self.ask(&cmd("XLEN").arg(&key).to_owned(), |answer| int(&answer)).await?.unsigned_abs();
            let first = cmd("XRANGE").arg(&key).arg("-").arg("+").arg("COUNT").arg(1).to_owned();
            let first = self
                .ask(&first, |answer| list(answer)?.into_iter().next().map(|row| read_entry(shard, row)).transpose())
                .await?;
            oldest = oldest.max(first.map(|entry| now.saturating_sub(entry.at)));
        }
        Ok((entries, oldest))
    }

    async fn now(&mut self) -> Result<Duration, OpenError> {
        self.ask(&cmd("TIME"), |answer| {
            let mut time = list(answer)?.into_iter();
            Ok(Duration::from_secs(number(next(&mut time)?)?))
        })
        .await
    }
}

/// What the world keeps.
///
/// # Errors
/// When it is not there, or Redis does not answer.
pub async fn inventory(url: &RedisUrl, world: &str) -> Result<Inventory, OpenError> {
    let mut looker = Looker::begin(url, world).await?;
    let marker = cmd("HGETALL").arg(looker.key(":meta")).to_owned();
    let said: BTreeMap<String, String> = looker
        .ask(&marker, |answer| {
            let mut parts = match answer {
                Value::Map(pairs) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
                other => list(other)?,
            }
            .into_iter();
            let mut said = BTreeMap::new();
            while let Some(name) = parts.next() {
                said.insert(lossy(name)?, lossy(next(&mut parts)?)?);
            }
            Ok(said)
        })
        .await?;
    let version = opening::version_of(&looker.place, world, said.get("format"))?;
    let forever = |name, what, rows| Family { name, what, rows, kept: Retention::Forever, oldest: None };
    let (entries, oldest) = looker.log().await?;
    let base = looker.bare.base.clone();
    let [requests, sessions] = looker.walk(&base, [":requests:", ":session:"]).await?;
    let families = vec![
        forever("owner", "players: owner, state, position", looker.count("ZCARD", keys::PLAYERS).await?),
        forever("leases", "shards that a zone has held", looker.count("HLEN", ":leases").await?),
        forever("topology", "the shard map", looker.count("EXISTS", ":topology").await?),
        Family {
            name: "log",
            what: "transactions and events",
            rows: Rows::Exact(entries),
            kept: Retention::NewestOfShard { records: LOG_KEPT_PER_SHARD, bytes: Some(LOG_KEPT_BYTES_PER_SHARD) },
            oldest,
        },
        Family {
            name: "requests",
            what: "players whose requests are remembered",
            rows: requests,
            kept: Retention::NewestOfPlayer { records: REQUESTS_KEPT_PER_PLAYER as u64 },
            oldest: None,
        },
        Family {
            name: "session",
            what: "open sessions",
            rows: sessions,
            kept: Retention::UntilTheyExpire,
            oldest: None,
        },
        Family {
            name: "nonces",
            what: "tokens that were used",
            rows: looker.count("ZCARD", ":nonces").await?,
            kept: Retention::UntilTheyExpire,
            oldest: None,
        },
    ];
    Ok(Inventory { tier: health::REDIS, place: looker.place, version, supported: FORMAT, families })
}

/// What there is of copies of `world`, of the records in the keyspace with this `id`.
///
/// # Errors
/// When Redis does not answer. Copies that are not there are none.
pub async fn copies_inventory(url: &RedisUrl, world: &str, id: &str) -> Result<Inventory, OpenError> {
    let mut looker = Looker::begin(url, world).await?;
    let base = format!("{}:{id}", keys::copies(world));
    let marker = cmd("GET").arg(format!("{base}:meta")).to_owned();
    let found = looker.ask(&marker, maybe_bytes).await?;
    let version = found.and_then(|version| std::str::from_utf8(&version).ok()?.parse().ok()).unwrap_or_default();
    let [rows] = looker.walk(&base, [":owner:"]).await?;
    let kept = Retention::For(COPY_LIFE);
    let families = vec![Family { name: "cache", what: "copies of players' records", rows, kept, oldest: None }];
    Ok(Inventory { tier: health::REDIS, place: looker.place, version, supported: copies::FORMAT, families })
}
