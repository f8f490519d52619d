//! Work for a store, through its port, as zones have it: checkpoints of some hundred players a second, trades of two, events,
//! and handoffs between two shards.
//!
//! Every answer is looked at: a figure for writes that were refused would be none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Expect, Fence, LogEntry, LogSeq, OwnerRecord, PlayerData, Renewed,
    RequestId, Saved, Store, StoreError, Swap, Swapped, Transaction, codec,
};
use darkages_topology::{HandoffId, InputSeq, PlayerId, ShardEpoch, ShardId, Tick, ZoneId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::options::Plan;
use super::pace::{Done, timed};

/// Bytes of an event in the log: who hit whom with what, for how much.
const EVENT_BYTES: usize = 100;

/// Bytes of a trade's event, and of what its client is told.
const TRADE_BYTES: usize = 40;
const ANSWER_BYTES: usize = 16;

/// Players who are made, or brought home, in one call.
const CHUNK: usize = 256;

/// Home of all players, and the other side of every handoff.
const SHARDS: [ShardId; 2] = [ShardId(1), ShardId(2)];

/// A lease lasts that much longer than one measurement, and is renewed before each: who comes after a run that was broken off
/// need not wait long.
const LEASE_BEYOND: Duration = Duration::from_secs(30);

/// How long a server may take to catch up with what a bare loop has written.
const CATCH_UP: Duration = Duration::from_secs(15);

/// Between two looks whether it has.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(100);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    Checkpoints,
    Transactions,
    Log,
    Handoffs,
}

impl Series {
    pub const ALL: [Self; 4] = [Self::Checkpoints, Self::Transactions, Self::Log, Self::Handoffs];

    pub const fn label(self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints",
            Self::Transactions => "transactions",
            Self::Log => "log",
            Self::Handoffs => "handoffs",
        }
    }

    /// Calls of a busy zone in one tick: a batch for all its players, or some of its players' deeds.
    pub const fn calls_in_a_tick(self) -> usize {
        match self {
            Self::Checkpoints | Self::Log => 1,
            Self::Transactions | Self::Handoffs => 2,
        }
    }
}

/// A world to work on. Players are locked while a call is about them, so that each call knows what it finds.
pub struct Load {
    store: Arc<dyn Store>,
    fences: [Fence; 2],
    players: Vec<Mutex<OwnerRecord>>,
    batch: usize,
    lease: Duration,
    next: AtomicUsize,
    /// No two runs use the same numbers, so that no request was ever made before.
    first_request: u64,
}

impl Load {
    /// Takes both shards and makes the players.
    ///
    /// # Errors
    /// When somebody else uses the store, or it does not answer.
    pub async fn begin(store: Arc<dyn Store>, plan: &Plan) -> anyhow::Result<Arc<Self>> {
        let lease = plan.time + LEASE_BEYOND;
        let fences = [acquire(&*store, SHARDS[0], lease).await?, acquire(&*store, SHARDS[1], lease).await?];
        // Of a run that was broken off. The world is the bench's own, see `WORLD`.
        store.clear().await.context("removing what an earlier run has left")?;
        let records = (0..plan.players).map(|player| OwnerRecord::created(SHARDS[0], data(player, plan.state_bytes)));
        let records: Vec<OwnerRecord> = records.collect();
        let swaps: Vec<Swap> = (0..)
            .map(player)
            .zip(&records)
            .map(|(player, record)| Swap { player, expect: Expect::Absent, next: record.clone() })
            .collect();
        for swaps in swaps.chunks(CHUNK) {
            let answers = store.swap(fences[0], swaps.to_vec()).await.context("making players")?;
            all_done(&answers)?;
        }
        Ok(Arc::new(Self {
            store,
            fences,
            players: records.into_iter().map(Mutex::new).collect(),
            batch: plan.batch,
            lease,
            next: AtomicUsize::new(0),
            first_request: rand::random::<u64>() >> 1,
        }))
    }

