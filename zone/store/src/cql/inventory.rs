//! What a keyspace keeps. Rows are counted up to a bound, so that looking never costs a server more than some seconds; beyond
//! it the servers' own estimate is told where it is higher.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::TryStreamExt as _;
use scylla::client::session::Session;
use scylla::statement::Consistency;
use scylla::statement::unprepared::Statement;

use super::open::{bare, unreachable};
use super::schema::{META, VERSION, within};
use super::url::{CqlOptions, Quorum};
use crate::check;
use crate::error::OpenError;
use crate::health;
use crate::inventory::{Family, Inventory, Retention, Rows};
use crate::limits::REQUESTS_KEPT_PER_PLAYER;

/// Rows of a table that are counted, at most.
const MAX_COUNTED: u64 = 200_000;

/// Rows that are asked for at a time.
const PAGE: i32 = 5_000;

/// Partitions of a log that are looked at for its oldest entry, at most: 4,096 entries each.
const MAX_PARTITIONS: usize = 100_000;

/// How long one question may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Seconds of a day.
const DAY_S: u64 = 24 * 3_600;

struct Looker<'a> {
    session: Session,
    options: &'a CqlOptions,
}

/// What the keyspace of `options` keeps, and its own number.
///
/// # Errors
/// When it is not there, is of something else or another world, or no server answers.
pub async fn inventory(options: &CqlOptions, world: &str) -> Result<(Inventory, String), OpenError> {
    check::world(world)?;
    let looker = Looker { session: bare(options).await?, options };
    let (version, id) = looker.marker(world).await?;
    let days = |days: u32| Retention::For(Duration::from_secs(u64::from(days) * DAY_S));
    let per_player = Retention::NewestOfPlayer { records: REQUESTS_KEPT_PER_PLAYER as u64 };
    let mut families = Vec::new();
    for (name, what, key, kept) in [
        ("owners", "players: owner, state, as of the last swap or transaction", "player", Retention::Forever),
        ("snapshots", "players' newest checkpoints", "player", Retention::Forever),
        ("owned", "hints which players a shard owns", "player", Retention::Forever),
        ("players", "hints which players there are", "player", Retention::Forever),
        ("leases", "shards that a zone has held", "shard", Retention::Forever),
        ("shards", "hints which shards there are", "shard", Retention::Forever),
        ("topology", "the shard map", "world", Retention::Forever),
        ("journal", "transactions", "seq", days(options.journal_days)),
        ("events", "other events", "seq", days(options.events_days)),
        ("requests", "requests that are remembered", "number", per_player),
        ("sessions", "open sessions", "player", Retention::UntilTheyExpire),
        ("nonces", "tokens that were used", "nonce", Retention::UntilTheyExpire),
    ] {
        let is_log = matches!(name, "journal" | "events");
        let oldest = if is_log { looker.oldest(name).await? } else { None };
        families.push(Family { name, what, rows: looker.rows(name, key).await?, kept, oldest });
    }
    let supported = VERSION.unsigned_abs();
    Ok((Inventory { tier: health::CQL, place: options.place(), version, supported, families }, id))
}

