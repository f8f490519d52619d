//! The log of a shard: places, entries in buckets, and reading them in order.
//!
//! Places are taken from the shard's lease row by compare-and-swap, [`BLOCK`] at a time, only by the incarnation that the
//! row names; so no two entries share a place and those of a later incarnation come later. Transactions are in the table
//! `journal`, other events in `events`, each with a life of its own, in partitions of [`BUCKET`] places. An entry of the
//! journal is written before its transaction is decided and counts only if it was.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use darkages_topology::{ShardEpoch, ShardId};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;

use super::Inner;
use super::keys;
use super::marks::{self, DECIDED, Mark, OPEN};
use super::schema::BUCKET;
use super::swaps::BATCH_WIDTH;
use super::wire::unavailable;
use crate::codec;
use crate::error::StoreError;
use crate::journal::{Event, LogEntry, LogSeq};
use crate::lease::Fence;
use crate::transition::MustBeOver;

/// Places that an incarnation takes at a time. Those that it leaves are gaps.
const BLOCK: u64 = 1_024;

/// Entries that are written by one statement, at most, and their bytes: servers split nothing that is of one partition, and take
/// some megabytes of it at a time. One entry alone may be larger.
const MAX_PART: usize = 256;
const MAX_PART_BYTES: usize = 256 * 1024;

/// Buckets that are read at a time by whoever looks for the beginning of a long log.
const BUCKETS_AT_A_TIME: u64 = 16;

/// Times that places are asked for again because somebody else took some meanwhile.
const ROUNDS: u32 = 8;

/// An entry whose transaction is undecided for longer belongs to somebody who has given up: it is called off, or nobody
/// would see what comes after it.
pub(super) const UNDECIDED: Duration = Duration::from_secs(10);

/// Incarnations whose places are remembered, at most. A process has one for each zone in it.
const MAX_BLOCKS: usize = 1_024;

/// Places that were taken and not yet used.
#[derive(Default)]
pub(super) struct Places(Mutex<BTreeMap<ShardId, (ShardEpoch, Range<u64>)>>);

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    shard: i64,
    bucket: i64,
    seq: i64,
}

impl Place {
    pub const fn of(shard: ShardId, seq: LogSeq) -> Self {
        Self { shard: keys::of_shard(shard), bucket: (seq.0 / BUCKET) as i64, seq: seq.0 as i64 }
    }
}

/// An entry that a reader found.
enum Found {
    Entry(LogEntry),
    /// Its transaction was called off.
    Nothing,
    /// Its transaction is under way. Later entries are not shown before it, or a reader that goes on from them misses it.
    NotYet,
}

impl Inner {
    /// Takes `count` places in a row; the first.
    pub(super) async fn places(&self, action: &'static str, fence: Fence, count: u64) -> Result<LogSeq, StoreError> {
        let mut blocks = self.places.0.lock().await;
        if let Some((epoch, block)) = blocks.get_mut(&fence.shard)
            && *epoch == fence.epoch
            && block.end - block.start >= count
        {
            let first = block.start;
            block.start += count;
            return Ok(LogSeq(first));
        }
        for _ in 0..ROUNDS {
            let first = self.check_live(action, fence).await?.log_next.unsigned_abs();
            let next = first + count.max(BLOCK);
            let values = (next as i64, keys::of_shard(fence.shard), fence.epoch.0 as i64, first as i64);
            if self.wire.cas(action, &self.statements.take_places, values).await? {
                if blocks.len() >= MAX_BLOCKS {
                    blocks.clear();
                }
                blocks.insert(fence.shard, (fence.epoch, first + count..next));
                return Ok(LogSeq(first));
            }
        }
        Err(unavailable(action, "others take places in the log all the time"))
    }