    /// Does one call of a series.
    ///
    /// # Errors
    /// When the store refuses it or does not answer.
    pub async fn call(&self, series: Series) -> anyhow::Result<Done> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        match series {
            Series::Checkpoints => self.save(number).await,
            Series::Transactions => self.trade(number).await,
            Series::Log => self.append(number).await,
            Series::Handoffs => self.hand_over(number).await,
        }
    }

    async fn save(&self, number: usize) -> anyhow::Result<Done> {
        let mut checkpoints = Vec::with_capacity(self.batch);
        for place in (number * self.batch..).take(self.batch.min(self.players.len())) {
            let place = place % self.players.len();
            let mut record = self.players[place].lock().await;
            touch(&mut record.data, number);
            let OwnerRecord { owner: _, owner_epoch, open: _, data } = &*record;
            checkpoints.push(Checkpoint { player: player(place), owner_epoch: *owner_epoch, data: data.clone() });
        }
        let (store, fence) = (&self.store, self.fences[0]);
        timed(checkpoints.len(), async {
            let answers = store.save_batch(fence, checkpoints).await.context("saving checkpoints")?;
            let refused = answers.iter().find(|answer| **answer != Saved::Done);
            ensure!(refused.is_none(), "a checkpoint of the owner got {refused:?}");
            Ok(())
        })
        .await
    }

    async fn trade(&self, number: usize) -> anyhow::Result<Done> {
        let first = number % (self.players.len() / 2) * 2;
        let (mut one, mut other) = (self.players[first].lock().await, self.players[first + 1].lock().await);
        touch(&mut one.data, number);
        touch(&mut other.data, number);
        let state = |place: usize, record: &OwnerRecord| Checkpoint {
            player: player(place),
            owner_epoch: record.owner_epoch,
            data: record.data.clone(),
        };
        let transaction = Transaction {
            request: RequestId { player: player(first), number: self.first_request + number as u64 },
            states: vec![state(first, &one), state(first + 1, &other)],
            event: Event { kind: 1, tick: Tick(number as u64), payload: vec![7; TRADE_BYTES] },
            answer: vec![1; ANSWER_BYTES],
        };
        let done = timed(1, async {
            match self.store.commit(self.fences[0], transaction).await.context("committing a trade")? {
                Committed::Done { .. } => Ok(()),
                other => bail!("a trade without rivals got {other:?}"),
            }
        })
        .await?;
        for record in [&mut one, &mut other] {
            record.data.version = record.data.version.next();
        }
        Ok(done)
    }

    async fn append(&self, number: usize) -> anyhow::Result<Done> {
        let events = (0..self.batch).map(|_| event(number)).collect();
        timed(self.batch, async {
            self.store.append(self.fences[0], events).await.context("appending to the log")?;
            Ok(())
        })
        .await
    }

    /// One handoff: its commit, which is timed, and the step by which the taker ends it.
    async fn hand_over(&self, number: usize) -> anyhow::Result<Done> {
        let place = number % self.players.len();
        let mut record = self.players[place].lock().await;
        let (giver, taker) = self.sides(&record);
        let committed = commit_of(&record, giver, taker.shard, number as u64);
        let closed = committed.closed(committed.data.clone());
        let swap = |expect, next| vec![Swap { player: player(place), expect, next }];
        let (first, second) = (swap(record.expect(), committed.clone()), swap(committed.expect(), closed.clone()));
        let done =
            timed(2, async { all_done(&self.store.swap(giver, first).await.context("committing a handoff")?) }).await?;
        all_done(&self.store.swap(taker, second).await.context("closing a handoff")?)?;
        *record = closed;
        Ok(done)
    }

    fn sides(&self, record: &OwnerRecord) -> (Fence, Fence) {
        let [home, away] = self.fences;
        if record.owner == home.shard { (home, away) } else { (away, home) }
    }

    /// Brings all players home, and lets the leases last. Nothing else goes on meanwhile. Replicas, and disks, may be busy for a
    /// while with what a bare loop has written at full speed; so this is tried again for [`CATCH_UP`].
    ///
    /// # Errors
    /// When the store refuses it or does not answer.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            match self.renew_leases().await {
                Ok(()) => break,
                Err(error) if error.may_have_applied() && begun.elapsed() < CATCH_UP => {
                    tokio::time::sleep(CATCH_UP_PAUSE).await;
                }
                Err(error) => return Err(error).context("renewing a lease"),
            }
        }
        self.bring_home().await
    }

    async fn renew_leases(&self) -> Result<(), StoreError> {
        for fence in self.fences {
            if let Renewed::Over = self.store.renew(fence, self.lease).await? {
                return Err(StoreError::Fenced { fence });
            }
        }
        Ok(())
    }

    async fn bring_home(&self) -> anyhow::Result<()> {
        let [home, away] = self.fences;
        for (first, players) in (0..).step_by(CHUNK).zip(self.players.chunks(CHUNK)) {
            let (mut commits, mut closes) = (Vec::new(), Vec::new());
            for (place, record) in (first..).zip(players) {
                let mut record = record.lock().await;
                if record.owner == home.shard {
                    continue;
                }
                let committed = commit_of(&record, away, home.shard, place as u64);
                let closed = committed.closed(committed.data.clone());
                let player = player(place);
                commits.push(Swap { player, expect: record.expect(), next: committed.clone() });
                closes.push(Swap { player, expect: committed.expect(), next: closed.clone() });
                *record = closed;
            }
            all_done(&self.store.swap(away, commits).await.context("bringing players home")?)?;
            all_done(&self.store.swap(home, closes).await.context("bringing players home")?)?;
        }
        Ok(())
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn end(&self) -> anyhow::Result<()> {
        self.store.clear().await.context("removing what was written")?;
        for fence in self.fences {
            self.store.release(fence).await.context("releasing a lease")?;
        }
        self.store.close().await.context("closing the store")
    }
}

