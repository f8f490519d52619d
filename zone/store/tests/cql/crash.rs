//! A transaction that is broken off between any two of its statements: both parties have it or neither, once.

use std::time::Duration;

use darkages_store::{Committed, Cql, CqlOptions, Store};
use darkages_topology::{PlayerId, ShardId};

use crate::cassandra::{self, CQL_PORT};
use crate::proxy::{Cut, Proxy};
use crate::scene::{SHARD, acquire, create, log, trade, versions};

/// More statements than a transaction has.
const MAX_STATEMENTS: i64 = 40;

async fn broken_off_everywhere(cut: Cut) {
    let _together = cassandra::together().await;
    let keyspace = cassandra::new_keyspace();
    let store = cassandra::open(&keyspace).await;
    let fence = acquire(&store, SHARD).await;
    let (mut decided, mut undecided) = (0, 0);
    for statements in 0..MAX_STATEMENTS {
        let players = [2 * statements as u64, 2 * statements as u64 + 1].map(PlayerId);
        create(&store, fence, &players).await;
        let proxy = Proxy::start(cassandra::shared().address, CQL_PORT, cut).await;
        let url = cassandra::url(&keyspace, "").replace(&format!(":{CQL_PORT}/"), &format!(":{}/", proxy.port));
        let broken = Cql::open(&CqlOptions::parse(&url).expect("a URL"), "tests").await.expect("it opens");
        proxy.arm(statements);
        let answer = broken.commit(fence, trade(&players, 7, 0)).await;
        let finished = !proxy.is_gone();
        drop((broken, proxy));

        let seen = versions(&store, &players).await;
        assert!(seen == [0, 0] || seen == [1, 1], "{cut:?} {statements}: one party has it: {seen:?}");
        assert!(seen == [1, 1] || answer.is_err(), "{cut:?} {statements}: acknowledged and lost: {answer:?}");
        let again = store.commit(fence, trade(&players, 7, 0)).await.expect("it is asked for again");
        match &again {
            Committed::Repeated { answer, .. } => {
                assert_eq!((seen.as_slice(), answer.as_slice()), (&[1, 1][..], &[1][..]))
            }
            Committed::Done { .. } => assert_eq!(seen, [0, 0], "{cut:?} {statements}: done twice"),
            Committed::Refused { .. } => panic!("{cut:?} {statements}: nobody else has touched them: {again:?}"),
        }
        assert_eq!(versions(&store, &players).await, [1, 1], "{cut:?} {statements}");
        if finished {
            let entries = log(&store, SHARD).await;
            assert_eq!(entries.len() as i64, statements + 1, "each transaction is in the log once");
            assert!(decided > 0 && undecided > 0, "before and after the decision: {decided}, {undecided}");
            return;
        }
        if seen == [1, 1] { decided += 1 } else { undecided += 1 }
    }
    panic!("a transaction takes more than {MAX_STATEMENTS} statements");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_off_before_any_statement_both_have_it_or_neither() {
    broken_off_everywhere(Cut::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_off_after_any_statement_both_have_it_or_neither() {
    broken_off_everywhere(Cut::After).await;
}

/// The zone dies as well, so its successor finds what it left, and takes it up at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_zone_left_undecided_is_called_off_by_its_successor() {
    let _together = cassandra::together().await;
    let store = cassandra::open(&cassandra::new_keyspace()).await;
    let mut fence = acquire(&store, SHARD).await;
    let mut given_up = 0;
    for round in 0..40 {
        let players = [2 * round, 2 * round + 1].map(PlayerId);
        create(&store, fence, &players).await;
        // Dropped ever later, from before the first statement to after the last.
        let patience = Duration::from_micros(400 * round);
        let answer = tokio::time::timeout(patience, store.commit(fence, trade(&players, 7, 0))).await;
        store.release(fence).await.expect("release");
        fence = acquire(&store, SHARD).await;
        let seen = versions(&store, &players).await;
        assert!(seen == [0, 0] || seen == [1, 1], "round {round}: one party has it: {seen:?}");
        match answer {
            Ok(answer) => {
                assert!(matches!(answer.expect("committed"), Committed::Done { .. }));
                assert_eq!(seen, [1, 1], "round {round}: acknowledged");
            }
            Err(_) => given_up += 1,
        }
        let again = store.commit(fence, trade(&players, 7, 0)).await.expect("it is asked for again");
        assert!(!matches!(again, Committed::Refused { .. }), "round {round}: {again:?}");
        assert_eq!(versions(&store, &players).await, [1, 1], "round {round}");
    }
    assert!(given_up > 0, "some were dropped");
    assert_eq!(log(&store, SHARD).await.len(), 40, "each is in the log once");
    assert_eq!(store.owned_by(ShardId(1), None, 1_000).await.expect("list").len(), 80);
}

/// The zone lives on and asks again, as it does when the store was too slow for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_caller_gave_up_is_done_once_when_it_asks_again() {
    let _together = cassandra::together().await;
    let store = cassandra::open(&cassandra::new_keyspace()).await;
    let fence = acquire(&store, SHARD).await;
    let mut given_up = 0;
    for round in 0..40 {
        let players = [2 * round, 2 * round + 1].map(PlayerId);
        create(&store, fence, &players).await;
        // Dropped ever later, from before the first statement to after the last.
        let patience = Duration::from_micros(400 * round);
        given_up +=
            u32::from(tokio::time::timeout(patience, store.commit(fence, trade(&players, 7, 0))).await.is_err());
        let again = store.commit(fence, trade(&players, 7, 0)).await.expect("it is asked for again");
        assert!(!matches!(again, Committed::Refused { .. }), "round {round}: {again:?}");
        let third = store.commit(fence, trade(&players, 7, 0)).await.expect("it is asked for once more");
        assert!(matches!(third, Committed::Repeated { .. }), "round {round}: {third:?}");
        assert_eq!(versions(&store, &players).await, [1, 1], "round {round}");
    }
    assert!(given_up > 0, "some were dropped");
    assert_eq!(log(&store, SHARD).await.len(), 40, "each is in the log once");
}
