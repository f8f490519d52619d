//! Owner records through a handoff: every step of the model is taken, everything else is refused.

use std::time::Duration;

use darkages_topology::{OwnerEpoch, ShardId};

use super::Factory;
use super::scene::{ANNE, BEN, PAST_TTL, S, Scene, T, TTL, committed, data};
use crate::lease::Renewed;
use crate::owner::{Expect, OwnerRecord, Phase, PlayerData, StateVersion, Swap, Swapped};

pub(super) async fn all(factory: &dyn Factory) {
    commit_release_close(factory).await;
    the_giver_takes_back(factory).await;
    the_taker_waits_for_the_lease_of_the_giver(factory).await;
    a_release_is_taken_from_an_incarnation_that_is_over(factory).await;
    the_next_incarnation_claims(factory).await;
    players_of_a_lost_shard_are_adopted(factory).await;
    stale_epochs_are_fenced(factory).await;
    what_is_no_step_is_refused(factory).await;
    a_record_is_created_with_any_epoch_and_version(factory).await;
    a_batch_is_judged_one_by_one(factory).await;
    records_survive_the_store(factory).await;
}

async fn commit_release_close(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    assert_eq!((open.owner, open.owner_epoch, open.phase()), (T, OwnerEpoch(2), Phase::Open));
    let released = scene.step(s, ANNE, &open, open.released(data(5)).expect("open")).await;
    let closed = scene.step(t, ANNE, &released, released.closed(data(6))).await;
    assert_eq!((closed.owner, closed.owner_epoch, closed.phase()), (T, OwnerEpoch(2), Phase::Closed));
    // The other way to end it: the release came as a message, so the record is still open.
    let open = scene.step(t, ANNE, &closed, committed(&closed, t, S)).await;
    let closed = scene.step(s, ANNE, &open, open.closed(data(7))).await;
    assert_eq!((closed.owner, closed.owner_epoch), (S, OwnerEpoch(3)));
}

async fn the_giver_takes_back(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    let back = scene.step(s, ANNE, &open, open.claimed(S)).await;
    assert_eq!((back.owner, back.owner_epoch, back.phase()), (S, OwnerEpoch(3), Phase::Closed));
    let late = scene.swap(t, ANNE, &open, &open.closed(data(9))).await;
    assert_eq!(late, Swapped::Conflict(Some(back)), "the taker hears that it lost");
}

async fn the_taker_waits_for_the_lease_of_the_giver(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let t = scene.acquire(T).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    match scene.swap(t, ANNE, &open, &open.claimed(T)).await {
        Swapped::Held { shard, left } => assert!(shard == S && left <= TTL, "{shard} {left:?}"),
        other => panic!("the giver may still act, so taking over must wait: {other:?}"),
    }
    scene.pass(Duration::from_millis(1_000)).await;
    assert!(matches!(scene.store.renew(t, TTL).await.expect("renew"), Renewed::Extended(_)));
    scene.pass(Duration::from_millis(700)).await;
    // A new incarnation of the giver's shard does not protect what the old one committed.
    let newer = scene.acquire(S).await;
    let foreign = scene.swap(newer, ANNE, &open, &open.claimed(S)).await;
    assert!(matches!(foreign, Swapped::Held { shard: T, .. }), "the new giver did not commit it: {foreign:?}");
    let taken = scene.step(t, ANNE, &open, open.claimed(T)).await;
    assert_eq!((taken.owner, taken.owner_epoch, taken.phase()), (T, OwnerEpoch(3), Phase::Closed));
}

async fn a_release_is_taken_from_an_incarnation_that_is_over(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    scene.pass(PAST_TTL).await;
    let newer = scene.acquire(S).await;
    let by_newer = scene.swap(newer, ANNE, &open, &open.released(data(8)).expect("open")).await;
    assert!(matches!(by_newer, Swapped::Illegal(_)), "only the incarnation that committed may: {by_newer:?}");
    let released = scene.step(s, ANNE, &open, open.released(data(9)).expect("open")).await;
    let twice = scene.swap(s, ANNE, &open, &open.released(data(10)).expect("open")).await;
    assert_eq!(twice, Swapped::Conflict(Some(released.clone())), "a release that is repeated hears that it is there");
    let t = scene.acquire(T).await;
    let closed = scene.step(t, ANNE, &released, released.closed(released.data.clone())).await;
    assert_eq!(closed.data, data(9), "the taker has the final state");
}

async fn the_next_incarnation_claims(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    let made = scene.create(old, ANNE).await;
    scene.pass(PAST_TTL).await;
    let new = scene.acquire(S).await;
    assert_eq!(scene.swap(old, ANNE, &made, &made.claimed(S)).await, Swapped::Fenced);
    let claimed = scene.step(new, ANNE, &made, made.claimed(S)).await;
    assert_eq!((claimed.owner, claimed.owner_epoch), (S, OwnerEpoch(2)));
    assert_eq!(claimed.data, made.data);
}