/// Bytes of rows as drivers store them.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub record: usize,
    pub trade: usize,
    pub event: usize,
}

impl Sizes {
    pub fn of(state_bytes: usize) -> Self {
        let record = OwnerRecord::created(SHARDS[0], data(0, state_bytes));
        let OwnerRecord { owner: _, owner_epoch, open: _, data } = record.clone();
        let state = Checkpoint { player: player(0), owner_epoch, data };
        let entry = |request, event, states: Vec<Checkpoint>| {
            let (seq, epoch, at) = (LogSeq(1), ShardEpoch(1), Duration::ZERO);
            codec::encode_entry(&LogEntry { seq, epoch, at, request, event, states }).len()
        };
        let request = Some(RequestId { player: player(0), number: 1 });
        let trade = Event { kind: 1, tick: Tick(0), payload: vec![7; TRADE_BYTES] };
        Self {
            record: codec::encode_owner(&record).len(),
            trade: entry(request, trade, vec![state.clone(), state]),
            event: entry(None, event(0), Vec::new()),
        }
    }
}

async fn acquire(store: &dyn Store, shard: ShardId, lease: Duration) -> anyhow::Result<Fence> {
    match store.acquire(shard, &ZoneId("bench".to_owned()), lease).await.context("acquiring a lease")? {
        Acquired::Granted(lease) => Ok(lease.fence),
        Acquired::Held { left, .. } => {
            let seconds = left.as_secs() + 1;
            bail!("another bench runs on this store, or was broken off: wait for it, {seconds} s at most")
        }
    }
}

fn player(place: usize) -> PlayerId {
    // As random as the identifiers of a real login service, and always the same.
    PlayerId((place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Half of a state is a player's own, half is everybody's.
fn data(place: usize, state_bytes: usize) -> PlayerData {
    let own = player(place).0.to_le_bytes().into_iter().cycle().take(state_bytes / 2);
    let state = own.chain((0..).map(|at: u32| at as u8)).take(state_bytes).collect();
    PlayerData { state, ..PlayerData::default() }
}

/// A state is never what it was before.
fn touch(data: &mut PlayerData, number: usize) {
    data.state[..8].copy_from_slice(&(number as u64).to_le_bytes());
    data.last_input = InputSeq(number as u32);
}

fn event(number: usize) -> Event {
    Event { kind: 2, tick: Tick(number as u64), payload: vec![number as u8; EVENT_BYTES] }
}

fn commit_of(record: &OwnerRecord, giver: Fence, to: ShardId, number: u64) -> OwnerRecord {
    let id = HandoffId { from: giver.shard, from_epoch: giver.epoch, number };
    record.committed(to, id, giver, Tick(number), record.data.clone())
}

fn all_done(answers: &[Swapped]) -> anyhow::Result<()> {
    match answers.iter().find(|answer| **answer != Swapped::Done) {
        None => Ok(()),
        Some(other) => bail!("a swap without rivals got {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkages_store::{Embedded, SystemClock};

    fn plan(players: usize) -> Plan {
        Plan {
            url: darkages_store::StoreUrl::Embedded("unused".into()),
            told: crate::store_flags::Told { by: "--store", url: String::new().into() },
            time: Duration::from_secs(1),
            repeats: 1,
            players,
            batch: players.div_ceil(15),
            in_flight: 4,
            state_bytes: 100,
        }
    }

    #[tokio::test]
    async fn every_series_writes_what_it_says_and_leaves_nothing() {
        let store: Arc<dyn Store> =
            Arc::new(Embedded::in_memory("bench", Arc::new(SystemClock::new())).expect("memory"));
        let load = Load::begin(Arc::clone(&store), &plan(31)).await.expect("players");
        for _ in 0..40 {
            for (series, writes) in Series::ALL.into_iter().zip([3, 1, 3, 2]) {
                let done = load.call(series).await.unwrap_or_else(|error| panic!("{series:?}: {error:#}"));
                assert_eq!(done.writes, writes, "{series:?}");
                load.settle().await.expect("everybody comes home");
            }
        }
        let players = store.owned_by(SHARDS[0], None, 1_000).await.expect("a page");
        assert_eq!(players.len(), 31);
        let log = store.read_log(SHARDS[0], LogSeq(0), 1_000).await.expect("the log");
        assert_eq!(log.len(), 40 + 40 * 3);
        let bytes = |entry: &LogEntry| codec::encode_entry(entry).len();
        let (trades, events): (Vec<_>, Vec<_>) = log.iter().partition(|entry| entry.request.is_some());
        let Sizes { record, trade, event } = Sizes::of(100);
        assert!(trades.iter().all(|entry| bytes(entry) == trade) && events.iter().all(|entry| bytes(entry) == event));
        assert_eq!(codec::encode_owner(&players[0].1).len(), record);
        store.clear().await.expect("cleared");
        assert!(store.scan_owners(None, 1).await.expect("a page").is_empty());
    }
}
