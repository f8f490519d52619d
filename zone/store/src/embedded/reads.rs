//! Reading: from what is visible now, without waiting for writes.

use std::ops::Bound;
use std::sync::PoisonError;

use darkages_topology::{PlayerId, ShardEpoch, ShardId, ZoneId};
use redb::{ReadTransaction, ReadableDatabase, ReadableTable};

use super::tables::{self, LEASES, LOG, META, OWNED, OWNERS, SESSIONS, TOPOLOGY, Trouble};
use super::writer::Slot;
use super::{owners, sessions};
use crate::codec;
use crate::document::TopologyDocument;
use crate::error::StoreError;
use crate::journal::{LogEntry, LogSeq};
use crate::owner::OwnerRecord;
use crate::session::Session;

/// Readers of the file.
pub(super) struct Reads {
    slot: Slot,
}

impl From<redb::TableError> for Trouble {
    fn from(error: redb::TableError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TransactionError> for Trouble {
    fn from(error: redb::TransactionError) -> Self {
        Self::File(error.into())
    }
}

impl Trouble {
    fn reading(self, action: &'static str) -> StoreError {
        match self {
            Self::Refused(error) => error,
            Self::File(error) => StoreError::Unavailable { action, source: Box::new(error) },
        }
    }
}

impl Reads {
    pub fn new(slot: Slot) -> Self {
        Self { slot }
    }

    /// Refuses when the file is closed.
    pub fn check_open(&self, action: &'static str) -> Result<(), StoreError> {
        self.begin(action).map(drop)
    }

    fn begin(&self, action: &'static str) -> Result<ReadTransaction, StoreError> {
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let database = slot.as_ref().ok_or(StoreError::Closed)?;
        database.begin_read().map_err(|error| Trouble::from(error).reading(action))
    }

    fn read<T>(
        &self,
        action: &'static str,
        read: impl FnOnce(&ReadTransaction) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let transaction = self.begin(action)?;
        read(&transaction).map_err(|trouble| trouble.reading(action))
    }

    /// The newest incarnation of every shard.
    pub fn incarnations(&self) -> Result<Vec<(ShardId, ShardEpoch, ZoneId)>, StoreError> {
        self.read("reading the leases", |transaction| {
            let leases = transaction.open_table(LEASES)?;
            let mut incarnations = Vec::new();
            for row in ReadableTable::iter(&leases)? {
                let (shard, bytes) = row?;
                let shard = ShardId(shard.value());
                let corrupt = |error: codec::CodecError| StoreError::Corrupt {
                    what: format!("the lease of shard {shard}"),
                    reason: error.reason(),
                };
                let (epoch, zone) = codec::decode_lease(bytes.value()).map_err(corrupt)?;
                incarnations.push((shard, epoch, zone));
            }
            Ok(incarnations)
        })
    }

    pub fn topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        self.read("loading the shard map", |transaction| decode_topology(&transaction.open_table(TOPOLOGY)?))
    }

    pub fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        self.read("reading owner records", |transaction| {
            let table = transaction.open_table(OWNERS)?;
            players.iter().map(|player| owners::read(&table, *player)).collect()
        })
    }

    pub fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.read("listing the players of a shard", |transaction| {
            let owned = transaction.open_table(OWNED)?;
            let table = transaction.open_table(OWNERS)?;
            let from = match after {
                None => Bound::Included((shard.0, 0)),
                Some(after) => Bound::Excluded((shard.0, after.0)),
            };
            let rows = ReadableTable::range(&owned, (from, Bound::Included((shard.0, u64::MAX))))?.take(limit);
            let mut page = Vec::new();
            for row in rows {
                let player = PlayerId(row?.0.value().1);
                // Both tables change in one transaction, so the record is there.
                page.extend(owners::read(&table, player)?.map(|record| (player, record)));
            }
            Ok(page)
        })
    }

    pub fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.read("listing the shards that own players", |transaction| {
            let owned = transaction.open_table(OWNED)?;
            let mut shards = Vec::new();
            let mut after = after.map_or(Bound::Unbounded, |after| Bound::Excluded((after.0, u64::MAX)));
            while shards.len() < limit {
                let first = ReadableTable::range(&owned, (after, Bound::Unbounded))?.next().transpose()?;
                let Some((key, _)) = first else { break };
                let (shard, _) = key.value();
                shards.push(ShardId(shard));
                after = Bound::Excluded((shard, u64::MAX));
            }
            Ok(shards)
        })
    }

    pub fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.read("scanning owner records", |transaction| {
            let table = transaction.open_table(OWNERS)?;
            let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.0));
            let mut page = Vec::new();
            for row in ReadableTable::range(&table, (from, Bound::Unbounded))?.take(limit) {
                let (key, bytes) = row?;
                let player = PlayerId(key.value());
                page.push((player, owners::decode(player, bytes.value())?));
            }
            Ok(page)
        })
    }

    pub fn log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.read("reading the log", |transaction| {
            let log = transaction.open_table(LOG)?;
            let mut entries = Vec::new();
            for row in ReadableTable::range(&log, (shard.0, from.0)..=(shard.0, u64::MAX))?.take(limit) {
                let (key, bytes) = row?;
                let seq = LogSeq(key.value().1);
                let corrupt = |error: codec::CodecError| StoreError::Corrupt {
                    what: format!("entry {} in the log of shard {shard}", seq.0),
                    reason: error.reason(),
                };
                entries.push(codec::decode_entry(seq, bytes.value()).map_err(corrupt)?);
            }
            Ok(entries)
        })
    }

    pub fn history(&self) -> Result<u64, StoreError> {
        self.read("looking at the log", |transaction| tables::history(&transaction.open_table(META)?))
    }

    pub fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        self.read("reading a session", |transaction| sessions::read(&transaction.open_table(SESSIONS)?, player))
    }
}

/// The shard map in this table.
pub(super) fn decode_topology(
    table: &impl ReadableTable<(), &'static [u8]>,
) -> Result<Option<TopologyDocument>, Trouble> {
    let Some(bytes) = table.get(())? else { return Ok(None) };
    let corrupt =
        |error: codec::CodecError| StoreError::Corrupt { what: "the shard map".to_owned(), reason: error.reason() };
    Ok(Some(codec::decode_topology(bytes.value()).map_err(corrupt)?))
}
