//! Durable transactions: all or nothing, once, and still there afterwards; and the log that has them.

use darkages_topology::{PlayerId, Tick};

use super::Factory;
use super::scene::{ANNE, BEN, PAST_TTL, S, Scene, T, checkpoint, committed, data, trade};
use crate::error::StoreError;
use crate::journal::{Checkpoint, Committed, Event, LogSeq, RequestId, Saved, Transaction};
use crate::lease::Fence;
use crate::limits::{MAX_TRANSACTION_PLAYERS, REQUESTS_KEPT_PER_PLAYER};
use crate::owner::{OwnerRecord, PlayerData, StateVersion};

pub(super) async fn all(factory: &dyn Factory) {
    both_sides_change_or_none(factory).await;
    a_request_counts_once(factory).await;
    a_request_counts_once_across_shards(factory).await;
    requests_are_remembered_within_their_bound(factory).await;
    stale_writers_commit_nothing(factory).await;
    impossible_transactions_are_refused(factory).await;
    the_log_is_in_order(factory).await;
}

/// A trade of 10 gold between two fresh records, as marks of their data.
fn exchange(anne: &OwnerRecord, ben: &OwnerRecord, number: u64) -> Transaction {
    let state = |player, record: &OwnerRecord, mark| {
        checkpoint(player, record.owner_epoch, PlayerData { version: record.data.version, ..data(mark) })
    };
    trade(ANNE, number, vec![state(ANNE, anne, 20), state(BEN, ben, 30)])
}

async fn both_sides_change_or_none(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let (anne, ben) = (scene.create(s, ANNE).await, scene.create(s, BEN).await);
    let handed = scene.step(s, BEN, &ben, committed(&ben, s, T)).await;
    let handed = scene.step(t, BEN, &handed, handed.closed(data(1))).await;
    match scene.commit(s, exchange(&anne, &ben, 1)).await {
        Committed::Refused { player: BEN, why: Saved::NotOwner, current } => assert_eq!(current, Some(handed.clone())),
        other => panic!("Ben stands elsewhere by now: {other:?}"),
    }
    assert_eq!(scene.record(ANNE).await, anne, "Anne did not pay");
    let back = scene.step(t, BEN, &handed, committed(&handed, t, S)).await;
    let back = scene.step(s, BEN, &back, back.closed(data(1))).await;
    assert!(
        matches!(scene.commit(s, exchange(&anne, &back, 1)).await, Committed::Done { .. }),
        "a refusal is no answer"
    );
    let scene = scene.reopen().await;
    for (player, mark) in [(ANNE, 20), (BEN, 30)] {
        let expected = PlayerData { version: StateVersion(1), ..data(mark) };
        assert_eq!(scene.record(player).await.data, expected, "durable, and one version on");
    }
    let log = scene.store.read_log(S, LogSeq(0), 10).await.expect("read");
    assert_eq!(log.len(), 1, "one entry for one transaction: {log:?}");
    assert_eq!(log[0].request, Some(RequestId { player: ANNE, number: 1 }));
    assert_eq!((log[0].epoch, &log[0].event), (s.epoch, &exchange(&anne, &ben, 1).event));
}

async fn a_request_counts_once(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let (anne, ben) = (scene.create(s, ANNE).await, scene.create(s, BEN).await);
    let first = exchange(&anne, &ben, 5);
    let Committed::Done { seq: first_seq } = scene.commit(s, first.clone()).await else { panic!("committed") };
    let after = (scene.record(ANNE).await, scene.record(BEN).await);
    let other = Transaction { answer: b"another answer".to_vec(), ..exchange(&after.0, &after.1, 5) };
    for again in [first.clone(), other] {
        match scene.commit(s, again).await {
            Committed::Repeated { shard, seq, answer } => {
                assert_eq!((shard, seq, answer), (S, first_seq, first.answer.clone()), "the first answer");
            }
            other => panic!("the request was carried out before: {other:?}"),
        }
    }
    assert_eq!((scene.record(ANNE).await, scene.record(BEN).await), after, "nothing changed again");
    let scene = scene.reopen().await;
    scene.pass(PAST_TTL).await;
    let s = scene.acquire(S).await;
    let again = scene.commit(s, first).await;
    assert!(matches!(again, Committed::Repeated { .. }), "remembered after a restart: {again:?}");
}

async fn a_request_counts_once_across_shards(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    let buy = |record: &OwnerRecord| {
        let after = PlayerData { version: record.data.version, ..data(9) };
        trade(ANNE, 8, vec![checkpoint(ANNE, record.owner_epoch, after)])
    };
    assert!(matches!(scene.commit(s, buy(&made)).await, Committed::Done { .. }));
    let bought = scene.record(ANNE).await;
    let open = scene.step(s, ANNE, &bought, committed(&bought, s, T)).await;
    let closed = scene.step(t, ANNE, &open, open.closed(open.data.clone())).await;
    let again = scene.commit(t, buy(&closed)).await;
    assert!(matches!(again, Committed::Repeated { shard: S, .. }), "asked again after a handoff: {again:?}");
    assert_eq!(scene.record(ANNE).await, closed);
}

