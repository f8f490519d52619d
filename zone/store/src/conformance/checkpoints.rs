//! Checkpoints: taken from whoever acts for the player, and from nobody else.

use darkages_topology::{OwnerEpoch, PlayerId};

use super::Factory;
use super::scene::{ANNE, BEN, PAST_TTL, S, Scene, T, checkpoint, committed, data, trade};
use crate::error::StoreError;
use crate::journal::{Committed, Saved};
use crate::limits::{MAX_BATCH, MAX_STATE_BYTES};
use crate::owner::{OwnerRecord, PlayerData, StateVersion};

pub(super) async fn all(factory: &dyn Factory) {
    the_owner_saves(factory).await;
    the_giver_saves_until_it_releases(factory).await;
    a_stale_epoch_saves_nothing(factory).await;
    an_older_version_does_not_undo_a_transaction(factory).await;
    a_batch_is_judged_one_by_one(factory).await;
    oversized_batches_are_refused(factory).await;
}

async fn the_owner_saves(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    assert_eq!(scene.save(s, checkpoint(ANNE, made.owner_epoch, data(2))).await, Saved::Done);
    let saved = scene.record(ANNE).await;
    assert_eq!(saved, OwnerRecord { data: data(2), ..made.clone() }, "only the data changed");
    assert_eq!(scene.save(t, checkpoint(ANNE, made.owner_epoch, data(3))).await, Saved::NotOwner);
    assert_eq!(scene.save(s, checkpoint(ANNE, made.owner_epoch.next(), data(3))).await, Saved::NotOwner);
    assert_eq!(scene.save(s, checkpoint(BEN, made.owner_epoch, data(3))).await, Saved::Absent);
    assert_eq!(scene.record(ANNE).await, saved);
    let scene = scene.reopen().await;
    assert_eq!(scene.record(ANNE).await, saved, "closing makes it durable");
}

async fn the_giver_saves_until_it_releases(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let made = scene.create(s, ANNE).await;
    let open = scene.step(s, ANNE, &made, committed(&made, s, T)).await;
    assert_eq!(scene.save(t, checkpoint(ANNE, open.owner_epoch, data(2))).await, Saved::NotOwner, "not released yet");
    assert_eq!(scene.save(s, checkpoint(ANNE, made.owner_epoch, data(2))).await, Saved::NotOwner, "the old epoch");
    assert_eq!(scene.save(s, checkpoint(ANNE, open.owner_epoch, data(2))).await, Saved::Done);
    let open = scene.record(ANNE).await;
    let released = scene.step(s, ANNE, &open, open.released(data(3)).expect("open")).await;
    assert_eq!(scene.save(s, checkpoint(ANNE, open.owner_epoch, data(4))).await, Saved::NotOwner, "it has stopped");
    let closed = scene.step(t, ANNE, &released, released.closed(data(5))).await;
    assert_eq!(scene.save(s, checkpoint(ANNE, open.owner_epoch, data(6))).await, Saved::NotOwner);
    assert_eq!(scene.save(t, checkpoint(ANNE, closed.owner_epoch, data(6))).await, Saved::Done);
}

async fn a_stale_epoch_saves_nothing(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let old = scene.acquire(S).await;
    let made = scene.create(old, ANNE).await;
    let open = scene.step(old, ANNE, &made, committed(&made, old, T)).await;
    let ben = scene.create(old, BEN).await;
    scene.pass(PAST_TTL).await;
    let late = vec![checkpoint(BEN, ben.owner_epoch, data(2))];
    let error = scene.store.save_batch(old, late.clone()).await.expect_err("over by time");
    assert!(matches!(error, StoreError::Fenced { fence } if fence == old), "{error}");
    let new = scene.acquire(S).await;
    let error = scene.store.save_batch(old, late).await.expect_err("over by successor");
    assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
    let other = scene.save(new, checkpoint(ANNE, open.owner_epoch, data(2))).await;
    assert_eq!(other, Saved::NotOwner, "only the incarnation that committed acts for her");
    assert_eq!(scene.record(BEN).await, ben);
}

async fn an_older_version_does_not_undo_a_transaction(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let paid = trade(ANNE, 1, vec![checkpoint(ANNE, made.owner_epoch, data(2))]);
    assert!(matches!(scene.commit(s, paid).await, Committed::Done { .. }));
    let before = checkpoint(ANNE, made.owner_epoch, data(3));
    assert_eq!(scene.save(s, before).await, Saved::OtherVersion, "taken before the trade, saved after it");
    let after = PlayerData { version: StateVersion(1), ..data(4) };
    assert_eq!(scene.save(s, checkpoint(ANNE, made.owner_epoch, after.clone())).await, Saved::Done);
    assert_eq!(scene.record(ANNE).await.data, after);
}

async fn a_batch_is_judged_one_by_one(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let (anne, ben) = (scene.create(s, ANNE).await, scene.create(t, BEN).await);
    let batch = vec![
        checkpoint(ANNE, anne.owner_epoch, data(2)),
        checkpoint(BEN, ben.owner_epoch, data(2)),
        checkpoint(PlayerId(99), OwnerEpoch(1), data(2)),
        checkpoint(ANNE, anne.owner_epoch, data(3)),
    ];
    let answers = scene.store.save_batch(s, batch).await.expect("save");
    assert_eq!(answers, [Saved::Done, Saved::NotOwner, Saved::Absent, Saved::Done]);
    assert_eq!(scene.record(ANNE).await.data, data(3), "the later one stands");
    assert_eq!(scene.record(BEN).await, ben);
}

async fn oversized_batches_are_refused(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = scene.create(s, ANNE).await;
    let many = vec![checkpoint(ANNE, made.owner_epoch, data(2)); MAX_BATCH + 1];
    let large = PlayerData { state: vec![0; MAX_STATE_BYTES + 1], ..data(2) };
    for batch in [many, vec![checkpoint(ANNE, made.owner_epoch, large)]] {
        let error = scene.store.save_batch(s, batch).await.expect_err("too large");
        assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
    }
    let largest = PlayerData { state: vec![7; MAX_STATE_BYTES], ..data(2) };
    assert_eq!(scene.save(s, checkpoint(ANNE, made.owner_epoch, largest.clone())).await, Saved::Done);
    assert_eq!(scene.record(ANNE).await.data, largest);
}
