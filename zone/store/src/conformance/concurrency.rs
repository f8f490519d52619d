//! Many at once: of those who expect the same record, map, lease, nonce or request to be theirs, one wins.

use std::sync::Arc;

use darkages_topology::{PlayerId, Revision, ShardId, ZoneId};
use tokio::task::JoinSet;

use super::Factory;
use super::scene::{ANNE, S, Scene, T, TTL, committed, data, trade};
use crate::document::{TopologyDocument, TopologySwapped};
use crate::journal::Committed;
use crate::lease::Acquired;
use crate::owner::{Expect, OwnerRecord, Swap, Swapped};
use crate::port::Store;
use crate::session::NonceUse;

/// Rivals for each thing.
const RIVALS: u64 = 16;

pub(super) async fn all(factory: &dyn Factory) {
    one_swap_wins(factory).await;
    one_of_everything_else_wins(factory).await;
    closing_saves_what_was_answered(factory).await;
}

/// Runs `attempt` for each rival at once; how many of them won.
async fn winners<A, F>(store: &Arc<dyn Store>, attempt: A) -> usize
where
    A: Fn(u64, Arc<dyn Store>) -> F,
    F: Future<Output = bool> + Send + 'static,
{
    let mut rivals = JoinSet::new();
    for rival in 0..RIVALS {
        rivals.spawn(attempt(rival, Arc::clone(store)));
    }
    rivals.join_all().await.into_iter().filter(|won| *won).count()
}

async fn one_swap_wins(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let mut record = scene.create(s, ANNE).await;
    for _ in 0..8 {
        let rounds = record.clone();
        let won = winners(&scene.store, move |rival, store| {
            let (fence, to) = if rounds.owner == S { (s, T) } else { (t, S) };
            let mut next = committed(&rounds, fence, to);
            next.data.position.x = rival as i32;
            let swap = Swap { player: ANNE, expect: rounds.expect(), next };
            async move { store.swap(fence, vec![swap]).await.expect("swap") == [Swapped::Done] }
        });
        assert_eq!(won.await, 1, "one commit of the same record");
        let open = scene.record(ANNE).await;
        let taker = if open.owner == S { s } else { t };
        record = scene.step(taker, ANNE, &open, open.closed(open.data.clone())).await;
    }
}

async fn one_of_everything_else_wins(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let leased = winners(&scene.store, |rival, store| async move {
        let zone = ZoneId(format!("zone-{rival}"));
        matches!(store.acquire(ShardId(5), &zone, TTL).await.expect("acquire"), Acquired::Granted(_))
    });
    assert_eq!(leased.await, 1, "one lease");
    let mapped = winners(&scene.store, |rival, store| async move {
        let next = TopologyDocument { revision: Revision(1), bytes: vec![rival as u8] };
        store.compare_and_swap_topology(None, next).await.expect("swap") == TopologySwapped::Done
    });
    assert_eq!(mapped.await, 1, "one first map");
    let s = scene.acquire(S).await;
    let created = winners(&scene.store, move |rival, store| async move {
        let next = OwnerRecord::created(S, data(rival as u32));
        let swap = Swap { player: ANNE, expect: Expect::Absent, next };
        store.swap(s, vec![swap]).await.expect("swap") == [Swapped::Done]
    });
    assert_eq!(created.await, 1, "one birth");
    let traded = winners(&scene.store, move |_, store| async move {
        matches!(store.commit(s, trade(ANNE, 3, Vec::new())).await.expect("commit"), Committed::Done { .. })
    });
    assert_eq!(traded.await, 1, "one trade");
    scene
        .store
        .open_session(crate::Session { player: ANNE, id: 1, data: vec![], expires: TTL }, TTL)
        .await
        .expect("open");
    let now = scene.store.session(ANNE).await.expect("read").expect("open").expires.as_secs();
    let used = winners(&scene.store, move |_, store| async move {
        store.use_nonce(9, now + 60).await.expect("use") == NonceUse::First
    });
    assert_eq!(used.await, 1, "one use");
}

async fn closing_saves_what_was_answered(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let s = scene.acquire(S).await;
    let made = winners(&scene.store, move |rival, store| async move {
        let swap = Swap { player: PlayerId(rival), expect: Expect::Absent, next: OwnerRecord::created(S, data(1)) };
        store.swap(s, vec![swap]).await.expect("swap") == [Swapped::Done]
    });
    assert_eq!(made.await as u64, RIVALS);
    scene.store.close().await.expect("close");
    scene.store.close().await.expect("a second close does nothing");
    let error = scene.store.probe().await.expect_err("closed");
    assert_eq!(error.label(), "closed");
    let error = scene.store.owner(ANNE).await.expect_err("closed");
    assert_eq!(error.label(), "closed");
    let scene = scene.reopen().await;
    assert_eq!(scene.store.owned_by(S, None, 100).await.expect("list").len() as u64, RIVALS);
    scene.store.probe().await.expect("open");
}
