//! A world in CQL with copies in Redis: CQL says what is, Redis takes what comes often.
//!
//! What flows in are calls of the port. All but those about checkpoints go to the [`Cql`] driver, which keeps leases, records,
//! transactions, sessions and logs, and fences; Redis is told afterwards, and asked for nothing that is believed by itself.
//! Checkpoints go to Redis and from there, through this process, to CQL once a second for each player ([`flush`]). Records that
//! are read have the newest data of both ([`records`]).
//!
//! Redis may be empty, stale or gone at any moment: calls go on, and what only it had is at most a second old for whoever comes
//! after a crash of everything. ADR 13 has the argument.

mod flush;
mod records;
mod saves;
mod unsaved;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::check;
use crate::cql::{Cql, CqlOptions};
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::{OpenError, StoreError};
use crate::health::Health;
use crate::held;
use crate::journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, LogState, Saved, Transaction};
use crate::lease::{Acquired, Fence, LeaseView, Renewed};
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::port::Store;
use crate::redis::Copies;
use crate::session::{NonceUse, Session};
use crate::url::RedisUrl;

pub use unsaved::MAX_UNSAVED;
use unsaved::{SLICES, Unsaved};

/// A store in servers that speak CQL, with copies in Redis. Dropped without [`Store::close`], it leaves what CQL has not yet to
/// Redis.
pub struct Layered {
    cql: Arc<Cql>,
    copies: Copies,
    unsaved: Arc<Unsaved>,
    /// Held by whoever saves, so that closing writes what they have answered.
    closed: RwLock<bool>,
    flusher: Mutex<Option<JoinHandle<()>>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Layered {
    /// Opens the store of `world` in CQL, and its copies in Redis. Must be called within a tokio runtime. Redis need not be there:
    /// it is used from when it is.
    ///
    /// # Errors
    /// When CQL cannot be opened ([`Cql::open`]), or Redis answers and cannot be used: it holds something else or another world,
    /// keeps a world itself, is a replica, is older than 7.0, or does not let us in. What is there is left as it is.
    pub async fn open(redis: RedisUrl, cql: &CqlOptions, world: &str) -> Result<Self, OpenError> {
        let cql = Arc::new(Cql::open(cql, world).await?);
        let copies = Copies::open(redis, world, cql.id()).await?;
        let unsaved = Arc::new(Unsaved::default());
        let flusher = tokio::spawn(flush::run(Arc::clone(&cql), Arc::clone(&unsaved)));
        Ok(Self {
            cql,
            copies,
            unsaved,
            closed: RwLock::new(false),
            flusher: Mutex::new(Some(flusher)),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Counts records that Redis had as they are, and others.
    fn count(&self, hits: usize, misses: usize) {
        self.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.misses.fetch_add(misses as u64, Ordering::Relaxed);
    }

    fn take_flusher(&self) -> Option<JoinHandle<()>> {
        self.flusher.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        if let Some(flusher) = self.take_flusher() {
            flusher.abort();
        }
    }
}

#[async_trait]
impl Store for Layered {
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        self.cql.acquire(shard, zone, ttl).await
    }

    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        self.cql.renew(fence, ttl).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.cql.release(fence).await
    }

    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        self.cql.look(shard).await
    }

    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        self.cql.leases(after, limit).await
    }

    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        self.cql.load_topology().await
    }

    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        self.cql.compare_and_swap_topology(expected, next).await
    }

    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        Ok(self.owners(&[player]).await?.pop().flatten())
    }

    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        let kept = self.unsaved.of(players.iter().copied());
        let (mut records, stamps) = self.cql.fresh_owners(players).await?;
        self.freshen(&kept, held::in_list(players, &mut records), stamps, true).await;
        Ok(records)
    }

    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        let kept = self.unsaved.all();
        let (mut page, stamps) = self.cql.fresh_owned_by(shard, after, limit).await?;
        self.freshen(&kept, held::in_page(&mut page), stamps, true).await;
        Ok(page)
    }

    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.cql.owning_shards(after, limit).await
    }

    /// Redis gets no copies of what is only looked at: whoever makes a backup would fill it with players who are not there.
    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        let kept = self.unsaved.all();
        let (mut page, stamps) = self.cql.fresh_scan(after, limit).await?;
        self.freshen(&kept, held::in_page(&mut page), stamps, false).await;
        Ok(page)
    }

    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        let players: Vec<_> = swaps.iter().map(|swap| swap.player).collect();
        let kept = self.unsaved.of(players.iter().copied());
        let (mut answers, stamps) = self.cql.fresh_swap(fence, swaps.clone()).await?;
        let done = swaps.iter().zip(&answers).filter(|(_, answer)| **answer == Swapped::Done);
        self.tell(done.map(|(swap, _)| (swap.player, &swap.next))).await;
        self.freshen(&kept, held::in_conflicts(&players, &mut answers), stamps, true).await;
        Ok(answers)
    }

    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError> {
        check::checkpoints(&checkpoints)?;
        self.save(fence, &checkpoints).await
    }

    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError> {
        let kept = self.unsaved.of(transaction.states.iter().map(|state| state.player));
        let ((mut answer, made), stamps) = self.cql.fresh_commit(fence, transaction).await?;
        self.tell(made.iter().map(|(player, record)| (*player, record))).await;
        self.freshen(&kept, held::in_refusal(&mut answer), stamps, true).await;
        Ok(answer)
    }

    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        self.cql.append(fence, events).await
    }

    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.cql.read_log(shard, from, limit).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.cql.log_state().await
    }

    /// What Redis would still show of the old history begins as the new one does. When it is away it keeps its copies, under a
    /// number of the keyspace that nobody has who opens it from now on.
    async fn clear(&self) -> Result<(), StoreError> {
        self.unsaved.clear();
        self.cql.clear().await?;
        self.copies.clear().await;
        Ok(())
    }

    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        self.cql.open_session(session, ttl).await
    }

    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        self.cql.session(player).await
    }

    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        self.cql.close_session(player, id).await
    }

    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        self.cql.use_nonce(nonce, expires_unix_s).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.cql.purge_expired(limit).await
    }

    /// Whether CQL can be written; without Redis everything is taken.
    async fn probe(&self) -> Result<(), StoreError> {
        self.cql.probe().await
    }

    fn health(&self) -> Health {
        let Health { mut away, queue_depth, .. } = self.cql.health();
        away.extend(self.copies.away());
        let (unsaved, lag) = self.unsaved.lag();
        let queue_depth = queue_depth + self.copies.depth();
        let (cache_hits, cache_misses) = (self.hits.load(Ordering::Relaxed), self.misses.load(Ordering::Relaxed));
        Health { away, queue_depth, unsaved, lag, cache_hits, cache_misses }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let mut closed = self.closed.write().await;
        if *closed {
            return Ok(());
        }
        *closed = true;
        if let Some(flusher) = self.take_flusher() {
            flusher.abort();
            // Over when it was stopped, which is what it was told.
            let _ = flusher.await;
        }
        let mut written = Ok(());
        for slice in 0..SLICES {
            written = written.and(flush::write(&self.cql, &self.unsaved, slice).await);
        }
        self.copies.close().await;
        self.cql.close().await?;
        written
    }
}
