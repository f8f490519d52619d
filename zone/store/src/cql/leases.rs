//! Leases, judged by the clock of the server that reads them, and ended for good before anybody relies on their end.
//!
//! A row has the newest incarnation of a shard and the moment `until` which it may act. Its holder's writes are judged by
//! that moment; everybody else waits [`GUARD`] longer, so that servers' clocks may differ by that much. Whoever relies on the
//! end of a lease **seals** it (`until` = 0) by compare-and-swap before. A renewal swaps the `until` that it has read, so one
//! that was under way meanwhile fails: what was once relied upon to be over stays over, whatever the clocks say next. Until
//! then its holder can renew it, also when it has run out.

use std::time::Duration;

use darkages_topology::{ShardEpoch, ShardId, ZoneId};

use super::Inner;
use super::keys;
use super::wire::unavailable;
use crate::codec::millis;
use crate::error::StoreError;
use crate::lease::{Acquired, Fence, Lease, LeaseView, Renewed};
use crate::transition::MustBeOver;

/// How much later than its holder everybody else takes a lease for over: what the servers' clocks may differ.
pub const GUARD: Duration = Duration::from_millis(100);

/// Times that a lease is looked at again because somebody else has changed it meanwhile.
const ROUNDS: u32 = 8;

/// `until` of a lease that is over for good.
const OVER: i64 = 0;

/// A row, and what time it was for the server that read it. Times are unix milliseconds.
#[derive(Clone)]
pub(super) struct Row {
    epoch: ShardEpoch,
    zone: ZoneId,
    until: i64,
    ttl: i64,
    pub log_next: i64,
    pub now: i64,
}

type Columns = (i64, String, i64, i64, i64, i64);

impl Row {
    fn holder_may_act(&self) -> bool {
        self.now < self.until
    }

    /// Time until it is over for everybody else; `None` when it is.
    fn left(&self) -> Option<Duration> {
        let left = self.until + GUARD.as_millis() as i64 - self.now;
        // The guard is not time that the holder was given.
        (self.until != OVER && left > 0).then(|| Duration::from_millis(left.min(self.ttl).unsigned_abs()))
    }

    fn view(&self, shard: ShardId) -> LeaseView {
        let fence = Fence { shard, epoch: self.epoch };
        LeaseView { fence, zone: self.zone.clone(), left: self.left() }
    }
}

fn contended(action: &'static str) -> StoreError {
    unavailable(action, "others change the same record all the time")
}

impl Inner {
    /// The time, by some server's clock, in unix milliseconds.
    pub async fn now(&self, action: &'static str) -> Result<i64, StoreError> {
        let rows = self.wire.rows(action, &self.statements.now, ()).await?;
        let (now,): (i64,) = rows.first_row().map_err(|error| unavailable(action, error))?;
        Ok(now)
    }

    pub(super) async fn read_lease(&self, action: &'static str, shard: ShardId) -> Result<Option<Row>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.read_lease, (keys::of_shard(shard),)).await?;
        let columns: Option<Columns> = rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        Ok(columns.map(|(epoch, zone, until, ttl, log_next, now)| Row {
            epoch: ShardEpoch(epoch.unsigned_abs()),
            zone: ZoneId(zone),
            until,
            ttl,
            log_next,
            now,
        }))
    }

    /// The lease of `shard` for somebody who relies on its end; sealed if it has run out.
    async fn judged_lease(&self, action: &'static str, shard: ShardId) -> Result<Option<Row>, StoreError> {
        for _ in 0..ROUNDS {
            let Some(mut row) = self.read_lease(action, shard).await? else { return Ok(None) };
            if row.until == OVER || row.left().is_some() {
                return Ok(Some(row));
            }
            if self.seal(action, shard, &row).await? {
                row.until = OVER;
                return Ok(Some(row));
            }
        }
        Err(contended(action))
    }