    pub async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        const ACTION: &str = "appending to the log";
        let first = self.places(ACTION, fence, events.len() as u64).await?;
        let last = LogSeq(first.0 + events.len() as u64 - 1);
        let at = Duration::from_millis(self.check_live(ACTION, fence).await?.now.unsigned_abs());
        let entry = |(seq, event)| {
            let (epoch, states) = (fence.epoch, Vec::new());
            let entry = LogEntry { seq, epoch, at, request: None, event, states };
            (Place::of(fence.shard, seq), codec::encode_entry(&entry))
        };
        let entries: Vec<_> = (first.0..).map(LogSeq).zip(events).map(entry).collect();
        let writes: Vec<_> = parts(&entries).into_iter().map(|part| self.write_events(ACTION, part)).collect();
        let mut writes = stream::iter(writes).buffer_unordered(BATCH_WIDTH);
        while writes.try_next().await?.is_some() {}
        Ok(last)
    }

    /// Writes entries of one partition, all or none.
    async fn write_events(&self, action: &'static str, entries: &[(Place, Vec<u8>)]) -> Result<(), StoreError> {
        let row = |(place, bytes): &(Place, Vec<u8>)| {
            let Place { shard, bucket, seq } = *place;
            (shard, bucket, seq, bytes.clone(), self.lives.events)
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        self.wire.run_together(action, &self.statements.write_event, rows).await
    }

    pub(super) async fn write_journal(
        &self,
        action: &'static str,
        shard: ShardId,
        entry: &LogEntry,
        attempt: u128,
    ) -> Result<(), StoreError> {
        let Place { shard, bucket, seq } = Place::of(shard, entry.seq);
        let attempt = attempt.to_be_bytes().to_vec();
        let values = (shard, bucket, seq, codec::encode_entry(entry), attempt, self.lives.journal);
        self.wire.run(action, &self.statements.write_journal, values).await.map(drop)
    }

    /// Says in the journal that the transaction at this place is decided, so that readers need not ask.
    pub(super) async fn decide_journal(&self, action: &'static str, place: Place) -> Result<(), StoreError> {
        let values = (self.lives.journal, place.shard, place.bucket, place.seq);
        self.wire.run(action, &self.statements.decide_journal, values).await.map(drop)
    }

    pub async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        const ACTION: &str = "reading the log";
        let Some(lease) = self.read_lease(ACTION, shard).await? else { return Ok(Vec::new()) };
        let end = lease.log_next.unsigned_abs();
        let (mut from, mut entries) = (from.0, Vec::new());
        while from < end && entries.len() < limit {
            let first = from / BUCKET;
            let last = (first + BUCKETS_AT_A_TIME).min(end.div_ceil(BUCKET));
            let wanted = limit - entries.len();
            let reads: Vec<_> = (first..last).map(|bucket| self.bucket(ACTION, shard, bucket, from, wanted)).collect();
            let buckets: Vec<_> = stream::iter(reads).buffered(BATCH_WIDTH).try_collect().await?;
            from = last * BUCKET;
            for (rows, is_whole) in buckets {
                for (seq, row) in rows {
                    if entries.len() == limit {
                        return Ok(entries);
                    }
                    match self.visible(ACTION, shard, lease.now, seq, row).await? {
                        Found::Entry(entry) => entries.push(entry),
                        Found::Nothing => {}
                        Found::NotYet => return Ok(entries),
                    }
                    if !is_whole {
                        // What was called off may have taken the place of others in this bucket: go on right here.
                        from = seq + 1;
                    }
                }
                if !is_whole {
                    break;
                }
            }
        }
        Ok(entries)
    }

    /// Rows of one bucket from place `from` on, in order, and whether there are no further ones.
    async fn bucket(
        &self,
        action: &'static str,
        shard: ShardId,
        bucket: u64,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<(u64, Row)>, bool), StoreError> {
        type Journal = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<bool>);
        let key = (keys::of_shard(shard), bucket as i64, from as i64, limit as i32);
        let (journal, events) = futures_util::try_join!(
            self.wire.rows(action, &self.statements.journal, key),
            self.wire.rows(action, &self.statements.events, key)
        )?;
        let is_whole = journal.rows_num() < limit && events.rows_num() < limit;
        let mut rows = Vec::with_capacity(journal.rows_num() + events.rows_num());
        for row in journal.rows::<Journal>().map_err(|error| unavailable(action, error))? {
            let (seq, entry, attempt, decided) = row.map_err(|error| unavailable(action, error))?;
            rows.push((seq.unsigned_abs(), Row { entry, attempt, decided: decided == Some(true) }));
        }
        for row in events.rows::<(i64, Vec<u8>)>().map_err(|error| unavailable(action, error))? {
            let (seq, entry) = row.map_err(|error| unavailable(action, error))?;
            rows.push((seq.unsigned_abs(), Row { entry: Some(entry), attempt: None, decided: true }));
        }
        rows.sort_unstable_by_key(|(seq, _)| *seq);
        rows.truncate(limit);
        Ok((rows, is_whole))
    }

    /// What a reader sees of a row at `now`.
    async fn visible(
        &self,
        action: &'static str,
        shard: ShardId,
        now: i64,
        seq: u64,
        row: Row,
    ) -> Result<Found, StoreError> {
        let damaged = |reason| StoreError::Corrupt { what: format!("the log of {shard} at {seq}"), reason };
        // A row whose entry has expired and whose decision has not is on its way out.
        let Some(bytes) = row.entry else { return Ok(Found::Nothing) };
        let entry = codec::decode_entry(LogSeq(seq), &bytes).map_err(|error| damaged(error.reason()))?;
        if row.decided {
            return Ok(Found::Entry(entry));
        }
        let request = entry.request.ok_or_else(|| damaged("a transaction without a request"))?;
        let attempt = marks::attempt(request, &row.attempt.unwrap_or_default())?;
        let by = Fence { shard, epoch: entry.epoch };
        self.judge_entry(action, now, entry, Mark { request, attempt, by }).await
    }

    /// Whether the transaction of an entry that does not say so is decided.
    async fn judge_entry(
        &self,
        action: &'static str,
        now: i64,
        entry: LogEntry,
        mark: Mark,
    ) -> Result<Found, StoreError> {
        let row = self.read_request(action, mark.request).await?.filter(|row| row.attempt == mark.attempt);
        match row.map(|row| row.state) {
            Some(DECIDED) => Ok(Found::Entry(entry)),
            Some(OPEN) => {
                let age = Duration::from_millis(now.unsigned_abs()).saturating_sub(entry.at);
                if age < UNDECIDED && self.blocks(action, MustBeOver::Incarnation(mark.by)).await?.is_some() {
                    return Ok(Found::NotYet);
                }
                let decided = self.settle(action, &mark).await?;
                Ok(if decided { Found::Entry(entry) } else { Found::Nothing })
            }
            // No row, or another attempt's: it was called off, or it is about to open its row under a live lease, and then
            // the answer to whoever asked for it is still out.
            _ => Ok(Found::Nothing),
        }
    }
}

