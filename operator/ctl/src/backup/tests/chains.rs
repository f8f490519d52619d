//! Incremental backups have what changed, and rotation never takes away what a kept one needs.

use std::collections::BTreeSet;

use darkages_store::{Expect, OwnerRecord, Store as _};
use darkages_topology::{OwnerEpoch, PlayerId};
use proptest::prelude::*;

use super::scene::{GZIP, S, Vault, World, ZSTD, data, differences, now_s, records, restore};
use crate::backup::catalogue::{Catalogue, ChainError};
use crate::backup::create::CreateError;
use crate::backup::digest::Digest;
use crate::backup::format::Kind;
use crate::backup::id::BackupId;
use crate::backup::limits::MAX_CHAIN;
use crate::backup::manifest::{Completeness, Covers, FORMAT, History, Manifest, Parent};
use crate::backup::restore::settled;
use crate::backup::{rotation, verify};

#[tokio::test]
async fn an_incremental_backup_has_those_who_changed() {
    let (world, vault) = (World::lived_in(3_000).await, Vault::new());
    vault.create(&world, 1, GZIP, None).await.expect("a full one");
    let s = world.store.look(S).await.expect("look").expect("held").fence;
    // A checkpoint that changes the state alone: no input, no epoch, no version.
    let before = world.store.owner(PlayerId(1_000)).await.expect("read").expect("there");
    let hit = darkages_store::PlayerData { state: vec![1], ..before.data };
    world.save(PlayerId(1_000), s, OwnerEpoch(1), hit).await;
    world.trade(PlayerId(2_000), s, OwnerEpoch(1)).await;
    world.swap(s, PlayerId(3_001), Expect::Absent, OwnerRecord::created(S, data(3_001, 1))).await;
    let catalogue = vault.catalogue().await;
    let parent = catalogue.whole().next_back();
    let second = vault.create(&world, 2, ZSTD, parent).await.expect("an incremental one");
    assert_eq!((second.players, second.records(Kind::Owners)), (3_001, Some(3)));
    assert_eq!(second.records(Kind::Journal), Some(1), "the trade, and no entry that the parent has");
    let catalogue = vault.catalogue().await;
    let third = vault.create(&world, 3, GZIP, catalogue.whole().next_back()).await.expect("nothing changed");
    assert_eq!(third.records(Kind::Owners), Some(0));
    let catalogue = vault.catalogue().await;
    let chain = catalogue.chain(third.id).expect("three of them");
    assert_eq!(chain.len(), 3);
    verify::chain(&vault.target, &chain).await.expect("one world");
    let restored = restore(&vault.target, &chain).await.expect("restored");
    let expected: Vec<_> =
        records(&world).await.into_iter().map(|(player, record)| (player, settled(record))).collect();
    assert_eq!(records(&restored).await, expected);
    let older = restore(&vault.target, &catalogue.chain(chain[2].manifest.id).expect("full")).await.expect("restored");
    assert_eq!(records(&older).await.len(), 3_000, "the full one alone is the world before");
    assert!(differences(&world, &vault.target, &catalogue.chain(chain[2].manifest.id).expect("full")).await.count >= 3);
}

#[tokio::test]
async fn a_restored_world_goes_on_with_the_chain_and_a_log_of_its_own() {
    let (world, vault) = (World::lived_in(50).await, Vault::new());
    let first = vault.create(&world, 1, GZIP, None).await.expect("a full one");
    assert_eq!(first.records(Kind::Journal), Some(8), "eight have traded");
    let catalogue = vault.catalogue().await;
    let restored = restore(&vault.target, &catalogue.chain(first.id).expect("whole")).await.expect("restored");
    let s = restored.acquire(S).await;
    for turn in 1..=9 {
        restored.trade(PlayerId(41), s, OwnerEpoch(1)).await;
        if turn == 1 {
            restored.clock.advance(std::time::Duration::from_secs(1));
            let catalogue = vault.catalogue().await;
            let shorter = vault.create(&restored, 2, GZIP, catalogue.whole().next()).await.expect("incremental");
            assert_eq!(shorter.records(Kind::Journal), Some(1), "its log is shorter than the one that was saved");
        }
    }
    restored.clock.advance(std::time::Duration::from_secs(1));
    let catalogue = vault.catalogue().await;
    let first = catalogue.get(first.id).expect("it is there");
    let longer = vault.create(&restored, 3, GZIP, Some(first)).await.expect("incremental");
    assert_eq!(longer.records(Kind::Journal), Some(9), "its log is longer, and yet another");
    assert_eq!(longer.records(Kind::Owners), Some(1 + 16), "who traded, and whose handoffs are over");
}

#[tokio::test]
async fn a_world_that_has_lost_players_is_not_the_parents() {
    let vault = Vault::new();
    vault.create(&World::lived_in(50).await, 1, GZIP, None).await.expect("a full one");
    let catalogue = vault.catalogue().await;
    let error = vault.create(&World::lived_in(49).await, 2, GZIP, catalogue.whole().next_back()).await;
    let error = error.expect_err("player 50 is gone");
    assert!(matches!(error, CreateError::Vanished { player: PlayerId(50), .. }), "{error}");
    assert_eq!(vault.catalogue().await.whole().count(), 1, "no manifest was written");
}

