//! The CQL driver: a world in one keyspace of Cassandra or ScyllaDB, for any number of processes.
//!
//! What flows in are calls of the port, each with a deadline and bounded in number; what flows out are statements on one
//! partition each, prepared, to a replica of it. Nothing is kept in this process but places of the log that are its own, and records as it wrote them,
//! which the servers confirm or refuse; so any process may go at any moment.
//!
//! Five invariants carry it, each explained where it is kept; ADR 11 and 13 put them together:
//! - a lease that was seen to be over stays over ([`leases`]);
//! - a write is as good as made when its writer's lease was live, or does nothing ([`owners`]);
//! - all records of a transaction change at the moment of one decision ([`marks`], [`transactions`]);
//! - a checkpoint counts only under the very record that it was taken under ([`snapshots`]);
//! - a list is never short of an entry ([`lists`]).

mod abandoned;
mod clear;
mod fresh;
mod inventory;
mod keys;
mod known;
mod leases;
mod lists;
mod log;
mod marks;
mod migrate;
mod open;
mod owners;
mod schema;
mod sessions;
mod shared;
mod snapshots;
mod statements;
mod swaps;
mod transactions;
pub mod url;
mod wire;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};
use tokio::sync::Semaphore;

use crate::check;
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::{OpenError, StoreError};
use crate::health::Health;
use crate::journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, LogState, Saved, Transaction};
use crate::lease::{Acquired, Fence, LeaseView, Renewed};
use crate::limits::MAX_PAGE;
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::port::Store;
use crate::session::{NonceUse, Session};

pub use inventory::inventory;
pub use leases::GUARD;
pub use open::bare;
pub use url::{CqlOptions, Credentials, Quorum, Replication};

use statements::Statements;
use wire::{Wire, unavailable};

/// Calls under way at a time; one more is refused. A zone has at most a quarter of it.
pub const MAX_CALLS: usize = 4_096;

/// Seconds for which entries of the log are kept.
struct Lives {
    journal: i32,
    events: i32,
}

/// What all calls share.
struct Inner {
    /// A number of this keyspace's own, drawn when it was made.
    id: String,
    wire: Wire,
    statements: Statements,
    lives: Lives,
    places: log::Places,
    times: snapshots::Times,
    /// Reads of leases that many wait for.
    leases: shared::Shared<Option<leases::Row>>,
    /// Records that this process wrote last.
    known: known::Known,
    /// Attempts at transactions that nobody goes on with.
    abandoned: abandoned::Abandoned,
    /// Shards that are in the list of shards, as far as this process knows.
    listed: Mutex<BTreeSet<ShardId>>,
}

impl Inner {
    fn listed(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        // It is only ever too small, whatever panicked.
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store in servers that speak CQL.
pub struct Cql {
    inner: Inner,
    calls: Semaphore,
    deadline: Duration,
    closed: AtomicBool,
}

impl Cql {
    /// Opens the store of `world` in the keyspace of `options`; makes the keyspace and its tables where there are none, and
    /// brings older tables to this version. Any number of processes may do so at once.
    ///
    /// # Errors
    /// When no server answers or lets us in, and when the keyspace belongs to something else, to another world or to a newer
    /// version; it is left as it is then.
    pub async fn open(options: &CqlOptions, world: &str) -> Result<Self, OpenError> {
        let inner = open::open(options, world).await?;
        let calls = Semaphore::new(MAX_CALLS);
        Ok(Self { inner, calls, deadline: options.timeout, closed: AtomicBool::new(false) })
    }

    /// A number of the keyspace's own: nobody takes what was written beside another one for this one's.
    pub(crate) fn id(&self) -> &str {
        &self.inner.id
    }

    /// Carries a call out within its deadline. One that is given up may still take effect.
    async fn call<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let full = |_| StoreError::Full { what: "the list of calls to the store", limit: MAX_CALLS };
        let _call = self.calls.try_acquire().map_err(full)?;
        match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => {
                self.inner.wire.presence.failed();
                Err(unavailable(action, format!("no answer within {:?}", self.deadline)))
            }
        }
    }
}

#[async_trait]
impl Store for Cql {
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        check::lease(Some(zone), ttl)?;
        self.call("acquiring a lease", self.inner.acquire(shard, zone, ttl)).await
    }

    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        check::lease(None, ttl)?;
        self.call("renewing a lease", self.inner.renew(fence, ttl)).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.call("releasing a lease", self.inner.release(fence)).await
    }

    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        const ACTION: &str = "looking at a lease";
        self.call(ACTION, self.inner.look(ACTION, shard)).await
    }

    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        self.call("listing leases", self.inner.leases(after, limit.min(MAX_PAGE))).await
    }

    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        const ACTION: &str = "reading the shard map";
        self.call(ACTION, self.inner.load_topology(ACTION)).await
    }

    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        check::topology(&next)?;
        if expected.is_some_and(|expected| expected >= next.revision) {
            let problem = "must be above the expected one".to_owned();
            return Err(StoreError::Invalid { field: "the revision", problem });
        }
        self.call("swapping the shard map", self.inner.swap_topology(expected, next)).await
    }

    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        Ok(self.owners(&[player]).await?.pop().flatten())
    }

    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        Ok(self.fresh_owners(players).await?.0)
    }

    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        Ok(self.fresh_owned_by(shard, after, limit).await?.0)
    }

    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.call("listing shards with players", self.inner.owning_shards(after, limit.min(MAX_PAGE))).await
    }

    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        Ok(self.fresh_scan(after, limit).await?.0)
    }

    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        Ok(self.fresh_swap(fence, swaps).await?.0)
    }

    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError> {
        check::checkpoints(&checkpoints)?;
        self.call("saving checkpoints", self.inner.save_batch(fence, &checkpoints)).await
    }

    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError> {
        let ((answer, _), _) = self.fresh_commit(fence, transaction).await?;
        Ok(answer)
    }

    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        check::events(&events)?;
        self.call("appending to the log", self.inner.append(fence, events)).await
    }

    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.call("reading the log", self.inner.read_log(shard, from, limit.min(MAX_PAGE))).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.call("looking at the log", self.inner.log_state(self.deadline)).await
    }

    /// Outside of the time of a call: servers may need longer to empty a table.
    async fn clear(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.inner.clear().await
    }

    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        check::session(&session, ttl)?;
        self.call("opening a session", self.inner.open_session(session, ttl)).await
    }

    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        self.call("reading a session", self.inner.session(player)).await
    }

    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        self.call("closing a session", self.inner.close_session(player, id)).await
    }

    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        self.call("using a token", self.inner.use_nonce(nonce, expires_unix_s)).await
    }

    /// Nothing is left to do: servers drop what has expired.
    async fn purge_expired(&self, _limit: usize) -> Result<usize, StoreError> {
        self.call("purging", async { Ok(0) }).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        const ACTION: &str = "probing the store";
        let probe = async { self.inner.wire.cas(ACTION, &self.inner.statements.probe, ()).await.map(drop) };
        self.call(ACTION, probe).await
    }

    /// What was acknowledged is durable: nothing is unsaved.
    fn health(&self) -> Health {
        let queue_depth = MAX_CALLS - self.calls.available_permits();
        Health { away: self.inner.wire.presence.away().into_iter().collect(), queue_depth, ..Health::default() }
    }

    async fn close(&self) -> Result<(), StoreError> {
        // What was acknowledged is durable already; what is under way is told that the store is closed.
        self.closed.store(true, Ordering::Release);
        self.inner.wire.close();
        Ok(())
    }
}
