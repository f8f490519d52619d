//! Redis that is emptied, killed and frozen while many write, and processes that die with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use darkages_store::{Checkpoint, Committed, Fence, Saved, Store, Swap, Swapped, health, open};
use darkages_topology::{HandoffId, PlayerId, ShardId, Tick};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::{DEADLINE, Tiers, WORLD, eventually, flushed, mark, marked, record, save};
use crate::cassandra;
use crate::scene::{SHARD, acquire, create, trade, versions};

const OTHER: ShardId = ShardId(2);

/// Players who only move, pairs who trade, and players who go from shard to shard.
const MOVERS: [PlayerId; 8] = players(0);
const TRADERS: [PlayerId; 8] = players(100);
const WALKERS: [PlayerId; 8] = players(200);

/// What each task does between two events of a test, at least.
const PROGRESS: u64 = 8;

/// By how much what a crash of everything leaves behind may be older than what was acknowledged: a second, and what a machine
/// that is busy with other things may add to it.
const OLDEST: Duration = Duration::from_secs(3);

const fn players(first: u64) -> [PlayerId; 8] {
    let mut players = [PlayerId(0); 8];
    let mut place = 0;
    while place < 8 {
        players[place] = PlayerId(first + place as u64);
        place += 1;
    }
    players
}

/// Tasks that write until they are told to stop, and what each was acknowledged.
struct Crowd {
    tasks: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn Store>,
    fences: [Fence; 2],
    stop: AtomicBool,
    /// The last mark or version of each player that was acknowledged.
    acknowledged: BTreeMap<PlayerId, AtomicU64>,
    longest: Mutex<Duration>,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn acknowledge(&self, player: PlayerId, value: u64) {
        self.acknowledged[&player].store(value, Ordering::SeqCst);
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let answer = call.await;
        let mut longest = self.longest.lock().expect("no task panicked");
        *longest = longest.max(asked.elapsed());
        answer
    }

    async fn move_about(&self, player: PlayerId) {
        let made = record(&*self.store, player).await;
        for next in 1.. {
            let saved = self.timed(save(&*self.store, self.fences[0], player, &made, next)).await;
            assert_eq!(saved, Saved::Done);
            self.acknowledge(player, next);
            if self.is_over() {
                return;
            }
        }
    }

    async fn trade(&self, pair: [PlayerId; 2]) {
        for version in 0.. {
            let trade = trade(&pair, version, version);
            let done = self.timed(self.store.commit(self.fences[0], trade)).await.expect("commit");
            assert!(matches!(done, Committed::Done { .. }), "{done:?}");
            self.acknowledge(pair[0], version + 1);
            self.acknowledge(pair[1], version + 1);
            if self.is_over() {
                return;
            }
        }
    }

    async fn swap(&self, fence: Fence, swap: Swap) {
        let done = self.timed(self.store.swap(fence, vec![swap])).await.expect("swap");
        assert_eq!(done, [Swapped::Done]);
    }

    /// There and back again, saving on each side.
    async fn walk(&self, player: PlayerId) {
        let mut here = record(&*self.store, player).await;
        let mut next = 0;
        for round in 0.. {
            let from = self.fences[usize::from(here.owner != SHARD)];
            let to = self.fences[usize::from(here.owner == SHARD)];
            let id = HandoffId { from: from.shard, from_epoch: from.epoch, number: round };
            let open = here.committed(to.shard, id, from, Tick(1), marked(&here, next + 1));
            self.swap(from, Swap { player, expect: here.expect(), next: open.clone() }).await;
            let saved = self.timed(save(&*self.store, from, player, &open, next + 2)).await;
            assert_eq!(saved, Saved::Done, "the giver acts until it releases");
            let closed = open.closed(marked(&open, next + 3));
            self.swap(to, Swap { player, expect: open.expect(), next: closed.clone() }).await;
            let saved = self.timed(save(&*self.store, to, player, &closed, next + 4)).await;
            assert_eq!(saved, Saved::Done, "now the taker acts");
            next += 4;
            self.acknowledge(player, next);
            here = closed;
            if self.is_over() {
                return;
            }
        }
    }
}