#[tokio::test]
async fn a_parent_that_is_gone_or_another_is_named() {
    let (world, vault) = (World::lived_in(20).await, Vault::new());
    let first = vault.create(&world, 1, GZIP, None).await.expect("a full one");
    let catalogue = vault.catalogue().await;
    let second = vault.create(&world, 2, GZIP, catalogue.whole().next_back()).await.expect("an incremental one");
    let other = Manifest { world: "another".to_owned(), ..first.clone() };
    vault.target.write(first.id, "manifest.json", other.seal().0).await.expect("written");
    let error = vault.catalogue().await.chain(second.id).expect_err("another manifest");
    assert!(matches!(error, ChainError::OtherParent { parent, .. } if parent == first.id), "{error}");
    vault.target.remove(first.id).await.expect("removed");
    let error = vault.catalogue().await.chain(second.id).expect_err("no manifest");
    assert!(matches!(error, ChainError::Absent { id } if id == first.id), "{error}");
}

#[tokio::test]
async fn what_was_interrupted_long_ago_is_removed_and_nothing_else() {
    let (world, vault) = (World::lived_in(5).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("whole");
    let now = now_s(&world);
    let at = |second| BackupId::new(jiff::Timestamp::from_second(second).expect("a time"), 9);
    for begun in [now - 90_000, now - 3_600] {
        vault.target.write(at(begun), "owners-00000.gz", vec![1]).await.expect("written");
    }
    let catalogue = vault.catalogue().await;
    assert_eq!(rotation::interrupted(&catalogue, now), [at(now - 90_000)], "the younger one may be under way");
    vault.target.remove(at(now - 90_000)).await.expect("removed");
    assert_eq!(vault.target.ids().await.expect("listed"), [at(now - 3_600), made.id]);
}

/// Manifests of backups, one a second; `parents` says on which earlier one each builds.
fn manifests(parents: &[Option<usize>]) -> Vec<Manifest> {
    let id =
        |number: usize| BackupId::new(jiff::Timestamp::from_second(1_700_000_000 + number as i64).expect("a time"), 0);
    let one = |(number, parent): (usize, &Option<usize>)| Manifest {
        format: FORMAT,
        world: "test".to_owned(),
        id: id(number),
        kind: if parent.is_some() { Completeness::Incremental } else { Completeness::Full },
        parent: parent.map(|parent| Parent { id: id(parent), digest: Digest::of(b"") }),
        created: jiff::Timestamp::UNIX_EPOCH,
        finished: jiff::Timestamp::UNIX_EPOCH,
        compression: GZIP,
        covers: Some(Covers {
            history: History(0),
            since: jiff::Timestamp::UNIX_EPOCH,
            records: jiff::Timestamp::UNIX_EPOCH,
            until: jiff::Timestamp::UNIX_EPOCH,
        }),
        follows: None,
        players: 0,
        journal: Vec::new(),
        files: Vec::new(),
    };
    parents.iter().enumerate().map(one).collect()
}

proptest! {
    #[test]
    fn rotation_keeps_the_newest_and_never_breaks_a_chain(
        draws in proptest::collection::vec(proptest::option::of(any::<usize>()), 1..60), keep in 1_usize..40,
    ) {
        let parents: Vec<Option<usize>> =
            draws.iter().enumerate().map(|(at, draw)| draw.filter(|_| at > 0).map(|draw| draw % at.max(1))).collect();
        let all = manifests(&parents);
        let mut there: BTreeSet<BackupId> = all.iter().map(|manifest| manifest.id).collect();
        let parent_of = |id: &BackupId| all.iter().find(|backup| backup.id == *id).and_then(|backup| backup.parent);
        // At every moment of the removal, also when it is interrupted, whoever is there has the parent.
        for removed in rotation::surplus(all.iter(), "test", keep) {
            prop_assert!(there.remove(&removed));
            for id in &there {
                prop_assert!(parent_of(id).is_none_or(|parent| there.contains(&parent.id)), "{id} has lost its parent");
            }
        }
        for newest in all.iter().rev().take(keep) {
            prop_assert!(there.contains(&newest.id));
        }
        let needed = there.iter().rev().skip(keep);
        for older in needed {
            let child = there.iter().any(|id| parent_of(id).is_some_and(|parent| parent.id == *older));
            prop_assert!(child, "{older} is kept for nobody");
        }
        prop_assert!(rotation::surplus(all.iter(), "another world", keep).is_empty());
    }
}

#[test]
fn a_chain_has_an_end() {
    let parents: Vec<Option<usize>> = (0..=MAX_CHAIN).map(|at| at.checked_sub(1)).collect();
    let mut all = manifests(&parents);
    let mut digest = Digest::of(b"");
    let mut catalogue = Catalogue::default();
    for manifest in &mut all {
        if let Some(parent) = &mut manifest.parent {
            parent.digest = digest;
        }
        digest = manifest.seal().1;
        let whole = crate::backup::catalogue::Whole { manifest: manifest.clone(), digest };
        catalogue.found.push(crate::backup::catalogue::Found::Whole(Box::new(whole)));
    }
    assert_eq!(catalogue.chain(all[MAX_CHAIN - 1].id).expect("at the bound").len(), MAX_CHAIN);
    let error = catalogue.chain(all[MAX_CHAIN].id).expect_err("one more");
    assert!(matches!(error, ChainError::Long { .. }), "{error}");
}
