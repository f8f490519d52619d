//! A store that is slow, away or loses answers: what its callers see, and that nothing is done twice or half.

use std::sync::Arc;
use std::time::Duration;

use darkages_store::faulty::{Chances, Fault, Faults, Faulty};
use darkages_store::{
    Acquired, Checkpoint, Committed, Embedded, Event, Expect, Fence, Health, ManualClock, OwnerRecord, PlayerData,
    RequestId, StateVersion, Store, StoreError, Swap, Swapped, Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, ZoneId};
use tokio::time::Instant;

const SHARD: ShardId = ShardId(1);
const PLAYER: PlayerId = PlayerId(7);

async fn scene() -> (Arc<dyn Store>, Faults, Fence) {
    let inner = Embedded::in_memory("faults", Arc::new(ManualClock::default())).expect("memory");
    let faults = Faults::new(42);
    let store: Arc<dyn Store> = Arc::new(Faulty::new(Arc::new(inner), faults.clone()));
    let acquired = store.acquire(SHARD, &ZoneId("z".into()), Duration::from_secs(60)).await.expect("acquire");
    let Acquired::Granted(lease) = acquired else { panic!("it is free") };
    let next = OwnerRecord::created(SHARD, PlayerData::default());
    let born = store.swap(lease.fence, vec![Swap { player: PLAYER, expect: Expect::Absent, next }]).await;
    assert_eq!(born.expect("swap"), [Swapped::Done]);
    (store, faults, lease.fence)
}

fn trade(version: u64) -> Transaction {
    let data = PlayerData { version: StateVersion(version), ..PlayerData::default() };
    Transaction {
        request: RequestId { player: PLAYER, number: version },
        states: vec![Checkpoint { player: PLAYER, owner_epoch: OwnerEpoch(1), data }],
        event: Event::default(),
        answer: vec![version as u8],
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let (store, faults, fence) = scene().await;
    let record = store.owner(PLAYER).await.expect("read").expect("created");
    let next = record.claimed(SHARD);
    let swap = Swap { player: PLAYER, expect: record.expect(), next: next.clone() };
    faults.force_next(Fault::AnswerLost);
    let error = store.swap(fence, vec![swap.clone()]).await.expect_err("its answer was lost");
    assert!(error.may_have_applied() && error.label() == "unavailable", "{error}");
    assert_eq!(store.owner(PLAYER).await.expect("read"), Some(next.clone()), "it took effect");
    assert_eq!(store.swap(fence, vec![swap]).await.expect("swap"), [Swapped::Conflict(Some(next))], "once");
}

#[tokio::test]
async fn a_transaction_is_simply_committed_again() {
    let (store, faults, fence) = scene().await;
    faults.force_next(Fault::AnswerLost);
    faults.force_next(Fault::Unavailable);
    store.commit(fence, trade(0)).await.expect_err("its answer was lost");
    store.commit(fence, trade(0)).await.expect_err("it was away");
    let again = store.commit(fence, trade(0)).await.expect("commit");
    assert!(matches!(again, Committed::Repeated { answer, .. } if answer == [0]), "the first answer");
    let record = store.owner(PLAYER).await.expect("read").expect("created");
    assert_eq!(record.data.version, StateVersion(1), "carried out once");
}

#[tokio::test]
async fn every_transaction_counts_once_under_chance() {
    let (store, faults, fence) = scene().await;
    faults.set_chances(Chances { unavailable: 0.3, answer_lost: 0.3, ..Chances::default() });
    let mut errors = 0;
    for version in 0..100 {
        loop {
            match store.commit(fence, trade(version)).await {
                Ok(Committed::Done { .. } | Committed::Repeated { .. }) => break,
                Ok(refused) => panic!("{refused:?}"),
                Err(StoreError::Unavailable { .. }) => errors += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(errors < 1_000, "chances of 0.3 let something through");
        }
    }
    faults.set_chances(Chances::default());
    let record = store.owner(PLAYER).await.expect("read").expect("created");
    assert_eq!(record.data.version, StateVersion(100));
    let counts = faults.counts();
    assert_eq!(counts.unavailable + counts.answers_lost, errors);
    assert!(counts.unavailable > 10 && counts.answers_lost > 10, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn it_is_slow_and_away_when_told() {
    let (store, faults, _) = scene().await;
    let slow = Duration::from_millis(200);
    faults.set_chances(Chances { delay: slow..=slow, ..Chances::default() });
    let start = Instant::now();
    store.probe().await.expect("slow, but there");
    assert!(start.elapsed() >= slow);
    let waiting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.probe().await }
    });
    tokio::time::sleep(slow / 2).await;
    faults.set_down(true);
    waiting.await.expect("no panic").expect_err("it went away on the way");
    store.owner(PLAYER).await.expect_err("away");
    faults.set_down(false);
    store.owner(PLAYER).await.expect("back");
}

#[tokio::test]
async fn the_same_seed_brings_the_same_faults() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (store, faults, _) = scene().await;
        faults.set_chances(Chances { unavailable: 0.5, ..Chances::default() });
        let mut outcomes = Vec::new();
        for _ in 0..64 {
            outcomes.push(store.owner(PLAYER).await.is_ok());
        }
        runs.push(outcomes);
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&true) && runs[0].contains(&false));
}

#[tokio::test]
async fn health_tells_that_the_store_is_away_and_what_is_not_flushed() {
    let (store, faults, fence) = scene().await;
    let Health { away, queue_depth, cache_hits, cache_misses, .. } = store.health();
    assert_eq!((away, queue_depth, cache_hits, cache_misses), (Vec::new(), 0, 0, 0));
    let checkpoint = Checkpoint { player: PLAYER, owner_epoch: OwnerEpoch(1), data: PlayerData::default() };
    let absent = Checkpoint { player: PlayerId(8), ..checkpoint.clone() };
    store.save_batch(fence, vec![checkpoint.clone(), checkpoint, absent]).await.expect("save");
    let saved = store.health();
    assert!(saved.unsaved <= 1, "one player has a record: {saved:?}");
    store.probe().await.expect("a durable write");
    let flushed = store.health();
    assert_eq!((flushed.unsaved, flushed.lag), (0, Duration::ZERO), "it took the checkpoint along");
    faults.set_down(true);
    assert!(store.health().is_away(darkages_store::health::STORE));
    faults.set_down(false);
    assert!(store.health().away.is_empty());
}
