//! Leases: one holder at a time, epochs that only rise, and an end that is final once somebody has relied on it.

use std::time::Duration;

use darkages_topology::{ShardEpoch, ShardId, ZoneId};

use super::Factory;
use super::scene::{ANNE, PAST_TTL, S, Scene, T, TTL, committed, zone};
use crate::error::StoreError;
use crate::lease::{Acquired, Fence, Renewed};
use crate::limits::MAX_LEASE;
use crate::owner::Swapped;

pub(super) async fn all(factory: &dyn Factory) {
    one_holder_at_a_time(factory).await;
    renewing_keeps_it(factory).await;
    what_has_run_out_is_renewed_until_somebody_relies_on_it(factory).await;
    releasing_lets_the_next_one_in(factory).await;
    epochs_survive_the_store(factory).await;
    leases_are_listed(factory).await;
    impossible_times_are_refused(factory).await;
}

async fn one_holder_at_a_time(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    assert_eq!(scene.store.look(S).await.expect("look"), None, "nobody ever held it");
    let fence = scene.acquire(S).await;
    assert_eq!(fence, Fence { shard: S, epoch: ShardEpoch(1) }, "the first epoch is 1");
    for name in ["another", &zone(S).0] {
        match scene.store.acquire(S, &ZoneId(name.to_owned()), TTL).await.expect("acquire") {
            Acquired::Held { by, epoch, left } => {
                assert_eq!((by, epoch), (zone(S), fence.epoch));
                assert!(!left.is_zero() && left <= TTL, "{left:?} is left of {TTL:?}");
            }
            Acquired::Granted(lease) => panic!("{name} got {} while it is held", lease.fence),
        }
    }
    let view = scene.store.look(S).await.expect("look").expect("held");
    assert!(view.is_live_as(fence) && view.zone == zone(S), "{view:?}");
    assert_eq!(scene.acquire(T).await.epoch, ShardEpoch(1), "shards do not share epochs");
}

async fn renewing_keeps_it(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let fence = scene.acquire(S).await;
    for _ in 0..2 {
        scene.pass(Duration::from_millis(1_000)).await;
        let renewed = scene.store.renew(fence, TTL).await.expect("renew");
        assert!(matches!(renewed, Renewed::Extended(lease) if lease.fence == fence && lease.ttl == TTL), "{renewed:?}");
    }
    assert!(scene.store.look(S).await.expect("look").expect("held").is_live_as(fence), "held beyond the first ttl");
}

async fn what_has_run_out_is_renewed_until_somebody_relies_on_it(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (old, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(old, ANNE).await;
    scene.pass(PAST_TTL).await;
    let view = scene.store.look(S).await.expect("look").expect("known");
    assert!(!view.is_live() && view.fence == old, "run out, and still named: {view:?}");
    let moved = made.claimed(S);
    assert_eq!(scene.swap(old, ANNE, &made, &moved).await, Swapped::Fenced, "nothing is written meanwhile");
    let renewed = scene.store.renew(old, TTL).await.expect("renew");
    assert!(matches!(renewed, Renewed::Extended(lease) if lease.fence == old), "nobody has relied on it: {renewed:?}");
    scene.store.renew(t, TTL).await.expect("renew");
    let open = scene.step(old, ANNE, &made, committed(&made, old, T)).await;

    // A player who is taken from an incarnation that has run out, and it is over.
    scene.pass(PAST_TTL).await;
    scene.store.renew(t, TTL).await.expect("renew");
    scene.step(t, ANNE, &open, open.claimed(T)).await;
    assert_eq!(scene.store.renew(old, TTL).await.expect("renew"), Renewed::Over, "its end was relied upon");
    let new = scene.acquire(S).await;
    assert_eq!(new.epoch, ShardEpoch(2), "the next incarnation");

    // So is one whose shard is acquired.
    scene.pass(PAST_TTL).await;
    let newest = scene.acquire(S).await;
    assert_eq!(scene.store.renew(new, TTL).await.expect("renew"), Renewed::Over);
    scene.store.release(new).await.expect("release");
    let view = scene.store.look(S).await.expect("look").expect("held");
    assert!(view.is_live_as(newest), "the old one cannot end the new: {view:?}");
    let never = Fence { shard: ShardId(77), epoch: ShardEpoch(1) };
    assert_eq!(scene.store.renew(never, TTL).await.expect("renew"), Renewed::Over, "nobody acquired that");
}

async fn releasing_lets_the_next_one_in(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    scene.store.release(old).await.expect("release");
    scene.store.release(old).await.expect("again");
    assert!(!scene.store.look(S).await.expect("look").expect("known").is_live());
    assert_eq!(scene.store.renew(old, TTL).await.expect("renew"), Renewed::Over);
    assert_eq!(scene.acquire(S).await.epoch, ShardEpoch(2));
}

async fn epochs_survive_the_store(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    let scene = scene.reopen().await;
    scene.pass(PAST_TTL).await;
    let view = scene.store.look(S).await.expect("look").expect("known");
    assert!(view.fence == old && view.zone == zone(S), "{view:?}");
    assert_eq!(scene.acquire(S).await.epoch, ShardEpoch(2), "an epoch is never given twice");
}

async fn leases_are_listed(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    for shard in [3, 1, 2] {
        scene.acquire(ShardId(shard)).await;
    }
    scene.store.release(Fence { shard: S, epoch: ShardEpoch(1) }).await.expect("release");
    let all = scene.store.leases(None, 10).await.expect("list");
    let seen: Vec<_> = all.iter().map(|view| (view.fence.shard.0, view.is_live())).collect();
    assert_eq!(seen, [(1, false), (2, true), (3, true)]);
    let page = scene.store.leases(Some(S), 1).await.expect("list");
    assert_eq!(page.iter().map(|view| view.fence.shard).collect::<Vec<_>>(), [T]);
}

async fn impossible_times_are_refused(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    for ttl in [Duration::ZERO, MAX_LEASE + Duration::from_secs(1)] {
        let error = scene.store.acquire(S, &zone(S), ttl).await.expect_err("out of range");
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    }
    assert_eq!(scene.store.look(S).await.expect("look"), None, "nothing was acquired");
}
