//! What the log tells of states, how far it is complete, and what makes room for another history.

use std::time::Duration;

use darkages_topology::{PlayerId, Revision, ShardEpoch};

use super::Factory;
use super::scene::{ANNE, BEN, PAST_TTL, S, Scene, T, checkpoint, committed, data, trade};
use crate::document::{TopologyDocument, TopologySwapped};
use crate::journal::{Checkpoint, Committed, Event, Kept, LogSeq};
use crate::limits::{MAX_STATE_BYTES, MAX_TRANSACTION_BYTES};
use crate::owner::{PlayerData, StateVersion};
use crate::session::{NonceUse, Session};

/// How long a store may take until what was written is settled.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn all(factory: &dyn Factory) {
    entries_have_the_states_after_them(factory).await;
    what_is_settled_is_in_the_log(factory).await;
    clearing_leaves_what_outlives_a_history(factory).await;
    clearing_an_empty_store_is_nothing_special(factory).await;
}

/// The states that the log of S has, with their versions, entry by entry.
async fn told(scene: &Scene<'_>) -> Vec<Vec<Checkpoint>> {
    let entries = scene.store.read_log(S, LogSeq(0), 100).await.expect("read");
    entries.into_iter().map(|entry| entry.states).collect()
}

async fn entries_have_the_states_after_them(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let (anne, ben) = (scene.create(s, ANNE).await, scene.create(s, BEN).await);
    let both = vec![checkpoint(ANNE, anne.owner_epoch, data(2)), checkpoint(BEN, ben.owner_epoch, data(3))];
    assert!(matches!(scene.commit(s, trade(ANNE, 1, both)).await, Committed::Done { .. }));
    let ben = scene.record(BEN).await;
    let open = scene.step(s, BEN, &ben, committed(&ben, s, T)).await;
    let after = PlayerData { version: open.data.version, ..data(4) };
    let given = vec![checkpoint(BEN, open.owner_epoch, after)];
    assert!(matches!(scene.commit(s, trade(BEN, 2, given)).await, Committed::Done { .. }), "the giver still acts");
    assert!(matches!(scene.commit(s, trade(BEN, 3, Vec::new())).await, Committed::Done { .. }));
    scene.store.append(s, vec![Event::default()]).await.expect("append");
    // As much as one transaction may change: the server's side must take it.
    let most = MAX_TRANSACTION_BYTES / MAX_STATE_BYTES;
    let crowd: Vec<_> = (0..most as u64).map(|number| PlayerId(1_000 + number)).collect();
    for player in &crowd {
        scene.create(s, *player).await;
    }
    let large = PlayerData { state: vec![7; MAX_STATE_BYTES], ..data(1) };
    let states: Vec<_> = crowd.iter().map(|player| checkpoint(*player, anne.owner_epoch, large.clone())).collect();
    assert!(matches!(scene.commit(s, trade(ANNE, 4, states)).await, Committed::Done { .. }));

    let scene = scene.reopen().await;
    let told = told(&scene).await;
    let state = |player, owner_epoch, data: PlayerData, version| {
        checkpoint(player, owner_epoch, PlayerData { version: StateVersion(version), ..data })
    };
    let epoch = anne.owner_epoch;
    assert_eq!(told[0], [state(ANNE, epoch, data(2), 1), state(BEN, epoch, data(3), 1)], "both, one version on");
    assert_eq!(told[1], [state(BEN, epoch.next(), data(4), 2)], "under the epoch of the record");
    assert_eq!((told[2].len(), told[3].len()), (0, 0), "a request that changes nobody, and an event");
    assert_eq!(told[4].len(), most);
    assert!(told[4].iter().all(|state| state.data.state == large.state && state.data.version == StateVersion(1)));
    assert_eq!(scene.record(ANNE).await.data, told[0][0].data, "the record is what the log says last");
}

