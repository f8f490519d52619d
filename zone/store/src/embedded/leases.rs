//! The leases of a store that one process has open.
//!
//! Epochs are in the file, ends are in memory only: nobody but zones of this process can hold a lease, so none outlives it,
//! and renewing costs no disk. The book is asked at the moment at which a write is applied.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use darkages_topology::{ShardEpoch, ShardId, ZoneId};

use crate::clock::Clock;
use crate::lease::{Acquired, Fence, Lease, LeaseView, Renewed};
use crate::transition::MustBeOver;

struct Incarnation {
    epoch: ShardEpoch,
    zone: ZoneId,
    /// By the clock's elapsed time; `None` once it is over.
    until: Option<Duration>,
}

/// Who holds which shard.
pub(super) struct Leases {
    clock: Arc<dyn Clock>,
    book: Mutex<BTreeMap<ShardId, Incarnation>>,
}

impl Leases {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, BTreeMap<ShardId, Incarnation>> {
        // Every change of the book is one assignment, so a panic elsewhere cannot leave it half changed.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns from the file that this incarnation existed; it is over.
    pub fn remember(&self, shard: ShardId, epoch: ShardEpoch, zone: ZoneId) {
        let mut book = self.book();
        if book.get(&shard).is_none_or(|known| known.epoch < epoch) {
            book.insert(shard, Incarnation { epoch, zone, until: None });
        }
    }

    /// Starts a new incarnation if the last is over. The caller writes the epoch to the file before it answers.
    pub fn grant(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Acquired {
        let now = self.clock.elapsed();
        let mut book = self.book();
        let last = book.get(&shard);
        if let Some((last, left)) = last.and_then(|last| Some((last, left(last, now)?))) {
            return Acquired::Held { by: last.zone.clone(), epoch: last.epoch, left };
        }
        let epoch = ShardEpoch(last.map_or(0, |last| last.epoch.0) + 1);
        book.insert(shard, Incarnation { epoch, zone: zone.clone(), until: Some(now + ttl) });
        Acquired::Granted(Lease { fence: Fence { shard, epoch }, ttl })
    }

    pub fn renew(&self, fence: Fence, ttl: Duration) -> Renewed {
        let now = self.clock.elapsed();
        match self.book().get_mut(&fence.shard) {
            Some(held) if held.epoch == fence.epoch && held.until.is_some() => {
                held.until = Some(now + ttl);
                Renewed::Extended(Lease { fence, ttl })
            }
            _ => Renewed::Over,
        }
    }

    pub fn release(&self, fence: Fence) {
        if let Some(held) = self.book().get_mut(&fence.shard).filter(|held| held.epoch == fence.epoch) {
            held.until = None;
        }
    }

    pub fn is_live(&self, fence: Fence) -> bool {
        self.look(fence.shard).is_some_and(|view| view.is_live_as(fence))
    }

    /// The shard and the time that is left to a lease that must be over; `None` when it is, and from then on for good.
    pub fn blocks(&self, lease: MustBeOver) -> Option<(ShardId, Duration)> {
        let (shard, epoch) = lease.names();
        let now = self.clock.elapsed();
        let mut book = self.book();
        let held = book.get_mut(&shard).filter(|held| epoch.is_none_or(|epoch| held.epoch == epoch))?;
        let left = left(held, now);
        if left.is_none() {
            held.until = None;
        }
        left.map(|left| (shard, left))
    }

    pub fn look(&self, shard: ShardId) -> Option<LeaseView> {
        let now = self.clock.elapsed();
        self.book().get(&shard).map(|held| view(shard, held, now))
    }

    pub fn list(&self, after: Option<ShardId>, limit: usize) -> Vec<LeaseView> {
        let now = self.clock.elapsed();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.book().range((from, Bound::Unbounded)).take(limit).map(|(shard, held)| view(*shard, held, now)).collect()
    }
}

fn view(shard: ShardId, held: &Incarnation, now: Duration) -> LeaseView {
    LeaseView { fence: Fence { shard, epoch: held.epoch }, zone: held.zone.clone(), left: left(held, now) }
}

fn left(held: &Incarnation, now: Duration) -> Option<Duration> {
    held.until?.checked_sub(now).filter(|left| !left.is_zero())
}