impl Looker<'_> {
    fn failed(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        unreachable(self.options, error)
    }

    fn statement(&self, text: &str) -> Statement {
        let mut statement = Statement::new(within(&self.options.keyspace, text)).with_page_size(PAGE);
        statement.set_request_timeout(Some(TIMEOUT));
        statement.set_is_idempotent(true);
        statement.set_consistency(match self.options.consistency {
            Quorum::Local => Consistency::LocalQuorum,
            Quorum::Global => Consistency::Quorum,
        });
        statement
    }

    /// The version of the tables and the keyspace's number.
    async fn marker(&self, world: &str) -> Result<(u32, String), OpenError> {
        let (place, keyspace) = (|| self.options.place(), self.options.keyspace.as_str());
        let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?";
        let mut tables = Statement::new(tables);
        tables.set_consistency(Consistency::LocalOne);
        let rows = self.session.query_unpaged(tables, (keyspace, META)).await.map_err(|error| self.failed(error))?;
        if rows.into_rows_result().map_err(|error| self.failed(error))?.rows_num() == 0 {
            return Err(OpenError::NoWorld { place: place(), world: world.to_owned() });
        }
        let text = "SELECT key, value FROM $.darkages_meta";
        let rows = self.session.query_unpaged(self.statement(text), ()).await.map_err(|error| self.failed(error))?;
        let rows = rows.into_rows_result().map_err(|error| self.failed(error))?;
        let (mut version, mut id) = (None, String::new());
        for row in rows.rows::<(String, Option<String>)>().map_err(|error| self.failed(error))? {
            let (key, value) = row.map_err(|error| self.failed(error))?;
            match (key.as_str(), value.unwrap_or_default()) {
                ("world", found) if found != world => {
                    return Err(OpenError::OtherWorld { place: place(), found, wanted: world.to_owned() });
                }
                ("version", value) => version = value.parse::<u32>().ok(),
                ("id", value) => id = value,
                _ => {}
            }
        }
        let supported = VERSION.unsigned_abs();
        match version {
            None => Err(OpenError::Corrupt { place: place(), reason: "it does not say its version".to_owned() }),
            Some(found) if found > supported => Err(OpenError::NewerVersion { place: place(), found, supported }),
            Some(found) => Ok((found, id)),
        }
    }

    /// Rows of a table, of which `key` is a part of each row's key.
    async fn rows(&self, table: &str, key: &str) -> Result<Rows, OpenError> {
        let text = format!("SELECT {key} FROM $.{table} LIMIT {}", MAX_COUNTED + 1);
        let pager = self.session.query_iter(self.statement(&text), ()).await.map_err(|error| self.failed(error))?;
        let rows = pager.rows_stream::<scylla::value::Row>().map_err(|error| self.failed(error))?;
        let count = rows.try_fold(0_u64, |count, _| async move { Ok(count + 1) }).await;
        let count = count.map_err(|error| self.failed(error))?;
        if count <= MAX_COUNTED {
            return Ok(Rows::Exact(count));
        }
        let estimate = self.estimate(table).await?;
        Ok(if estimate > MAX_COUNTED { Rows::Estimate(estimate) } else { Rows::MoreThan(MAX_COUNTED) })
    }

    /// Partitions of a table, as the server that is asked knows of its own share: all of them where it has a copy of each.
    async fn estimate(&self, table: &str) -> Result<u64, OpenError> {
        let text = "SELECT partitions_count FROM system.size_estimates WHERE keyspace_name = ? AND table_name = ?";
        let mut statement = Statement::new(text);
        statement.set_consistency(Consistency::LocalOne);
        let key = (&self.options.keyspace, table);
        let rows = self.session.query_unpaged(statement, key).await.map_err(|error| self.failed(error))?;
        let rows = rows.into_rows_result().map_err(|error| self.failed(error))?;
        let mut sum = 0_u64;
        for row in rows.rows::<(i64,)>().map_err(|error| self.failed(error))? {
            let (count,) = row.map_err(|error| self.failed(error))?;
            sum = sum.saturating_add(count.unsigned_abs());
        }
        Ok(sum)
    }

    /// The age of the oldest entry of a log: the first of the first partition of each shard, by the time at which it was written.
    async fn oldest(&self, table: &str) -> Result<Option<Duration>, OpenError> {
        let text = format!("SELECT DISTINCT shard, bucket FROM $.{table} LIMIT {MAX_PARTITIONS}");
        let pager = self.session.query_iter(self.statement(&text), ()).await.map_err(|error| self.failed(error))?;
        let mut partitions = pager.rows_stream::<(i64, i64)>().map_err(|error| self.failed(error))?;
        let mut first = std::collections::BTreeMap::new();
        while let Some((shard, bucket)) = partitions.try_next().await.map_err(|error| self.failed(error))? {
            let least = first.entry(shard).or_insert(bucket);
            *least = bucket.min(*least);
        }
        let text = format!("SELECT WRITETIME(entry) FROM $.{table} WHERE shard = ? AND bucket = ? LIMIT 1");
        let mut oldest = None;
        for (shard, bucket) in first {
            let rows = self.session.query_unpaged(self.statement(&text), (shard, bucket)).await;
            let rows = rows.map_err(|error| self.failed(error))?.into_rows_result();
            let rows = rows.map_err(|error| self.failed(error))?;
            let written: Option<(Option<i64>,)> = rows.maybe_first_row().map_err(|error| self.failed(error))?;
            let written =
                written.and_then(|(micros,)| micros).map(|micros| Duration::from_micros(micros.unsigned_abs()));
            // The clock of this machine: an age is for people.
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            oldest = oldest.max(written.map(|written| now.saturating_sub(written)));
        }
        Ok(oldest)
    }
}
