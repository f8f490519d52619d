//! Servers that die: what was acknowledged as durable is there afterwards, nothing is doubled, and the store answers again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use darkages_servers::redis::{self as deployments, Deployment, Server};
use darkages_servers::{DEADLINE, wait_for};
use darkages_store::{Fence, Health, PlayerData, StateVersion, Store, health};
use darkages_topology::PlayerId;
use rustix::process::Signal;

use crate::scene::{SHARD, WORLD, commit_in_the_end, create, logged, opened, trade};

const PLAYERS: u64 = 8;

/// Trades of each player that are acknowledged before a server dies.
const WARM_UP: u64 = 25;

/// Longest that a trade may wait while a server dies, another takes its place and the first comes back as its replica.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What each player was promised.
struct Promises {
    counts: Vec<AtomicU64>,
    over: AtomicBool,
}

/// One player trades as fast as the store acknowledges; the longest wait.
async fn trade_until_over(store: Arc<dyn Store>, fence: Fence, player: PlayerId, promises: Arc<Promises>) -> Duration {
    let (mut version, mut longest) = (StateVersion(0), Duration::ZERO);
    while !promises.over.load(Ordering::Relaxed) {
        let data = PlayerData { state: vec![version.0 as u8; 300], version, ..PlayerData::default() };
        longest = longest.max(commit_in_the_end(&store, fence, trade(player, data)).await);
        version = version.next();
        promises.counts[player.0 as usize].store(version.0, Ordering::Relaxed);
    }
    longest
}

/// Everybody trades while `fault` does its work, and for a while before and after it.
async fn trades_survive(deployment: Deployment, fault: fn(&mut Deployment)) {
    let (store, fence) = opened(&deployment.url).await;
    let counts = (0..PLAYERS).map(|_| AtomicU64::new(0)).collect();
    let promises = Arc::new(Promises { counts, over: AtomicBool::new(false) });
    let mut traders = tokio::task::JoinSet::new();
    for player in (0..PLAYERS).map(PlayerId) {
        create(&store, fence, player).await;
        traders.spawn(trade_until_over(Arc::clone(&store), fence, player, Arc::clone(&promises)));
    }
    let watched = Arc::clone(&promises);
    let deployment = tokio::task::spawn_blocking(move || {
        let mut deployment = deployment;
        let reached = |more: u64, from: &[u64]| {
            wait_for("trades that go on", || {
                let counts = watched.counts.iter().map(|count| count.load(Ordering::Relaxed));
                counts.zip(from).all(|(count, from)| count >= from + more).then_some(())
            });
        };
        reached(WARM_UP, &[0; PLAYERS as usize]);
        fault(&mut deployment);
        let now: Vec<u64> = watched.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        reached(WARM_UP, &now);
        watched.over.store(true, Ordering::Relaxed);
        deployment
    });
    let deployment = deployment.await.expect("the fault is over");
    let longest = traders.join_all().await.into_iter().max().expect("traders");
    assert!(longest < LONGEST_WAIT, "a trade waited {longest:?}");
    let mut kept = 0;
    for (player, promised) in promises.counts.iter().enumerate() {
        let record = store.owner(PlayerId(player as u64)).await.expect("read").expect("created");
        let promised = promised.load(Ordering::Relaxed);
        assert_eq!(
            record.data.version.0, promised,
            "player {player}: each trade once, and none that was not asked for"
        );
        kept += record.data.version.0;
    }
    assert_eq!(logged(&store).await, kept, "a transaction is in the log exactly when its states are");
    assert!(store.look(SHARD).await.expect("look").expect("acquired").is_live_as(fence), "the lease goes on");
    drop(deployment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_the_death_of_a_primary_behind_sentinels() {
    let deployment = tokio::task::spawn_blocking(deployments::sentinel).await.expect("it starts");
    trades_survive(deployment, |deployment| {
        deployment.fail_over(WORLD);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_the_death_of_a_primary_of_a_cluster() {
    let deployment = tokio::task::spawn_blocking(deployments::cluster).await.expect("it starts");
    trades_survive(deployment, |deployment| {
        deployment.fail_over(WORLD);
    })
    .await;
}

/// What it was asked before it froze it still does when it wakes up, as the primary that it is not any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_a_primary_that_sleeps_through_its_succession() {
    let deployment = tokio::task::spawn_blocking(deployments::cluster).await.expect("it starts");
    trades_survive(deployment, |deployment| deployment.freeze_and_wake(WORLD)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trades_survive_a_server_that_is_killed_and_started_again() {
    let deployment = tokio::task::spawn_blocking(deployments::single).await.expect("it starts");
    trades_survive(deployment, |deployment| {
        for _ in 0..3 {
            deployment.servers[0].kill();
            deployment.servers[0].restart(&[]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_that_no_replica_has() {
    let mut deployment = tokio::task::spawn_blocking(deployments::pair).await.expect("it starts");
    let (store, fence) = opened(&deployment.url).await;
    let player = PlayerId(1);
    create(&store, fence, player).await;
    deployment.servers[1].kill();
    let error = store.commit(fence, trade(player, PlayerData::default())).await.expect_err("nobody confirms");
    assert!(error.may_have_applied() && error.to_string().contains("0 of 1 replicas confirmed"), "{error}");
    let error = store.owner(player).await.expect_err("what could be lost is not shown either");
    assert!(error.to_string().contains("replicas"), "{error}");
    deployment.servers[1].restart(&[]);
    commit_in_the_end(&store, fence, trade(player, PlayerData::default())).await;
    let record = store.owner(player).await.expect("read").expect("created");
    assert_eq!((record.data.version, logged(&store).await), (StateVersion(1), 1), "once, however often it was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_server_end_by_their_deadline() {
    let server = tokio::task::spawn_blocking(|| Server::start(&[])).await.expect("it starts");
    let (store, fence) = opened(&format!("redis://{}", server.address())).await;
    create(&store, fence, PlayerId(1)).await;
    server.signal(Signal::STOP);
    let asked = Instant::now();
    let (one, two) = tokio::join!(store.owner(PlayerId(1)), store.save_batch(fence, Vec::new()));
    for error in [one.expect_err("frozen"), two.expect_err("frozen")] {
        assert!(error.to_string().contains("did not answer"), "{error}");
    }
    assert!(store.health().is_away(health::REDIS));
    assert!(asked.elapsed() < darkages_store::redis::CALL_DEADLINE + Duration::from_secs(1), "{:?}", asked.elapsed());
    server.signal(Signal::CONT);
    let asked = Instant::now();
    // Each lane has a connection of its own, and a pause before it tries again.
    while store.owner(PlayerId(1)).await.is_err() || store.save_batch(fence, Vec::new()).await.is_err() {
        assert!(asked.elapsed() < DEADLINE, "it does not come back");
        tokio::time::sleep(Duration::from_millis(16)).await;
    }
    assert_eq!(store.health(), Health::default());
}
