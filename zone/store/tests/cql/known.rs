//! What a process remembers of records is worth nothing once somebody else has written them.

use std::sync::Arc;

use darkages_store::{
    Checkpoint, Committed, Expect, OwnerRecord, Phase, PlayerData, Saved, StateVersion, Store, Swap, Swapped,
    Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId};

use crate::cassandra;
use crate::scene::{SHARD, acquire, create, log, trade, versions};

const PLAYERS: [PlayerId; 2] = [PlayerId(1), PlayerId(2)];

async fn done(store: &dyn Store, fence: darkages_store::Fence, trade: Transaction) {
    let committed = store.commit(fence, trade).await.expect("commit");
    assert!(matches!(committed, Committed::Done { .. }), "{committed:?}");
}

/// Two handles of one incarnation, each of which remembers what it has written itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trade_builds_on_what_is_there_not_on_what_was_remembered() {
    let _together = cassandra::together().await;
    let keyspace = cassandra::new_keyspace();
    let (one, other) = (cassandra::open(&keyspace).await, cassandra::open(&keyspace).await);
    let fence = acquire(&one, SHARD).await;
    create(&one, fence, &PLAYERS).await;
    done(&one, fence, trade(&PLAYERS, 1, 0)).await;
    done(&other, fence, trade(&PLAYERS, 2, 1)).await;
    // One remembers version 1.
    done(&one, fence, trade(&PLAYERS, 3, 2)).await;
    done(&other, fence, trade(&PLAYERS, 4, 3)).await;
    match one.commit(fence, trade(&PLAYERS, 5, 3)).await.expect("commit") {
        Committed::Refused { why: Saved::OtherVersion, current: Some(current), .. } => {
            assert_eq!(current.data.version, StateVersion(4), "the record that is there is told");
        }
        other => panic!("{other:?}"),
    }
    // What fits what is remembered does not fit what is there.
    done(&other, fence, trade(&PLAYERS, 6, 4)).await;
    assert!(matches!(one.commit(fence, trade(&PLAYERS, 7, 4)).await, Ok(Committed::Refused { .. })));
    for asked in [trade(&PLAYERS, 2, 1), trade(&PLAYERS, 2, 5), trade(&PLAYERS, 6, 5)] {
        let again = one.commit(fence, asked).await.expect("commit");
        assert!(matches!(again, Committed::Repeated { .. }), "{again:?}");
    }
    assert_eq!(versions(&one, &PLAYERS).await, [5, 5]);
    assert_eq!(log(&one, SHARD).await.len(), 5, "each is in the log once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_is_refused_by_what_is_there_not_by_what_was_remembered() {
    let _together = cassandra::together().await;
    let keyspace = cassandra::new_keyspace();
    let (one, other) = (cassandra::open(&keyspace).await, cassandra::open(&keyspace).await);
    let fence = acquire(&one, SHARD).await;
    create(&one, fence, &PLAYERS).await;
    let claim = |epoch| {
        let at = |owner_epoch| Expect::At { owner_epoch, phase: Phase::Closed };
        let next =
            OwnerRecord { owner: SHARD, owner_epoch: OwnerEpoch(epoch + 1), open: None, data: PlayerData::default() };
        vec![Swap { player: PLAYERS[0], expect: at(OwnerEpoch(epoch)), next }]
    };
    assert_eq!(one.swap(fence, claim(1)).await.expect("swap"), [Swapped::Done]);
    assert_eq!(other.swap(fence, claim(2)).await.expect("swap"), [Swapped::Done]);
    // What one remembers is what this expects.
    let answers = one.swap(fence, claim(2)).await.expect("swap");
    let [Swapped::Conflict(Some(current))] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(current.owner_epoch, OwnerEpoch(3));
    // What one remembers is not what this expects, and it is there.
    assert_eq!(other.swap(fence, claim(3)).await.expect("swap"), [Swapped::Done]);
    assert_eq!(one.swap(fence, claim(4)).await.expect("swap"), [Swapped::Done]);
}

/// Many at once, through handles that remember different things: every trade is done once, and none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rivals_who_remember_different_things_lose_no_trade() {
    let _together = cassandra::together().await;
    let keyspace = cassandra::new_keyspace();
    let stores = [cassandra::open(&keyspace).await, cassandra::open(&keyspace).await].map(Arc::new);
    let fence = acquire(&*stores[0], SHARD).await;
    create(&*stores[0], fence, &PLAYERS).await;
    let trades = stores.iter().enumerate().map(|(place, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut wins = 0_u64;
            for number in 0..30 {
                let version = versions(&*store, &PLAYERS).await[0];
                let asked = trade(&PLAYERS, 100 * place as u64 + number, version);
                match store.commit(fence, asked).await.expect("commit") {
                    Committed::Done { .. } => wins += 1,
                    Committed::Refused { why: Saved::OtherVersion, .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            wins
        })
    });
    let mut wins = 0;
    for trades in trades.collect::<Vec<_>>() {
        wins += trades.await.expect("no panic");
    }
    assert!(wins >= 30, "somebody wins each time: {wins}");
    assert_eq!(versions(&*stores[0], &PLAYERS).await, [wins, wins]);
    assert_eq!(log(&*stores[0], SHARD).await.len() as u64, wins);
    let checkpoint = |version| Checkpoint {
        player: PLAYERS[0],
        owner_epoch: OwnerEpoch(1),
        data: PlayerData { version: StateVersion(version), ..PlayerData::default() },
    };
    let saved = stores[1].save_batch(fence, vec![checkpoint(wins - 1), checkpoint(wins)]).await.expect("save");
    assert_eq!(saved, [Saved::OtherVersion, Saved::Done]);
}
