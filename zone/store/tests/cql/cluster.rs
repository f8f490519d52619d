//! Three nodes with a copy of everything each: one is killed while many write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use darkages_store::{Committed, Cql, CqlOptions, Fence, Store};
use darkages_topology::PlayerId;
use tokio::task::JoinSet;

use crate::cassandra::{CQL_PORT, Node};
use crate::scene::{SHARD, acquire, create, log, trade, versions};

/// Opening is tried again for so long: the other nodes notice a death after some ten seconds.
const OPENS_WITHIN: Duration = Duration::from_secs(60);

/// Pairs of players who trade with each other, one pair a task.
const PAIRS: u64 = 8;

/// Trades of all pairs together before the node is killed, and again as many after it.
const TRADES: u64 = 200;

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Trades until it is told to stop; how many were acknowledged, which are all that were asked for.
async fn trade_on(
    store: Arc<Cql>,
    fence: Fence,
    pair: [PlayerId; 2],
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> u64 {
    let mut version = 0;
    while !stop.load(Ordering::SeqCst) {
        let trade = trade(&pair, version, version);
        let deadline = Instant::now() + DEADLINE;
        loop {
            // After an error the same is asked for again; that it may have been done then is what the request id is for.
            match store.commit(fence, trade.clone()).await {
                Ok(Committed::Done { .. } | Committed::Repeated { .. }) => break,
                Ok(other) => panic!("nobody else touches {pair:?}: {other:?}"),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
        version += 1;
        done.fetch_add(1, Ordering::SeqCst);
    }
    version
}

async fn reach(done: &AtomicU64, count: u64) {
    let deadline = Instant::now() + DEADLINE;
    while done.load(Ordering::SeqCst) < count {
        assert!(Instant::now() < deadline, "only {} of {count} trades were done", done.load(Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute and three nodes; `make cql-cluster` runs it, alone"]
async fn a_node_that_is_killed_takes_nothing_along_and_doubles_nothing() {
    let nodes = tokio::task::spawn_blocking(|| Node::cluster(3)).await.expect("a cluster");
    let hosts: Vec<_> = nodes.iter().map(|node| format!("{}:{CQL_PORT}", node.address)).collect();
    let url = format!("cql://{}/world?replication=3&consistency=quorum&timeout=5s", hosts.join(","));
    let options = CqlOptions::parse(&url).expect("a URL");
    let store = Arc::new(Cql::open(&options, "tests").await.expect("the store opens"));
    let fence = acquire(&*store, SHARD).await;
    let pairs: Vec<_> = (0..PAIRS).map(|pair| [2 * pair, 2 * pair + 1].map(PlayerId)).collect();
    create(&*store, fence, &pairs.concat()).await;

    let (done, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let mut traders = JoinSet::new();
    for (number, pair) in pairs.iter().copied().enumerate() {
        let (store, done, stop) = (Arc::clone(&store), Arc::clone(&done), Arc::clone(&stop));
        traders.spawn(async move { (number, trade_on(store, fence, pair, done, stop).await) });
    }
    reach(&done, TRADES).await;
    nodes[2].signal("KILL");
    let killed = Instant::now();
    let at_the_kill = done.load(Ordering::SeqCst);
    reach(&done, at_the_kill + 1).await;
    println!("first trade after the kill: {:?}", killed.elapsed());
    reach(&done, at_the_kill + TRADES).await;
    stop.store(true, Ordering::SeqCst);
    let acknowledged: BTreeMap<_, _> = traders.join_all().await.into_iter().collect();

    // Somebody else looks, who knows of nothing.
    store.close().await.expect("close");
    let begun = Instant::now();
    let store = loop {
        match Cql::open(&options, "tests").await {
            Ok(store) => break store,
            // Until the others have noticed its death they ask the dead node too.
            Err(error) => assert!(begun.elapsed() < OPENS_WITHIN, "two of three are enough: {error}"),
        }
    };
    for (number, pair) in pairs.iter().enumerate() {
        let seen = versions(&store, pair).await;
        assert_eq!(seen, [acknowledged[&number]; 2], "pair {number}: what was acknowledged, of both");
    }
    let mut trades = BTreeMap::new();
    for entry in log(&store, SHARD).await {
        *trades.entry(entry.request.expect("a trade")).or_insert(0) += 1;
    }
    assert!(trades.values().all(|times| *times == 1), "each trade is in the log once: {trades:?}");
    let there: u64 = versions(&store, &pairs.iter().map(|pair| pair[0]).collect::<Vec<_>>()).await.iter().sum();
    assert_eq!(trades.len() as u64, there, "a trade is in the log exactly when its states are");
}
