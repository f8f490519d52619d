//! Which backups are kept. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::{Catalogue, Found};
use super::id::BackupId;
use super::limits::MAX_RUN;
use super::manifest::Manifest;

/// Backups of `world` that may go when `keep` are to stay, the newest first: in this order no child is left without its
/// parent at any moment. The newest `keep` stay, and with them every backup on which one of them builds.
pub fn surplus<'a>(backups: impl Iterator<Item = &'a Manifest>, world: &str, keep: usize) -> Vec<BackupId> {
    let mut parents: BTreeMap<BackupId, Option<BackupId>> = BTreeMap::new();
    for backup in backups.filter(|backup| backup.world == world) {
        parents.insert(backup.id, backup.parent.map(|parent| parent.id));
    }
    let mut kept = BTreeSet::new();
    for newest in parents.keys().rev().take(keep) {
        let mut next = Some(*newest);
        while let Some(id) = next.filter(|id| kept.insert(*id)) {
            next = parents.get(&id).copied().flatten();
        }
    }
    parents.into_keys().rev().filter(|id| !kept.contains(id)).collect()
}

/// Folders that were begun so long before `now_unix_s` that nobody is writing them any more.
pub fn interrupted(catalogue: &Catalogue, now_unix_s: i64) -> Vec<BackupId> {
    let longest = i64::try_from(MAX_RUN.as_secs()).unwrap_or(i64::MAX);
    let unfinished = catalogue.found.iter().filter_map(|found| match found {
        Found::Unfinished(id) => Some(*id),
        Found::Whole(_) | Found::Broken(..) => None,
    });
    unfinished.filter(|id| id.begun_unix_s().saturating_add(longest) < now_unix_s).collect()
}