impl Crowd {
    async fn start(store: Arc<dyn Store>) -> Self {
        let fences = [acquire(&*store, SHARD).await, acquire(&*store, OTHER).await];
        let all = [MOVERS, TRADERS, WALKERS].concat();
        create(&*store, fences[0], &all).await;
        let acknowledged = all.into_iter().map(|player| (player, AtomicU64::new(0))).collect();
        let (stop, longest) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { store, fences, stop, acknowledged, longest });
        let mut tasks = JoinSet::new();
        for player in MOVERS {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.move_about(player).await });
        }
        for pair in TRADERS.chunks(2).map(|pair| [pair[0], pair[1]]) {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.trade(pair).await });
        }
        for player in WALKERS {
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { shared.walk(player).await });
        }
        Self { tasks, shared }
    }

    /// What each was acknowledged so far.
    fn acknowledged(&self) -> BTreeMap<PlayerId, u64> {
        let read = |(player, value): (&PlayerId, &AtomicU64)| (*player, value.load(Ordering::SeqCst));
        self.shared.acknowledged.iter().map(read).collect()
    }

    /// Waits until each has done some more; how long the longest call took meanwhile.
    async fn goes_on(&self, what: &str) -> Duration {
        *self.shared.longest.lock().expect("no task panicked") = Duration::ZERO;
        let from = self.acknowledged();
        let has_gone_on = || {
            let goes_on = self.acknowledged().iter().all(|(player, value)| *value >= from[player] + PROGRESS);
            goes_on.then_some(())
        };
        eventually(what, has_gone_on).await;
        *self.shared.longest.lock().expect("no task panicked")
    }

    /// Ends all and looks at what is there, through this store and through others.
    async fn ends_with_everything(mut self, tiers: &Tiers) {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no task panicked");
        }
        let mine = Arc::clone(&self.shared.store);
        let another = tiers.open().await;
        self.has_everything(&*mine, "the store that wrote").await;
        // Of what Redis has just lost the writer alone knows.
        flushed(&*mine).await;
        self.has_everything(&*another, "another process").await;
        mine.close().await.expect("close");
        self.has_everything(&cassandra::open(&tiers.keyspace).await, "CQL alone, once all is written").await;
    }

    async fn has_everything(&self, store: &dyn Store, who: &str) {
        for (player, value) in self.acknowledged() {
            if TRADERS.contains(&player) {
                assert_eq!(versions(store, &[player]).await, [value], "{who}: {player}: each trade once");
            } else {
                assert_eq!(mark(&record(store, player).await.data), value, "{who}: {player}: the last checkpoint");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back_empty_costs_nobody_anything() {
    let _together = cassandra::together().await;
    let mut tiers = Tiers::start().await;
    let store = tiers.open().await;
    let crowd = Crowd::start(Arc::clone(&store)).await;
    println!("with Redis: longest call {:?}", crowd.goes_on("work with Redis").await);
    tiers.redis.kill();
    println!("killed: longest call {:?}", crowd.goes_on("work after its death").await);
    eventually("it is missed", || store.health().is_away(health::REDIS).then_some(())).await;
    println!("without: longest call {:?}", crowd.goes_on("work without Redis").await);
    let acknowledged = crowd.acknowledged();
    let alone = cassandra::open(&tiers.keyspace).await;
    for player in [MOVERS, WALKERS].concat() {
        let found = mark(&record(&alone, player).await.data);
        assert!(found >= acknowledged[&player], "{player}: {found} of {}", acknowledged[&player]);
    }
    let tiers = tokio::task::spawn_blocking(move || {
        tiers.redis.restart(&[]);
        tiers
    });
    let tiers = tiers.await.expect("it starts");
    eventually("it is back", || store.health().away.is_empty().then_some(())).await;
    let hits = store.health().cache_hits;
    println!("back: longest call {:?}", crowd.goes_on("work with Redis again").await);
    assert!(store.health().cache_hits > hits, "it was filled again");
    crowd.ends_with_everything(&tiers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_emptied_again_and_again_costs_nobody_anything() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let store = tiers.open().await;
    let crowd = Crowd::start(Arc::clone(&store)).await;
    for _ in 0..4 {
        crowd.goes_on("work").await;
        tiers.redis.ask::<()>(&["FLUSHALL"]);
    }
    crowd.ends_with_everything(&tiers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_is_gone_without_and_waits_for_nobody() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let store = tiers.open().await;
    let crowd = Crowd::start(Arc::clone(&store)).await;
    crowd.goes_on("work with Redis").await;
    tiers.redis.signal(Signal::STOP);
    println!("frozen: longest call {:?}", crowd.goes_on("work beside a frozen Redis").await);
    eventually("it is missed", || store.health().is_away(health::REDIS).then_some(())).await;
    println!("without: longest call {:?}", crowd.goes_on("work without it").await);
    tiers.redis.signal(Signal::CONT);
    // What it was asked before it froze it still does.
    eventually("it is back", || store.health().away.is_empty().then_some(())).await;
    crowd.goes_on("work with Redis again").await;
    crowd.ends_with_everything(&tiers).await;
}

/// What CQL cannot take waits, one checkpoint for each player, and is written once it can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_wait_while_cql_stands_still() {
    // Nobody else uses the node meanwhile.
    let _alone = cassandra::alone().await;
    let tiers = Tiers::start().await;
    let store = open(&tiers.url().replace("timeout=20s", "timeout=2s"), WORLD).await.expect("the store opens");
    let fence = acquire(&*store, SHARD).await;
    create(&*store, fence, &MOVERS).await;
    let made = record(&*store, MOVERS[0]).await;
    let batch =
        |mark| MOVERS.map(|player| Checkpoint { player, owner_epoch: made.owner_epoch, data: marked(&made, mark) });
    let mut saved = 0;
    let deadline = Instant::now() + DEADLINE;
    while store.health().unsaved == 0 {
        assert!(Instant::now() < deadline, "CQL is always faster than its end");
        cassandra::shared().signal("CONT");
        saved += 1;
        assert_eq!(store.save_batch(fence, batch(saved).to_vec()).await.expect("save"), [Saved::Done; 8]);
        cassandra::shared().signal("STOP");
    }
    let error = store.save_batch(fence, batch(saved + 1).to_vec()).await.expect_err("no lease can be read");
    assert_eq!(error.label(), "unavailable", "{error}");
    eventually("it is missed", || store.health().is_away(health::CQL).then_some(())).await;
    eventually("it tells how far CQL is behind", || (store.health().lag > Duration::from_secs(1)).then_some(())).await;
    assert!(store.health().unsaved <= MOVERS.len());
    cassandra::shared().signal("CONT");
    flushed(&*store).await;
    assert_eq!(store.health().lag, Duration::ZERO);
    let alone = cassandra::open(&tiers.keyspace).await;
    for player in MOVERS {
        assert_eq!(mark(&record(&alone, player).await.data), saved);
    }
}

/// Everything dies at once that has what CQL has not: the process and Redis.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_redis_had_is_a_second_old_after_a_crash_of_everything() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let store = tiers.open().await;
    let fence = acquire(&*store, SHARD).await;
    let all = [MOVERS, TRADERS].concat();
    create(&*store, fence, &all).await;
    let mut movers = JoinSet::new();
    let saved: Arc<Mutex<BTreeMap<PlayerId, Vec<Instant>>>> = Arc::default();
    for player in MOVERS {
        let (store, saved) = (Arc::clone(&store), Arc::clone(&saved));
        movers.spawn(async move {
            let made = record(&*store, player).await;
            for next in 0.. {
                assert_eq!(save(&*store, fence, player, &made, next).await, Saved::Done);
                saved.lock().expect("no task panicked").entry(player).or_default().push(Instant::now());
            }
        });
    }
    for round in 0..20 {
        let done = store.commit(fence, trade(&TRADERS, round, round)).await.expect("commit");
        assert!(matches!(done, Committed::Done { .. }), "{done:?}");
    }
    let since =
        |player| saved.lock().expect("no task panicked").get(player).map_or(Duration::ZERO, |all| all[0].elapsed());
    eventually("some rounds of writing", || MOVERS.iter().all(|player| since(player) > 2 * OLDEST).then_some(())).await;
    movers.shutdown().await;
    let crash = Instant::now();
    drop(store);
    tiers.redis.ask::<()>(&["FLUSHALL"]);

    let another = tiers.open().await;
    assert_eq!(versions(&*another, &TRADERS).await, [20; 8], "what is durable is there");
    let saved = saved.lock().expect("no task panicked").clone();
    let mut oldest = Duration::ZERO;
    for player in MOVERS {
        let found = mark(&record(&*another, player).await.data) as usize;
        // The first that is missing says how old that is.
        let age = saved[&player].get(found + 1).map_or(Duration::ZERO, |next| crash - *next);
        oldest = oldest.max(age);
    }
    println!("oldest state after the crash: {oldest:?}");
    assert!(oldest <= OLDEST, "{oldest:?}");
}