    async fn seal(&self, action: &'static str, shard: ShardId, row: &Row) -> Result<bool, StoreError> {
        let values = (keys::of_shard(shard), row.epoch.0 as i64, row.until);
        self.wire.cas(action, &self.statements.seal_lease, values).await
    }

    pub async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        const ACTION: &str = "acquiring a lease";
        self.list_shard(ACTION, shard).await?;
        let (key, whole) = (keys::of_shard(shard), millis(ttl).max(1) as i64);
        for _ in 0..ROUNDS {
            let row = self.read_lease(ACTION, shard).await?;
            let (epoch, taken) = match row {
                None => {
                    let until = self.now(ACTION).await? + whole;
                    let values = (key, &zone.0, until, whole);
                    (ShardEpoch(1), self.wire.cas(ACTION, &self.statements.first_lease, values).await?)
                }
                Some(row) => {
                    if let Some(left) = row.left() {
                        return Ok(Acquired::Held { by: row.zone, epoch: row.epoch, left });
                    }
                    let epoch = ShardEpoch(row.epoch.0 + 1);
                    let values = (epoch.0 as i64, &zone.0, row.now + whole, whole, key, row.epoch.0 as i64, row.until);
                    (epoch, self.wire.cas(ACTION, &self.statements.next_lease, values).await?)
                }
            };
            if taken {
                return Ok(Acquired::Granted(Lease { fence: Fence { shard, epoch }, ttl }));
            }
        }
        Err(contended(ACTION))
    }

    pub async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        const ACTION: &str = "renewing a lease";
        let whole = millis(ttl).max(1) as i64;
        for _ in 0..ROUNDS {
            let row = self.read_lease(ACTION, fence.shard).await?;
            let Some(row) = row.filter(|row| row.epoch == fence.epoch && row.until != OVER) else {
                return Ok(Renewed::Over);
            };
            let values = (row.now + whole, whole, keys::of_shard(fence.shard), fence.epoch.0 as i64, row.until);
            if self.wire.cas(ACTION, &self.statements.renew_lease, values).await? {
                return Ok(Renewed::Extended(Lease { fence, ttl }));
            }
        }
        Err(contended(ACTION))
    }

    pub async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        let values = (keys::of_shard(fence.shard), fence.epoch.0 as i64);
        self.wire.cas("releasing a lease", &self.statements.end_lease, values).await?;
        Ok(())
    }

    pub async fn look(&self, action: &'static str, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        Ok(self.read_lease(action, shard).await?.map(|row| row.view(shard)))
    }

    /// The lease of an incarnation that may act now, by a read that began after this call.
    async fn own_lease(&self, action: &'static str, fence: Fence) -> Result<Option<Row>, StoreError> {
        let missed = || unavailable(action, "the lease could not be read");
        let row = self.leases.read(fence.shard, self.read_lease(action, fence.shard), missed).await?;
        Ok(row.filter(|row| row.epoch == fence.epoch && row.until != OVER && row.holder_may_act()))
    }

    /// Whether a writer may act.
    pub async fn is_live(&self, action: &'static str, fence: Fence) -> Result<bool, StoreError> {
        Ok(self.own_lease(action, fence).await?.is_some())
    }

    /// The lease of a writer that may act.
    ///
    /// What is written is judged by its record first and by this afterwards, see [`owners`](super::owners).
    pub async fn check_live(&self, action: &'static str, fence: Fence) -> Result<Row, StoreError> {
        self.own_lease(action, fence).await?.ok_or(StoreError::Fenced { fence })
    }

    /// The shard and the time that is left to a lease that must be over; `None` when it is over for good.
    pub async fn blocks(
        &self,
        action: &'static str,
        lease: MustBeOver,
    ) -> Result<Option<(ShardId, Duration)>, StoreError> {
        let (shard, epoch) = lease.names();
        let row = self.judged_lease(action, shard).await?;
        let row = row.filter(|row| epoch.is_none_or(|epoch| row.epoch == epoch));
        Ok(row.and_then(|row| row.left()).map(|left| (shard, left)))
    }
}
