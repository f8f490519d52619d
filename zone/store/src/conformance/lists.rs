//! Lists of records: who belongs to a shard, which shards have anybody, and everybody.

use darkages_topology::{PlayerId, ShardId};

use super::Factory;
use super::scene::{S, Scene, T, committed};

pub(super) async fn all(factory: &dyn Factory) {
    let scene = Scene::new(factory).await;
    let (s, t) = (scene.acquire(S).await, scene.acquire(T).await);
    let store = &scene.store;
    assert_eq!(store.scan_owners(None, 10).await.expect("scan"), []);
    assert_eq!(store.owning_shards(None, 10).await.expect("list"), []);
    for player in [5, 1, 4, 2, 3] {
        scene.create(s, PlayerId(player)).await;
    }
    assert_eq!(ids(&store.owned_by(S, None, 10).await.expect("list")), [1, 2, 3, 4, 5]);
    for player in [PlayerId(2), PlayerId(4)] {
        let record = scene.record(player).await;
        let open = scene.step(s, player, &record, committed(&record, s, T)).await;
        if player == PlayerId(4) {
            scene.step(t, player, &open, open.closed(open.data.clone())).await;
        }
    }
    assert_eq!(ids(&store.owned_by(S, None, 10).await.expect("list")), [1, 3, 5]);
    assert_eq!(ids(&store.owned_by(T, None, 10).await.expect("list")), [2, 4], "open or closed, they are the taker's");
    assert_eq!(store.owned_by(ShardId(9), None, 10).await.expect("list"), []);
    let page = store.owned_by(S, Some(PlayerId(1)), 1).await.expect("list");
    assert_eq!(page, [(PlayerId(3), scene.record(PlayerId(3)).await)], "with the records");

    assert_eq!(store.owning_shards(None, 10).await.expect("list"), [S, T]);
    assert_eq!(store.owning_shards(None, 1).await.expect("list"), [S]);
    assert_eq!(store.owning_shards(Some(S), 10).await.expect("list"), [T]);
    for player in [1, 3, 5].map(PlayerId) {
        let record = scene.record(player).await;
        scene.step(s, player, &record, committed(&record, s, T)).await;
    }
    assert_eq!(store.owning_shards(None, 10).await.expect("list"), [T], "nobody is left");

    let mut seen = Vec::new();
    loop {
        let page = store.scan_owners(seen.last().map(|last| PlayerId(*last)), 2).await.expect("scan");
        assert!(page.len() <= 2, "within the limit");
        if page.is_empty() {
            break;
        }
        seen.extend(ids(&page));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5], "everybody once");
}

fn ids(page: &[(PlayerId, crate::owner::OwnerRecord)]) -> Vec<u64> {
    page.iter().map(|(player, _)| player.0).collect()
}
