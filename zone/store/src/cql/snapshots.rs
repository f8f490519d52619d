//! Checkpoints: a row for each player beside the owner record, written plainly, believed only under the record's head.
//!
//! A row is not compared and swapped. It holds a [`snapshot`](crate::snapshot): readers take its data only if its head is the
//! record's, so one that comes too late, after a swap or a transaction, is as if it had never come. Of two with the same head the servers
//! keep the one with the higher timestamp, which is the stamp's time: the servers' own, by the read of the lease that the
//! write was allowed by, and rising in this process whatever the next server says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use darkages_topology::PlayerId;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::keys;
use super::swaps::BATCH_WIDTH;
use super::wire::unavailable;
use super::{Cql, Inner};
use crate::error::StoreError;
use crate::journal::{Checkpoint, Saved};
use crate::judge;
use crate::lease::Fence;
use crate::owner::OwnerRecord;
use crate::snapshot::{self, Entry, Stamp, Stamped, same_head};

const ACTION: &str = "saving checkpoints";

/// The record with a checkpoint's data, or why it does not take them.
pub(crate) type Judged = Result<OwnerRecord, Saved>;

/// The last stamp's time that this process has given or seen.
#[derive(Default)]
pub(super) struct Times(AtomicU64);

impl Times {
    /// The next time, at `now` by some server, in unix milliseconds.
    fn next(&self, now: i64) -> u64 {
        let now = now.unsigned_abs().saturating_mul(1_000);
        let later = |last: u64| Some(now.max(last.saturating_add(1)));
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later)
            .map_or(now, |last| now.max(last.saturating_add(1)))
    }

    /// Whatever this process writes from now on is later than this.
    fn saw(&self, micros: u64) {
        self.0.fetch_max(micros, Ordering::Relaxed);
    }
}

impl Inner {
    /// Stamps for `count` checkpoints of a writer, in their order, at `now` by the read of its lease.
    fn stamps(&self, fence: Fence, now: i64, count: usize) -> Vec<Stamp> {
        (0..count).map(|_| Stamp { epoch: fence.epoch, micros: self.times.next(now) }).collect()
    }

    /// Judges checkpoints by the records of their players: the record with the new data, or why not. The lease is read after
    /// the records, see [`owners`](super::owners); what time it was then comes along.
    async fn judged(&self, fence: Fence, checkpoints: &[&Checkpoint]) -> Result<(Vec<Judged>, i64), StoreError> {
        let mut players: Vec<_> = checkpoints.iter().map(|checkpoint| checkpoint.player).collect();
        players.sort_unstable();
        players.dedup();
        let records = self.owners(ACTION, &players).await?;
        let found: BTreeMap<_, _> = players.into_iter().zip(records).collect();
        let now = self.check_live(ACTION, fence).await?.now;
        let judge = |checkpoint: &&Checkpoint| {
            let record = found.get(&checkpoint.player).and_then(Option::as_ref);
            match (judge::fits(record, checkpoint, fence), record) {
                (Saved::Done, Some(record)) => Ok(OwnerRecord { data: checkpoint.data.clone(), ..*record }),
                (why, _) => Err(why),
            }
        };
        Ok((checkpoints.iter().map(judge).collect(), now))
    }

    /// Writes snapshots. Each may have been written before.
    async fn write_snapshots(&self, entries: &[&Entry]) -> Result<(), StoreError> {
        let writes: Vec<_> = entries
            .iter()
            .map(|entry| async move {
                let values = (keys::of_player(entry.player), entry.bytes(), entry.stamp.micros as i64);
                self.wire.run(ACTION, &self.statements.write_snapshot, values).await.map(drop)
            })
            .collect();
        stream::iter(writes).buffer_unordered(BATCH_WIDTH).try_collect().await
    }

    pub async fn save_batch(&self, fence: Fence, checkpoints: &[Checkpoint]) -> Result<Vec<Saved>, StoreError> {
        let (judged, now) = self.judged(fence, &checkpoints.iter().collect::<Vec<_>>()).await?;
        let stamps = self.stamps(fence, now, checkpoints.len());
        let entry = |((checkpoint, judged), stamp): ((&Checkpoint, &Judged), Stamp)| {
            Some(Entry::new(checkpoint.player, judged.as_ref().ok()?, stamp))
        };
        let entries: Vec<_> = checkpoints.iter().zip(&judged).zip(stamps).filter_map(entry).collect();
        self.write_snapshots(&entries.iter().collect::<Vec<_>>()).await?;
        Ok(judged.into_iter().map(|judged| judged.err().unwrap_or(Saved::Done)).collect())
    }

    async fn read_snapshot(&self, action: &'static str, player: PlayerId) -> Result<Option<Stamped>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.read_snapshot, (keys::of_player(player),)).await?;
        let columns: Option<(Vec<u8>,)> = rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        let Some((bytes,)) = columns else { return Ok(None) };
        let damaged = |error: crate::codec::CodecError| StoreError::Corrupt {
            what: format!("the snapshot of player {player}"),
            reason: error.reason(),
        };
        snapshot::decode(&bytes).map(Some).map_err(damaged)
    }

    /// Gives records that were just read the newest data that is known of them, and says how new those are.
    pub async fn freshen(
        &self,
        action: &'static str,
        records: &mut [(PlayerId, &mut OwnerRecord)],
    ) -> Result<Vec<Stamp>, StoreError> {
        let reads: Vec<_> = records.iter().map(|(player, _)| self.read_snapshot(action, *player)).collect();
        let found: Vec<_> = stream::iter(reads).buffered(BATCH_WIDTH).try_collect().await?;
        let take = |((_, record), found): (&mut (PlayerId, &mut OwnerRecord), Option<Stamped>)| match found {
            Some(Stamped { record: newer, stamp }) if same_head(record, &newer) => {
                self.times.saw(stamp.micros);
                record.data = newer.data;
                stamp
            }
            _ => Stamp::default(),
        };
        Ok(records.iter_mut().zip(found).map(take).collect())
    }
}

/// For a store that has copies elsewhere.
impl Cql {
    /// Stamps for `count` checkpoints of a writer, in their order, once its lease was read.
    pub(crate) async fn stamps(&self, fence: Fence, count: usize) -> Result<Vec<Stamp>, StoreError> {
        let now = self.call(ACTION, async { Ok(self.inner.check_live(ACTION, fence).await?.now) }).await?;
        Ok(self.inner.stamps(fence, now, count))
    }

    /// As [`Store::save_batch`](crate::Store::save_batch) judges, without writing anything.
    pub(crate) async fn judged(&self, fence: Fence, checkpoints: &[&Checkpoint]) -> Result<Vec<Judged>, StoreError> {
        Ok(self.call(ACTION, self.inner.judged(fence, checkpoints)).await?.0)
    }

    /// Writes data of checkpoints that were judged, durably. Each may have been written before.
    pub(crate) async fn write_snapshots(&self, entries: &[&Entry]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.call(ACTION, self.inner.write_snapshots(entries)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_whatever_servers_say() {
        let times = Times::default();
        assert_eq!(times.next(5), 5_000);
        assert_eq!(times.next(5), 5_001, "twice in a millisecond");
        assert_eq!(times.next(4), 5_002, "a server that is behind");
        times.saw(9_000);
        assert_eq!(times.next(6), 9_001, "an earlier incarnation was ahead");
        assert_eq!(times.next(10), 10_000);
    }
}
