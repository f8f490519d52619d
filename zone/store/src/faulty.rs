//! A store that is slow, away or loses answers, for tests and chaos.
//!
//! It stands before any store. Without faults set it passes everything through, so that one wrapper can stay in place. A
//! zone that has its own wrapper before a shared store can be cut off alone. Times are tokio's, so a test may pause them;
//! chances are drawn from a seed in the order of the calls.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};

use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::StoreError;
use crate::health::{self, Away, Health};
use crate::journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, LogState, Saved, Transaction};
use crate::lease::{Acquired, Fence, LeaseView, Renewed};
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::port::Store;
use crate::session::{NonceUse, Session};

/// Faults that may wait for the calls that they hit.
const MAX_FORCED: usize = 1_024;

/// What befalls one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is served.
    None,
    /// It never reaches the store.
    Unavailable,
    /// It takes effect, but the caller gets an error.
    AnswerLost,
}

/// Faults by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Chances {
    /// How long each call takes beyond what the store takes, drawn evenly.
    pub delay: RangeInclusive<Duration>,
    /// Share of calls that never reach the store, 0 to 1.
    pub unavailable: f64,
    /// Share of calls whose answer is lost, 0 to 1.
    pub answer_lost: f64,
}

impl Default for Chances {
    /// No fault.
    fn default() -> Self {
        Self { delay: Duration::ZERO..=Duration::ZERO, unavailable: 0.0, answer_lost: 0.0 }
    }
}

/// What the faults have done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Calls in all.
    pub calls: u64,
    /// Calls that never reached the store.
    pub unavailable: u64,
    /// Calls that took effect and were answered by an error.
    pub answers_lost: u64,
}

#[derive(Debug)]
struct State {
    random: u64,
    chances: Chances,
    down_since: Option<Instant>,
    forced: VecDeque<Fault>,
    counts: FaultCounts,
}

/// The switches of a [`Faulty`] store. Clones are the same switches.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// No fault, chances to be drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: seed,
            chances: Chances::default(),
            down_since: None,
            forced: VecDeque::new(),
            counts: FaultCounts::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the chances for calls from now on.
    pub fn set_chances(&self, chances: Chances) {
        self.state().chances = chances;
    }

    /// Takes the store away from its callers, or gives it back. Calls under way that have not reached it yet fail, too.
    pub fn set_down(&self, down: bool) {
        let mut state = self.state();
        state.down_since = if down { state.down_since.or_else(|| Some(Instant::now())) } else { None };
    }

    /// Hits the next call that nothing is forced on yet, whatever the chances. Beyond 1,024 waiting faults it does nothing.
    pub fn force_next(&self, fault: Fault) {
        let mut state = self.state();
        if state.forced.len() < MAX_FORCED {
            state.forced.push_back(fault);
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.state().counts
    }

    fn draw(&self) -> (Duration, Fault) {
        let mut state = self.state();
        state.counts.calls += 1;
        let (chances, random) = (state.chances.clone(), [state.next(), state.next()]);
        let (least, most) = (*chances.delay.start(), *chances.delay.end());
        let delay = least + most.saturating_sub(least).mul_f64(random[0]);
        let by_chance = if random[1] < chances.unavailable {
            Fault::Unavailable
        } else if random[1] < chances.unavailable + chances.answer_lost {
            Fault::AnswerLost
        } else {
            Fault::None
        };
        (delay, state.forced.pop_front().unwrap_or(by_chance))
    }

    fn is_down(&self) -> bool {
        self.state().down_since.is_some()
    }
}