async fn what_is_settled_is_in_the_log(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let anne = scene.create(s, ANNE).await;
    let before = scene.store.log_state().await.expect("look");
    assert!(before.settled <= before.now && before.now.as_secs() > 1_600_000_000, "{before:?}");
    let state = checkpoint(ANNE, anne.owner_epoch, data(2));
    assert!(matches!(scene.commit(s, trade(ANNE, 1, vec![state])).await, Committed::Done { .. }));
    let entry = scene.store.read_log(S, LogSeq(0), 1).await.expect("read").remove(0);
    assert!(entry.at > before.settled, "what is settled gets no further entry: {entry:?} after {before:?}");
    let mut now = scene.store.log_state().await.expect("look");
    assert!(entry.at <= now.now, "{entry:?} before {now:?}");
    if let Kept::Since(since) = now.kept {
        assert!(since < entry.at, "it is kept: {now:?}");
    }
    let mut waited = Duration::ZERO;
    while now.settled < entry.at {
        assert!(waited < SETTLES_WITHIN, "still not settled: {now:?}");
        scene.pass(LOOK).await;
        waited += LOOK;
        now = scene.store.log_state().await.expect("look");
    }
    assert_eq!(now.history, before.history, "one history");
    let scene = scene.reopen().await;
    assert_eq!(scene.store.log_state().await.expect("look").history, before.history, "also after it was closed");
}

async fn clearing_leaves_what_outlives_a_history(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let anne = scene.create(s, ANNE).await;
    let state = checkpoint(ANNE, anne.owner_epoch, data(2));
    let buy = trade(ANNE, 1, vec![state]);
    assert!(matches!(scene.commit(s, buy.clone()).await, Committed::Done { .. }));
    let map = TopologyDocument { revision: Revision(3), bytes: b"{}".to_vec() };
    let swapped = scene.store.compare_and_swap_topology(None, map.clone()).await.expect("swap");
    assert_eq!(swapped, TopologySwapped::Done);
    let session = Session { player: ANNE, id: 5, data: Vec::new(), expires: Duration::ZERO };
    scene.store.open_session(session, Duration::from_secs(60)).await.expect("open");
    let expires = scene.store.log_state().await.expect("look").now.as_secs() + 600;
    assert_eq!(scene.store.use_nonce(9, expires).await.expect("use"), NonceUse::First);
    let before = scene.store.log_state().await.expect("look");

    scene.store.clear().await.expect("clear");
    let scene = scene.reopen().await;
    let store = &scene.store;
    assert_ne!(store.log_state().await.expect("look").history, before.history, "another history");
    assert_eq!(store.owner(ANNE).await.expect("read"), None);
    assert_eq!(store.scan_owners(None, 10).await.expect("scan"), []);
    assert_eq!(store.owned_by(S, None, 10).await.expect("list"), []);
    assert_eq!(store.owning_shards(None, 10).await.expect("list"), []);
    assert_eq!(store.read_log(S, LogSeq(0), 10).await.expect("read"), []);
    assert_eq!(store.session(ANNE).await.expect("read"), None);
    assert_eq!(store.use_nonce(9, expires).await.expect("use"), NonceUse::Again, "a token stays used");
    assert_eq!(store.load_topology().await.expect("load"), Some(map));
    let lease = store.look(S).await.expect("look").expect("it was held");
    assert_eq!(lease.fence.epoch, ShardEpoch(1), "an incarnation that was is not forgotten");

    scene.pass(PAST_TTL).await;
    let s = scene.acquire(S).await;
    assert_eq!(s.epoch, ShardEpoch(2));
    scene.create(s, ANNE).await;
    let again = scene.commit(s, buy).await;
    assert!(matches!(again, Committed::Done { .. }), "the next history knows nothing of the request: {again:?}");
    assert_eq!(told(&scene).await.len(), 1);
}

async fn clearing_an_empty_store_is_nothing_special(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    for _ in 0..2 {
        scene.store.clear().await.expect("clear");
    }
    let s = scene.acquire(S).await;
    scene.create(s, ANNE).await;
    assert_eq!(scene.store.scan_owners(None, 10).await.expect("scan").len(), 1);
}