/// Entries that follow each other, in parts that each go together: of one partition, and not too large.
fn parts(mut entries: &[(Place, Vec<u8>)]) -> Vec<&[(Place, Vec<u8>)]> {
    let mut parts = Vec::new();
    while let Some((first, _)) = entries.first() {
        let mut bytes = 0;
        let fits = |(place, entry): &&(Place, Vec<u8>)| {
            bytes += entry.len();
            place.bucket == first.bucket && bytes <= MAX_PART_BYTES
        };
        let count = entries.iter().take(MAX_PART).take_while(fits).count().max(1);
        let (part, rest) = entries.split_at(count);
        parts.push(part);
        entries = rest;
    }
    parts
}

/// A row of either table.
struct Row {
    entry: Option<Vec<u8>>,
    /// The attempt whose decision counts; events have none.
    attempt: Option<Vec<u8>>,
    decided: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_one_partition_and_not_too_large_and_nothing_is_left_out() {
        let place = |seq| Place::of(ShardId(1), LogSeq(seq));
        let size = |seq: u64| if seq.is_multiple_of(97) { 20_000 } else { (seq % 700) as usize };
        let mut entries: Vec<_> = (BUCKET - 900..BUCKET + 900).map(|seq| (place(seq), vec![0; size(seq)])).collect();
        entries.push((place(BUCKET + 900), vec![0; 2 * MAX_PART_BYTES]));
        let split = parts(&entries);
        assert!(split.len() < 20, "{} parts", split.len());
        let sum = |part: &[(Place, Vec<u8>)]| part.iter().map(|(_, entry)| entry.len()).sum::<usize>();
        for part in &split {
            assert!(part.iter().all(|(place, _)| place.bucket == part[0].0.bucket));
            assert!(part.len() <= MAX_PART && (part.len() == 1 || sum(part) <= MAX_PART_BYTES));
        }
        let seqs: Vec<i64> = split.concat().iter().map(|(place, _)| place.seq).collect();
        assert_eq!(seqs, entries.iter().map(|(place, _)| place.seq).collect::<Vec<_>>());
        assert!(parts(&[]).is_empty());
    }
}