impl State {
    /// The next number from 0 up to 1 (SplitMix64).
    fn next(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A store behind [`Faults`].
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Faults,
}

impl Faulty {
    /// Puts `faults` before `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    /// Lets a call through, or not. `call` does nothing before it is polled.
    async fn pass<T>(
        &self,
        action: &'static str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let (delay, fault) = self.faults.draw();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let unavailable = |why: &'static str| StoreError::Unavailable { action, source: why.into() };
        if fault == Fault::Unavailable || self.faults.is_down() {
            self.faults.state().counts.unavailable += 1;
            return Err(unavailable("it was taken away"));
        }
        let answer = call.await;
        if fault == Fault::AnswerLost {
            self.faults.state().counts.answers_lost += 1;
            return Err(unavailable("its answer was lost"));
        }
        answer
    }
}

#[async_trait]
impl Store for Faulty {
    async fn acquire(&self, shard: ShardId, zone: &ZoneId, ttl: Duration) -> Result<Acquired, StoreError> {
        self.pass("acquiring a lease", self.inner.acquire(shard, zone, ttl)).await
    }

    async fn renew(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        self.pass("renewing a lease", self.inner.renew(fence, ttl)).await
    }

    async fn release(&self, fence: Fence) -> Result<(), StoreError> {
        self.pass("releasing a lease", self.inner.release(fence)).await
    }

    async fn look(&self, shard: ShardId) -> Result<Option<LeaseView>, StoreError> {
        self.pass("looking at a lease", self.inner.look(shard)).await
    }

    async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        self.pass("listing leases", self.inner.leases(after, limit)).await
    }

    async fn load_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        self.pass("loading the shard map", self.inner.load_topology()).await
    }

    async fn compare_and_swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        self.pass("swapping the shard map", self.inner.compare_and_swap_topology(expected, next)).await
    }

    async fn owner(&self, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        self.pass("reading an owner record", self.inner.owner(player)).await
    }

    async fn owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        self.pass("reading owner records", self.inner.owners(players)).await
    }

    async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.pass("listing the players of a shard", self.inner.owned_by(shard, after, limit)).await
    }

    async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        self.pass("listing the shards that own players", self.inner.owning_shards(after, limit)).await
    }

    async fn scan_owners(
        &self,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        self.pass("scanning owner records", self.inner.scan_owners(after, limit)).await
    }

    async fn swap(&self, fence: Fence, swaps: Vec<Swap>) -> Result<Vec<Swapped>, StoreError> {
        self.pass("swapping owner records", self.inner.swap(fence, swaps)).await
    }

    async fn save_batch(&self, fence: Fence, checkpoints: Vec<Checkpoint>) -> Result<Vec<Saved>, StoreError> {
        self.pass("saving checkpoints", self.inner.save_batch(fence, checkpoints)).await
    }

    async fn commit(&self, fence: Fence, transaction: Transaction) -> Result<Committed, StoreError> {
        self.pass("committing a transaction", self.inner.commit(fence, transaction)).await
    }

    async fn append(&self, fence: Fence, events: Vec<Event>) -> Result<LogSeq, StoreError> {
        self.pass("appending to the log", self.inner.append(fence, events)).await
    }

    async fn read_log(&self, shard: ShardId, from: LogSeq, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.pass("reading the log", self.inner.read_log(shard, from, limit)).await
    }

    async fn log_state(&self) -> Result<LogState, StoreError> {
        self.pass("looking at the log", self.inner.log_state()).await
    }

    async fn clear(&self) -> Result<(), StoreError> {
        self.pass("clearing the store", self.inner.clear()).await
    }

    async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        self.pass("opening a session", self.inner.open_session(session, ttl)).await
    }

    async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        self.pass("reading a session", self.inner.session(player)).await
    }

    async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        self.pass("closing a session", self.inner.close_session(player, id)).await
    }

    async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        self.pass("using a token", self.inner.use_nonce(nonce, expires_unix_s)).await
    }

    async fn purge_expired(&self, limit: usize) -> Result<usize, StoreError> {
        self.pass("purging", self.inner.purge_expired(limit)).await
    }

    async fn probe(&self) -> Result<(), StoreError> {
        self.pass("probing the store", self.inner.probe()).await
    }

    /// The store's own, and while it is taken away that it is.
    fn health(&self) -> Health {
        let mut health = self.inner.health();
        let away = self.faults.state().down_since.map(|since| Away { tier: health::STORE, since });
        health.away.extend(away);
        health
    }

    /// Reaches the store whatever the faults: a test must be able to end.
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