async fn requests_are_remembered_within_their_bound(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    scene.create(s, ANNE).await;
    // Numbers in no order: the client may start anywhere and wrap.
    let number = |turn: usize| (turn as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let turns = REQUESTS_KEPT_PER_PLAYER + 5;
    for turn in 0..turns {
        let done = scene.commit(s, trade(ANNE, number(turn), Vec::new())).await;
        assert!(matches!(done, Committed::Done { .. }), "request {turn}: {done:?}");
    }
    for turn in turns - REQUESTS_KEPT_PER_PLAYER..turns {
        let again = scene.commit(s, trade(ANNE, number(turn), Vec::new())).await;
        assert!(matches!(again, Committed::Repeated { .. }), "request {turn} of {turns}: {again:?}");
    }
    let ben = scene.commit(s, trade(BEN, number(turns - 1), Vec::new())).await;
    assert!(matches!(ben, Committed::Done { .. }), "Ben's numbers are his own: {ben:?}");
}

async fn stale_writers_commit_nothing(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    let (anne, ben) = (scene.create(old, ANNE).await, scene.create(old, BEN).await);
    let mut stale = exchange(&anne, &ben, 1);
    stale.states[1].data.version = StateVersion(4);
    let refused = scene.commit(old, stale).await;
    let expected = Committed::Refused { player: BEN, why: Saved::OtherVersion, current: Some(ben.clone()) };
    assert_eq!(refused, expected);
    scene.pass(PAST_TTL).await;
    fenced(&scene, old, exchange(&anne, &ben, 1)).await;
    let new = scene.acquire(S).await;
    fenced(&scene, old, exchange(&anne, &ben, 1)).await;
    assert_eq!((scene.record(ANNE).await, scene.record(BEN).await), (anne, ben));
    assert_eq!(scene.store.read_log(S, LogSeq(0), 10).await.expect("read"), []);
    let (anne, ben) = (scene.record(ANNE).await, scene.record(BEN).await);
    assert!(matches!(scene.commit(new, exchange(&anne, &ben, 1)).await, Committed::Done { .. }));
}

async fn fenced(scene: &Scene<'_>, old: Fence, transaction: Transaction) {
    let error = scene.store.commit(old, transaction).await.expect_err("over");
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    let error = scene.store.append(old, vec![Event::default()]).await.expect_err("over");
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
}

async fn impossible_transactions_are_refused(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let of = |player| checkpoint(player, made.owner_epoch, data(2));
    let many: Vec<Checkpoint> = (0..=MAX_TRANSACTION_PLAYERS as u64).map(|player| of(PlayerId(player))).collect();
    for states in [vec![of(ANNE), of(ANNE)], many] {
        let error = scene.store.commit(s, trade(ANNE, 1, states)).await.expect_err("out of bounds");
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    }
    let error = scene.store.append(s, Vec::new()).await.expect_err("nothing to append");
    assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    assert_eq!(scene.record(ANNE).await, made);
}

async fn the_log_is_in_order(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let event = |kind| Event { kind, tick: Tick(u64::from(kind)), payload: vec![kind as u8; kind.into()] };
    let first = scene.store.append(s, vec![event(1), event(2)]).await.expect("append");
    assert!(matches!(scene.commit(s, trade(ANNE, 1, Vec::new())).await, Committed::Done { .. }));
    let last = scene.store.append(s, vec![event(4)]).await.expect("append");
    assert!(first < last);
    scene.store.append(t, vec![event(5)]).await.expect("append");
    let scene = scene.reopen().await;
    let all = scene.store.read_log(S, LogSeq(0), 100).await.expect("read");
    assert_eq!(all.iter().map(|entry| entry.event.kind).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(all.windows(2).all(|pair| pair[0].seq < pair[1].seq), "places rise");
    assert_eq!((all[1].seq, all[3].seq), (first, last));
    assert!(all.iter().all(|entry| entry.epoch == s.epoch && entry.at.as_secs() > 1_600_000_000));
    let page = scene.store.read_log(S, all[1].seq, 2).await.expect("read");
    assert_eq!(page, all[1..3], "from a place, within a limit");
    assert_eq!(scene.store.read_log(S, last.next(), 10).await.expect("read"), []);
    assert_eq!(scene.store.read_log(T, LogSeq(0), 10).await.expect("read").len(), 1, "shards do not share a log");
}
