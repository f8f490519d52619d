//! Writing transactions and the log.

use std::time::Duration;

use darkages_topology::{PlayerId, ShardId};
use redb::{ReadableTable, Table};

use super::leases::Leases;
use super::owners::{check_live, read, write};
use super::tables::{Tables, Trouble};
use crate::codec::{self, Answered};
use crate::error::StoreError;
use crate::journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, RequestId, Saved, Transaction};
use crate::judge::fits;
use crate::lease::Fence;
use crate::limits::REQUESTS_KEPT_PER_PLAYER;

/// Entries of a shard's log that are kept, the newest: some hours of a busy shard, or about 20 MB.
pub const LOG_KEPT_PER_SHARD: u64 = 100_000;

/// Old entries that one new entry may push out; more than one, so that a log that is too long becomes shorter.
const PRUNED_PER_ENTRY: usize = 2;

/// Carries out a transaction. Everything is judged before anything is written.
pub(super) fn commit(
    tables: &mut Tables<'_>,
    leases: &Leases,
    fence: Fence,
    transaction: Transaction,
    now: Duration,
) -> Result<Committed, Trouble> {
    check_live(leases, fence)?;
    let Transaction { request, states, event, answer } = transaction;
    let remembered = Remembered::read(tables, request)?;
    if let Some(first) = remembered.first {
        return Ok(Committed::Repeated { shard: first.shard, seq: first.seq, answer: first.answer });
    }
    let mut records = Vec::with_capacity(states.len());
    for state in states {
        let Checkpoint { player, .. } = state;
        let current = read(&tables.owners, player)?;
        match (fits(current.as_ref(), &state, fence), current) {
            (Saved::Done, Some(mut record)) => {
                record.data = state.data;
                record.data.version = record.data.version.next();
                records.push((player, record));
            }
            (why, current) => return Ok(Committed::Refused { player, why, current }),
        }
    }
    let mut states = Vec::with_capacity(records.len());
    for (player, record) in records {
        write(tables, player, Some(record.owner), &record)?;
        states.push(Checkpoint { player, owner_epoch: record.owner_epoch, data: record.data });
    }
    let entry = LogEntry { seq: LogSeq::default(), epoch: fence.epoch, at: now, request: Some(request), event, states };
    let seq = write_entry(&mut tables.log, fence.shard, entry)?;
    let answered = Answered { number: request.number, shard: fence.shard, seq, answer };
    tables.requests.insert((request.player.0, remembered.next), codec::encode_answered(&answered).as_slice())?;
    if let Some(oldest) = remembered.surplus {
        tables.requests.remove((request.player.0, oldest))?;
    }
    Ok(Committed::Done { seq })
}

/// What is remembered of a player's requests.
struct Remembered {
    /// The one that is asked for.
    first: Option<Answered>,
    /// The running number of the next.
    next: u64,
    /// The running number of one that must go when another comes.
    surplus: Option<u64>,
}

impl Remembered {
    fn read(tables: &Tables<'_>, request: RequestId) -> Result<Self, Trouble> {
        let RequestId { player: PlayerId(player), number } = request;
        let mut remembered = Self { first: None, next: 0, surplus: None };
        let mut kept = 0;
        for row in tables.requests.range((player, 0)..=(player, u64::MAX))? {
            let (key, bytes) = row?;
            let (_, running) = key.value();
            let answered = codec::decode_answered(bytes.value()).map_err(|error| StoreError::Corrupt {
                what: format!("the requests of player {}", request.player),
                reason: error.reason(),
            })?;
            remembered.surplus = remembered.surplus.or(Some(running));
            remembered.next = running + 1;
            kept += 1;
            if answered.number == number {
                remembered.first = Some(answered);
            }
        }
        if kept < REQUESTS_KEPT_PER_PLAYER {
            remembered.surplus = None;
        }
        Ok(remembered)
    }
}

/// Appends events to the log of the writer's shard.
pub(super) fn append(
    tables: &mut Tables<'_>,
    leases: &Leases,
    fence: Fence,
    events: Vec<Event>,
    now: Duration,
) -> Result<LogSeq, Trouble> {
    check_live(leases, fence)?;
    let mut last = LogSeq::default();
    for event in events {
        let (seq, epoch) = (LogSeq::default(), fence.epoch);
        let entry = LogEntry { seq, epoch, at: now, request: None, event, states: Vec::new() };
        last = write_entry(&mut tables.log, fence.shard, entry)?;
    }
    Ok(last)
}

/// Writes an entry at the end of a shard's log; where that is.
fn write_entry(
    log: &mut Table<'_, (u32, u64), &'static [u8]>,
    ShardId(shard): ShardId,
    entry: LogEntry,
) -> Result<LogSeq, Trouble> {
    let whole = (shard, 0)..=(shard, u64::MAX);
    let last = log.range(whole)?.next_back().transpose()?.map_or(0, |(key, _)| key.value().1);
    let seq = LogSeq(last + 1);
    log.insert((shard, seq.0), codec::encode_entry(&entry).as_slice())?;
    if let Some(end) = seq.0.checked_sub(LOG_KEPT_PER_SHARD) {
        let old = log.range((shard, 0)..=(shard, end))?.take(PRUNED_PER_ENTRY);
        let old: Vec<_> = old.map(|row| row.map(|(key, _)| key.value())).collect::<Result<_, _>>()?;
        for key in old {
            log.remove(key)?;
        }
    }
    Ok(seq)
}
