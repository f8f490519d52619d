//! Whatever happens to the files of a backup, it is noticed, named and not restored.

use std::fs;
use std::path::{Path, PathBuf};

use darkages_store::{Expect, OwnerRecord, Store as _};
use darkages_topology::PlayerId;
use indicatif::ProgressBar;

use super::scene::{GZIP, PLAIN, S, Vault, World, data, restore};
use crate::backup::catalogue::Whole;
use crate::backup::manifest::Manifest;
use crate::backup::verify;

/// What is wrong with the newest backup and its chain, if anything: what verifying says of it.
async fn complaint(vault: &Vault, manifest: &Manifest) -> Option<String> {
    let catalogue = vault.catalogue().await;
    let chain = match catalogue.chain(manifest.id) {
        Ok(chain) => chain,
        Err(error) => return Some(error.to_string()),
    };
    for backup in &chain {
        let broken = verify::files(&vault.target, backup, &ProgressBar::hidden()).await;
        if let Some(error) = broken.into_iter().next() {
            return Some(format!("{:#}", anyhow::Error::from(error)));
        }
    }
    verify::chain(&vault.target, &chain).await.err().map(|error| format!("{:#}", anyhow::Error::from(error)))
}

fn files(vault: &Vault, manifest: &Manifest) -> Vec<PathBuf> {
    let folder = vault.folder.path().join(manifest.id.to_string());
    fs::read_dir(folder).expect("it is there").map(|file| file.expect("listed").path()).collect()
}

fn name(file: &Path) -> String {
    file.file_name().expect("a file").to_string_lossy().into_owned()
}

#[tokio::test]
async fn every_flipped_and_every_missing_byte_is_noticed_and_named() {
    let (world, vault) = (World::lived_in(6).await, Vault::new());
    for (number, compression) in [PLAIN, GZIP].into_iter().enumerate() {
        let made = vault.create(&world, number as u32, compression, None).await.expect("a backup");
        assert_eq!(complaint(&vault, &made).await, None);
        let files = files(&vault, &made);
        assert_eq!(files.len(), 6, "manifest, owners, index, journal, leases, map");
        for file in files {
            let whole = fs::read(&file).expect("read");
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 8);
                for damaged in [&flipped[..], &whole[..at]] {
                    fs::write(&file, damaged).expect("written");
                    let said = complaint(&vault, &made).await;
                    assert!(
                        said.as_ref().is_some_and(|said| said.contains(&name(&file))),
                        "{at} of {file:?}: {said:?}"
                    );
                }
            }
            fs::write(&file, [&whole[..], &[0]].concat()).expect("written");
            assert!(complaint(&vault, &made).await.is_some_and(|said| said.contains(&name(&file))), "one byte more");
            fs::remove_file(&file).expect("removed");
            assert!(complaint(&vault, &made).await.is_some_and(|said| said.contains(&name(&file))), "missing");
            fs::write(&file, &whole).expect("written");
        }
        assert_eq!(complaint(&vault, &made).await, None, "all is as it was");
    }
}

#[tokio::test]
async fn a_swapped_file_is_noticed() {
    let (world, vault) = (World::lived_in(30).await, Vault::new());
    let first = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let s = world.store.look(S).await.expect("look").expect("held").fence;
    world.swap(s, PlayerId(31), Expect::Absent, OwnerRecord::created(S, data(31, 1))).await;
    let second = vault.create(&world, 2, GZIP, None).await.expect("another one");
    let path = |manifest: &Manifest, file: &str| vault.folder.path().join(manifest.id.to_string()).join(file);
    fs::copy(path(&first, "owners-00000.gz"), path(&second, "owners-00000.gz")).expect("copied");
    let said = complaint(&vault, &second).await.expect("it is the other backup's");
    assert!(said.contains("owners-00000.gz"), "{said}");
    fs::copy(path(&first, "manifest.json"), path(&second, "manifest.json")).expect("copied");
    assert!(complaint(&vault, &second).await.is_some(), "a whole manifest in another's folder");
    assert_eq!(complaint(&vault, &first).await, None);
}

#[tokio::test]
async fn records_that_are_not_those_of_the_index_are_noticed_although_every_digest_is_right() {
    let (vault, one, other) = (Vault::new(), World::lived_in(3).await, World::lived_in(3).await);
    let s = other.store.look(S).await.expect("look").expect("held").fence;
    other.save(PlayerId(1), s, darkages_topology::OwnerEpoch(1), data(1, 66)).await;
    let one = vault.create(&one, 1, PLAIN, None).await.expect("a backup");
    let other = vault.create(&other, 2, PLAIN, None).await.expect("another world's");
    // Somebody who computes digests anew: the manifest is no signature, but the parts must still be one world.
    let file = vault.target.read(other.id, "owners-00000.bin", 1 << 20).await.expect("read");
    vault.target.write(one.id, "owners-00000.bin", file).await.expect("written");
    let mut forged = one.clone();
    forged.files[0] = other.files[0].clone();
    vault.target.write(one.id, "manifest.json", forged.seal().0).await.expect("written");
    let said = complaint(&vault, &one).await.expect("player 1 is another");
    assert!(said.contains("disagree"), "{said}");
}

#[tokio::test]
async fn a_broken_backup_is_not_restored() {
    let (world, vault) = (World::lived_in(2_000).await, Vault::new());
    let made = vault.create(&world, 1, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let chain: Vec<&Whole> = catalogue.chain(made.id).expect("whole");
    let file = vault.folder.path().join(made.id.to_string()).join("owners-00000.gz");
    let mut bytes = fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, bytes).expect("written");
    let error = restore(&vault.target, &chain).await.err().expect("refused");
    assert!(format!("{:#}", anyhow::Error::from(error)).contains("owners-00000.gz"));
}
