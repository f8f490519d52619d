//! A world that was restored is the one that was backed up.

use darkages_store::{Expect, OwnerRecord, Store as _, codec};
use darkages_topology::{OwnerEpoch, PlayerId, ShardEpoch};
use indicatif::ProgressBar;

use super::scene::{GZIP, PLAIN, S, T, Vault, World, ZSTD, data, differences, fill, records, restore};
use crate::backup::format::Kind;
use crate::backup::moment::Plan;
use crate::backup::restore::{RestoreError, settled};
use crate::backup::verify;

#[tokio::test]
async fn thousands_of_players_come_back_as_they_were() {
    let (world, vault) = (World::lived_in(5_000).await, Vault::new());
    for (number, compression) in [PLAIN, GZIP, ZSTD].into_iter().enumerate() {
        let made = vault.create(&world, number as u32, compression, None).await.expect("a backup");
        assert_eq!((made.players, made.records(Kind::Owners)), (5_000, Some(5_000)));
        let catalogue = vault.catalogue().await;
        let chain = catalogue.chain(made.id).expect("it stands alone");
        assert!(verify::files(&vault.target, chain[0], &ProgressBar::hidden()).await.is_empty());
        verify::chain(&vault.target, &chain).await.expect("records and index agree");
        let restored = restore(&vault.target, &chain).await.expect("restored");
        let expected: Vec<_> =
            records(&world).await.into_iter().map(|(player, record)| (player, settled(record))).collect();
        assert_eq!(records(&restored).await, expected, "{compression:?}");
        assert_eq!(differences(&restored, &vault.target, &chain).await.count, 0);
        assert_eq!(differences(&world, &vault.target, &chain).await.count, 0, "the source is what was backed up");
        let map = restored.store.load_topology().await.expect("read");
        assert_eq!(map, world.store.load_topology().await.expect("read"));
    }
}

#[tokio::test]
async fn incarnations_come_back_so_that_no_item_id_is_made_twice() {
    let (world, vault) = (World::lived_in(10).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let restored = restore(&vault.target, &catalogue.chain(made.id).expect("whole")).await.expect("restored");
    for (shard, epoch) in [(S, 1), (T, 3)] {
        let view = restored.store.look(shard).await.expect("look").expect("it was held");
        assert_eq!((view.fence.epoch, view.is_live()), (ShardEpoch(epoch), false), "{shard}");
    }
}

#[tokio::test]
async fn a_handoff_that_was_open_is_over_in_the_restored_world() {
    let (world, vault) = (World::lived_in(10).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let restored = restore(&vault.target, &catalogue.chain(made.id).expect("whole")).await.expect("restored");
    for player in [PlayerId(2), PlayerId(3)] {
        let before = world.store.owner(player).await.expect("read").expect("there");
        let after = restored.store.owner(player).await.expect("read").expect("there");
        assert!(before.open.is_some() && after.open.is_none(), "{player}");
        assert_eq!((after.owner, after.owner_epoch), (T, before.owner_epoch.next()), "as if T had taken over");
        assert_eq!(after.data, before.data);
    }
}

#[tokio::test]
async fn nothing_that_is_there_is_overwritten() {
    let (world, vault) = (World::lived_in(20).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let chain = catalogue.chain(made.id).expect("whole");
    let plan = Plan::of(chain);
    let other = World::new();
    let s = other.acquire(S).await;
    let mine = OwnerRecord::created(S, data(4, 99));
    other.swap(s, PlayerId(4), Expect::Absent, mine.clone()).await;
    let error = fill(&*other.store, &vault.target, &plan).await.expect_err("a zone holds the shard");
    assert!(matches!(error, RestoreError::Held { shard: S, .. }), "{error}");
    other.store.release(s).await.expect("release");
    let error = fill(&*other.store, &vault.target, &plan).await.expect_err("somebody is there");
    assert!(matches!(error, RestoreError::Occupied { player: PlayerId(4) }), "{error}");
    assert_eq!(other.store.owner(PlayerId(4)).await.expect("read"), Some(mine));
    let mapped = World::lived_in(1).await;
    let map = darkages_store::TopologyDocument { revision: darkages_topology::Revision(8), bytes: b"{}".to_vec() };
    mapped.store.compare_and_swap_topology(Some(darkages_topology::Revision(7)), map).await.expect("another map");
    for shard in [S, T] {
        let held = mapped.store.look(shard).await.expect("look").expect("held").fence;
        mapped.store.release(held).await.expect("release");
    }
    let error = fill(&*mapped.store, &vault.target, &plan).await.expect_err("another world");
    assert!(matches!(error, RestoreError::Inhabited), "{error}");
}

#[tokio::test]
async fn a_restore_can_be_run_again() {
    let (world, vault) = (World::lived_in(2_500).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let chain = catalogue.chain(made.id).expect("whole");
    let restored = restore(&vault.target, &chain).await.expect("restored");
    let plan = Plan::of(chain.clone());
    fill(&*restored.store, &vault.target, &plan).await.expect("everything is there already");
    assert_eq!(differences(&restored, &vault.target, &chain).await.count, 0);
}

#[tokio::test]
async fn a_world_that_differs_is_told() {
    let (world, vault) = (World::lived_in(30).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let chain = catalogue.chain(made.id).expect("whole");
    let s = world.store.look(S).await.expect("look").expect("held").fence;
    world.save(PlayerId(6), s, OwnerEpoch(1), data(6, 77)).await;
    world.swap(s, PlayerId(31), Expect::Absent, OwnerRecord::created(S, data(31, 1))).await;
    let found = differences(&world, &vault.target, &chain).await;
    assert_eq!((found.count, found.told.len()), (2, 2), "{found:?}");
    assert!(found.told[0].contains("another record") && found.told[1].contains("not in the backup"), "{found:?}");
    let empty = differences(&World::new(), &vault.target, &chain).await;
    assert_eq!(empty.count, 30 + 1 + 2, "players, map, two incarnations: {empty:?}");
}

#[tokio::test]
async fn a_world_without_anybody_is_backed_up_too() {
    let (world, vault) = (World::new(), Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    assert_eq!((made.players, made.files.len()), (0, 0));
    let catalogue = vault.catalogue().await;
    let chain = catalogue.chain(made.id).expect("whole");
    assert_eq!(records(&restore(&vault.target, &chain).await.expect("restored")).await, []);
}

#[test]
fn settling_changes_open_records_only() {
    let closed = OwnerRecord::created(S, data(1, 1));
    assert_eq!(settled(closed.clone()), closed);
    assert_eq!(codec::encode_owner(&settled(closed.clone())), codec::encode_owner(&closed));
}
