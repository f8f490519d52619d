//! The Redis driver: a world in Redis 7 or later, shared by any number of processes.
//!
//! What flows in are calls; each becomes one script or command of a group that one connection carries (`lane.rs`). A script
//! judges the writer's lease by the server's clock and carries out the write in one step, so nothing that an incarnation does
//! after its end takes effect. All keys of a world share one slot (`keys.rs`), so the same holds in a cluster, and for
//! transactions over many players. What must be durable is confirmed by `replicas` replicas before it is answered.
//!
//! ADR 10 has the reasons, and what is promised when servers die.

mod answer;
mod bare;
mod checkpoints;
mod clear;
mod copies;
mod inventory;
mod journal;
mod keys;
mod lane;
mod leases;
mod link;
mod locate;
mod opening;
mod owners;
mod scripts;
mod sessions;
mod swaps;
mod trouble;

use std::time::Duration;

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};
use redis::Value;

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
use crate::url::RedisUrl;

pub use bare::{Bare, bare};
pub use copies::{COPY_LIFE, PATIENCE};
pub(crate) use copies::{Copied, Copies};
pub use inventory::{copies_inventory, inventory};
pub use journal::{LOG_KEPT_BYTES_PER_SHARD, LOG_KEPT_PER_SHARD};
use lane::Lane;
pub use lane::{CALL_DEADLINE, QUEUE_LIMIT};
use scripts::{Request, Script};
pub use trouble::Trouble;

/// A store in Redis. Dropping it lets go of its connections; what was answered stands.
pub struct RedisStore {
    /// The start of every key.
    base: String,
    /// Everything that is durable on return, and every read that must not see what could still be lost.
    durable: Lane,
    /// Checkpoints, events and sessions.
    quick: Lane,
}

impl RedisStore {
    /// Opens the store of `world`, and makes it where there is nothing yet. Must be called within a tokio runtime, which also
    /// carries the store's connections.
    ///
    /// # Errors
    /// When Redis cannot be reached, does not let us in, is not set up to keep a world, or holds something else. What is there
    /// is left as it is.
    pub async fn open(url: RedisUrl, world: &str) -> Result<Self, OpenError> {
        opening::open(url, world).await
    }

    /// The name of a key.
    fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.base)
    }

    /// One durable request and what its answer means.
    async fn ask<T>(
        &self,
        action: &'static str,
        request: Request,
        read: impl FnOnce(Value) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let mut answers = self.durable.call(action, vec![request]).await?;
        read(answers.pop().unwrap_or(Value::Nil)).map_err(|trouble| lane::unavailable(action, trouble))
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        check::lease(Some(zone), ttl)?;
        self.acquire_lease(shard, zone, ttl).await
    }

    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        check::lease(None, ttl)?;
        self.renew_lease(fence, ttl).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.release_lease(fence).await
    }

    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        let first = self.list_leases(u64::from(shard.0), 1).await?.pop();
        Ok(first.filter(|view| view.fence.shard == shard))
    }

    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        self.list_leases(after.map_or(0, |after| u64::from(after.0) + 1), limit.min(MAX_PAGE)).await
    }

    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        self.read_topology().await
    }

    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        check::topology(&next)?;
        check::revision(expected, next.revision)?;
        self.swap_topology(expected, &next).await
    }

    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        Ok(self.read_owners(&[player]).await?.pop().flatten())
    }

    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        check::batch(players.len())?;
        self.read_owners(players).await
    }

    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.list_owners("listing the players of a shard", keys::owned(shard), after, limit.min(MAX_PAGE)).await
    }

    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.list_owning(after, limit.min(MAX_PAGE)).await
    }

    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.list_owners("scanning owner records", keys::PLAYERS.to_owned(), after, limit.min(MAX_PAGE)).await
    }

    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        check::swaps(&swaps)?;
        self.swap_owners(fence, &swaps).await
    }

    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError> {
        check::checkpoints(&checkpoints)?;
        self.save_owners(fence, &checkpoints).await
    }

    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError> {
        check::transaction(&transaction)?;
        self.commit_transaction(fence, &transaction).await
    }

    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        check::events(&events)?;
        self.append_events(fence, events).await
    }

    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.log_from(shard, from, limit.min(MAX_PAGE)).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.look_at_log().await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.clear_world().await
    }

    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        check::session(&session, ttl)?;
        self.start_session(&session, ttl).await
    }

    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        self.read_session(player).await
    }

    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        self.end_session(player, id).await
    }

    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        self.spend_nonce(nonce, expires_unix_s).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.purge_nonces(limit.min(MAX_PAGE)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.ask("probing the store", Request::Script(Script::Probe, Vec::new()), |_| Ok(())).await
    }

    /// A checkpoint is written, and flushed as the server was set up to, before it is acknowledged: nothing is unsaved.
    fn health(&self) -> Health {
        let lanes = [&self.durable, &self.quick];
        // One server serves both; it is away since the first of them missed it.
        let away = lanes.iter().filter_map(|lane| lane.presence.away()).min_by_key(|away| away.since);
        let queue_depth = lanes.iter().map(|lane| lane.depth.now()).sum();
        Health { away: away.into_iter().collect(), queue_depth, ..Health::default() }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.quick.close().await;
        // A barrier of its own, for what the quick lane wrote last.
        let barrier = self.durable.call("closing the store", Vec::new()).await;
        self.durable.close().await;
        match barrier {
            Err(StoreError::Closed) => Ok(()),
            closed => closed.map(|_| ()),
        }
    }
}
