//! What a file keeps, read without changing it.

use std::path::Path;
use std::time::Duration;

use darkages_topology::ShardId;
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableError};

use super::LOG_KEPT_PER_SHARD;
use super::open::{self, Place};
use super::tables::{FORMAT, LEASES, LOG, NONCES, OWNERS, REQUESTS, SESSIONS, TOPOLOGY};
use crate::clock::{Clock, SystemClock};
use crate::codec;
use crate::error::OpenError;
use crate::health;
use crate::inventory::{Family, Inventory, Retention, Rows};
use crate::journal::LogSeq;
use crate::limits::REQUESTS_KEPT_PER_PLAYER;

/// What the file at `path` keeps. Reads all of it, as opening does.
///
/// # Errors
/// When it is not there, is no store of `world`, or is open in another process.
pub fn inventory(path: &Path, world: &str) -> Result<Inventory, OpenError> {
    let place = Place::File(path.to_owned());
    if !path.exists() {
        return Err(OpenError::NoWorld { place: place.name(), world: world.to_owned() });
    }
    let database = open::look(path, world, &place)?;
    let families =
        families(&database).map_err(|error| OpenError::Corrupt { place: place.name(), reason: error.to_string() })?;
    // Whatever was opened has the newest format: an older one is there in no released version.
    Ok(Inventory { tier: health::REDB, place: place.name(), version: FORMAT, supported: FORMAT, families })
}

fn families(database: &Database) -> Result<Vec<Family>, redb::Error> {
    let forever = |name, what, rows| Family { name, what, rows, kept: Retention::Forever, oldest: None };
    let expiring = |name, what, rows| Family { name, what, rows, kept: Retention::UntilTheyExpire, oldest: None };
    Ok(vec![
        forever("owners", "players: owner, state, position", rows(database, OWNERS)?),
        forever("leases", "shards that a zone has held", rows(database, LEASES)?),
        forever("topology", "the shard map", rows(database, TOPOLOGY)?),
        Family {
            name: "log",
            what: "transactions and events",
            rows: rows(database, LOG)?,
            kept: Retention::NewestOfShard { records: LOG_KEPT_PER_SHARD, bytes: None },
            oldest: oldest(database)?,
        },
        Family {
            name: "requests",
            what: "requests that are remembered",
            rows: rows(database, REQUESTS)?,
            kept: Retention::NewestOfPlayer { records: REQUESTS_KEPT_PER_PLAYER as u64 },
            oldest: None,
        },
        expiring("sessions", "open sessions", rows(database, SESSIONS)?),
        expiring("nonces", "tokens that were used", rows(database, NONCES)?),
    ])
}

fn rows<K: redb::Key, V: redb::Value>(
    database: &Database,
    table: TableDefinition<'static, K, V>,
) -> Result<Rows, redb::Error> {
    match database.begin_read()?.open_table(table) {
        Ok(table) => Ok(Rows::Exact(table.len()?)),
        Err(TableError::TableDoesNotExist(_)) => Ok(Rows::Exact(0)),
        Err(error) => Err(error.into()),
    }
}

/// The age of the oldest entry of all shards.
fn oldest(database: &Database) -> Result<Option<Duration>, redb::Error> {
    let log = match database.begin_read()?.open_table(LOG) {
        Ok(log) => log,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (now, mut oldest, mut next) = (SystemClock::new().unix(), None, Some(ShardId(0)));
    while let Some(shard) = next {
        let Some(first) = log.range((shard.0, 0)..)?.next() else { break };
        let (key, bytes) = first?;
        let (shard, seq) = key.value();
        // One that cannot be read is told by whoever reads the log.
        let entry = codec::decode_entry(LogSeq(seq), bytes.value()).ok();
        oldest = oldest.max(entry.map(|entry| now.saturating_sub(entry.at)));
        next = shard.checked_add(1).map(ShardId);
    }
    Ok(oldest)
}
