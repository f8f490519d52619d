//! The leases under which a world is restored. Whoever holds those of all shards knows that nobody plays.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use darkages_store::limits::MAX_LEASE;
use darkages_store::{Acquired, Fence, LeaseView, Renewed, Store, StoreError};
use darkages_topology::{ShardEpoch, ShardId, ZoneId};

use super::limits::PAGE;
use super::restore::RestoreError;

/// As which zone a restore holds leases. Whoever restores ends those of another restore: it was interrupted, or writes nothing
/// more from then on.
const RESTORER: &str = "darkages-restore";

/// A lease is renewed when less than this is left of it: far more than one call takes.
const RENEW_BELOW: Duration = Duration::from_secs(300);

/// The first zone that holds a shard of `store`, other than a restore.
///
/// # Errors
/// When the store does not answer.
pub async fn in_use(store: &dyn Store) -> Result<Option<LeaseView>, StoreError> {
    let mut after = None;
    loop {
        let page = store.leases(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.fence.shard);
        if let Some(held) = page.into_iter().find(|view| view.is_live() && view.zone.0 != RESTORER) {
            return Ok(Some(held));
        }
    }
}

/// Leases of a store.
pub struct Holder<'a> {
    store: &'a dyn Store,
    held: BTreeMap<ShardId, Held>,
}

#[derive(Clone, Copy)]
struct Held {
    fence: Fence,
    until: Instant,
}

impl Held {
    fn lasts(&self) -> bool {
        self.until.saturating_duration_since(Instant::now()) > RENEW_BELOW
    }
}

impl<'a> Holder<'a> {
    /// One that holds nothing yet.
    pub fn new(store: &'a dyn Store) -> Self {
        Self { store, held: BTreeMap::new() }
    }

    /// Whose leases they are.
    pub fn store(&self) -> &'a dyn Store {
        self.store
    }

    /// Acquires the leases of all shards that ever had one; whether there is any.
    ///
    /// # Errors
    /// [`RestoreError::Held`] when a zone has one of them; the caller releases the others.
    pub async fn hold_all(&mut self) -> Result<bool, RestoreError> {
        let mut after = None;
        loop {
            let page = self.store.leases(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(after.is_some()) };
            after = Some(last.fence.shard);
            for view in page {
                if view.is_live() && view.zone.0 == RESTORER {
                    self.store.release(view.fence).await?;
                }
                self.fence(view.fence.shard).await?;
            }
        }
    }

    /// What a write for `shard` carries: a lease that lasts for some time still.
    ///
    /// # Errors
    /// When somebody else holds it.
    pub async fn fence(&mut self, shard: ShardId) -> Result<Fence, RestoreError> {
        if let Some(held) = self.held.get(&shard).copied() {
            if held.lasts() {
                return Ok(held.fence);
            }
            let asked = Instant::now();
            if let Renewed::Extended(lease) = self.store.renew(held.fence, MAX_LEASE).await? {
                self.held.insert(shard, Held { until: asked + lease.ttl, ..held });
                return Ok(held.fence);
            }
        }
        self.acquire(shard).await
    }

    /// Lets all leases last.
    ///
    /// # Errors
    /// When one of them is somebody else's by now.
    pub async fn renew(&mut self) -> Result<(), RestoreError> {
        let old: Vec<ShardId> = self.held.iter().filter(|(_, held)| !held.lasts()).map(|(shard, _)| *shard).collect();
        for shard in old {
            self.fence(shard).await?;
        }
        Ok(())
    }

    async fn acquire(&mut self, shard: ShardId) -> Result<Fence, RestoreError> {
        let asked = Instant::now();
        match self.store.acquire(shard, &ZoneId(RESTORER.to_owned()), MAX_LEASE).await? {
            Acquired::Granted(lease) => {
                self.held.insert(shard, Held { fence: lease.fence, until: asked + lease.ttl });
                Ok(lease.fence)
            }
            Acquired::Held { by, .. } => Err(RestoreError::Held { shard, by }),
        }
    }

    /// Brings the shard to the incarnation `epoch`, unless it has come so far already.
    ///
    /// # Errors
    /// When somebody else holds the shard.
    pub async fn raise(&mut self, shard: ShardId, epoch: ShardEpoch) -> Result<(), RestoreError> {
        let mut now = self.store.look(shard).await?.map_or(ShardEpoch(0), |view| view.fence.epoch);
        while now < epoch {
            if let Some(held) = self.held.remove(&shard) {
                self.store.release(held.fence).await?;
            }
            now = self.acquire(shard).await?.epoch;
        }
        Ok(())
    }

    /// Ends all leases.
    ///
    /// # Errors
    /// When the store does not answer; those that are left end by themselves.
    pub async fn release(self) -> Result<(), StoreError> {
        for held in self.held.into_values() {
            self.store.release(held.fence).await?;
        }
        Ok(())
    }
}