async fn players_of_a_lost_shard_are_adopted(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let lost = scene.acquire(S).await;
    let made = scene.create(lost, ANNE).await;
    let handed = scene.create(lost, BEN).await;
    let handed = scene.step(lost, BEN, &handed, committed(&handed, lost, ShardId(9))).await;
    let t = scene.acquire(T).await;
    let early = scene.swap(t, ANNE, &made, &made.claimed(T)).await;
    assert!(matches!(early, Swapped::Held { shard: S, .. }), "its owner may still act: {early:?}");
    let early = scene.swap(t, BEN, &handed, &handed.claimed(T)).await;
    assert!(matches!(early, Swapped::Held { shard: S, .. }), "its giver may still act: {early:?}");
    scene.store.release(lost).await.expect("release");
    assert_eq!(scene.step(t, ANNE, &made, made.claimed(T)).await.owner, T);
    assert_eq!(scene.step(t, BEN, &handed, handed.claimed(T)).await.owner, T);
}

async fn stale_epochs_are_fenced(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    let made = scene.create(old, ANNE).await;
    scene.pass(PAST_TTL).await;
    let over = scene.swap(old, ANNE, &made, &committed(&made, old, T)).await;
    assert_eq!(over, Swapped::Fenced, "over by time, though nobody took its place");
    let new = scene.acquire(S).await;
    assert_eq!(scene.swap(old, ANNE, &made, &committed(&made, old, T)).await, Swapped::Fenced, "over by successor");
    let born = OwnerRecord::created(S, data(2));
    assert_eq!(scene.swap_from(old, BEN, Expect::Absent, born).await, Swapped::Fenced);
    assert_eq!(scene.record(ANNE).await, made, "nothing was written");
    assert_eq!(scene.store.owner(BEN).await.expect("read"), None);
    scene.step(new, ANNE, &made, committed(&made, new, T)).await;
}

async fn what_is_no_step_is_refused(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    let jumped = OwnerRecord { owner_epoch: OwnerEpoch(5), ..made.clone() };
    let given_away = OwnerRecord { owner: T, owner_epoch: OwnerEpoch(2), ..made.clone() };
    let same = OwnerRecord { data: data(9), ..made.clone() };
    for wrong in [jumped, given_away, same, committed(&made, t, T)] {
        let answer = scene.swap(s, ANNE, &made, &wrong).await;
        assert!(matches!(answer, Swapped::Illegal(_)), "{wrong:?} got {answer:?}");
    }
    let elsewhere = OwnerRecord::created(T, data(1));
    let answer = scene.swap_from(s, BEN, Expect::Absent, elsewhere).await;
    assert!(matches!(answer, Swapped::Illegal(_)), "a player for another shard: {answer:?}");
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    let onwards = scene.swap(t, ANNE, &open, &committed(&open, t, ShardId(3))).await;
    assert!(matches!(onwards, Swapped::Illegal(_)), "handed on before it was closed: {onwards:?}");
    let mut other = open.released(data(2)).expect("open");
    other.open = other.open.map(|open| crate::owner::OpenHandoff { cut_tick: open.cut_tick.plus(1), ..open });
    let moved = scene.swap(s, ANNE, &open, &other).await;
    assert!(matches!(moved, Swapped::Illegal(_)), "the cut cannot move: {moved:?}");
    assert_eq!(scene.record(ANNE).await, open);
}

/// A restore depends on it: players come back with the epochs and versions that they had.
async fn a_record_is_created_with_any_epoch_and_version(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let data = PlayerData { version: StateVersion(1 << 40), ..data(4) };
    let restored = OwnerRecord { owner_epoch: OwnerEpoch(1 << 33), ..OwnerRecord::created(S, data) };
    assert_eq!(scene.swap_from(s, ANNE, Expect::Absent, restored.clone()).await, Swapped::Done);
    assert_eq!(scene.record(ANNE).await, restored);
    let again = scene.swap_from(s, ANNE, Expect::Absent, restored.clone()).await;
    assert_eq!(again, Swapped::Conflict(Some(restored.clone())), "who creates it again hears what is there");
    let claimed = scene.step(s, ANNE, &restored, restored.claimed(S)).await;
    assert_eq!(claimed.owner_epoch, OwnerEpoch((1 << 33) + 1), "it goes on from there");
}

async fn a_batch_is_judged_one_by_one(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let (anne, ben) = (scene.create(s, ANNE).await, scene.create(s, BEN).await);
    let to = |record: &OwnerRecord| committed(record, s, T);
    let swaps = vec![
        Swap { player: ANNE, expect: anne.expect(), next: to(&anne) },
        Swap { player: BEN, expect: Expect::Absent, next: OwnerRecord::created(S, data(3)) },
        Swap { player: ANNE, expect: to(&anne).expect(), next: to(&anne).claimed(S) },
    ];
    let answers = scene.store.swap(s, swaps).await.expect("swap");
    assert_eq!(answers, [Swapped::Done, Swapped::Conflict(Some(ben.clone())), Swapped::Done]);
    assert_eq!(scene.record(ANNE).await.owner_epoch, OwnerEpoch(3));
    assert_eq!(scene.store.swap(s, Vec::new()).await.expect("nothing"), []);
    let found = scene.store.owners(&[BEN, darkages_topology::PlayerId(99), ANNE]).await.expect("read");
    assert_eq!(found, [Some(ben), None, Some(scene.record(ANNE).await)]);
}

async fn records_survive_the_store(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    let scene = scene.reopen().await;
    assert_eq!(scene.record(ANNE).await, open);
}
