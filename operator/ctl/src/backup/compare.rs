//! Whether a world is what a backup says: every owner record, the map, and the incarnations of the shards.

use darkages_store::{OwnerRecord, Store, StoreError};
use darkages_topology::{PlayerId, ShardEpoch};
use indicatif::ProgressBar;

use super::catalogue::Whole;
use super::chain::Merged;
use super::format::{Incarnation, Owner};
use super::limits::PAGE;
use super::read::{ReadError, Records, Wrong};
use super::restore;
use super::target::Target;

/// Differences that are told one by one; the rest is counted.
const MAX_TOLD: usize = 8;

/// What differs.
#[derive(Debug, Default)]
pub struct Differences {
    /// How many differ.
    pub count: u64,
    /// The first of them.
    pub told: Vec<String>,
    /// Players of the backup.
    pub players: u64,
}

impl Differences {
    fn add(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push(what());
        }
    }

    fn owner(&mut self, player: PlayerId, kept: Option<&OwnerRecord>, found: Option<&OwnerRecord>) {
        match (kept, found) {
            (Some(kept), Some(found)) => {
                // A world that was never restored still has the open handoffs of its backup.
                if kept != found && restore::settled(kept.clone()) != *found {
                    self.add(|| format!("{player} has another record"));
                }
            }
            (Some(_), None) => self.add(|| format!("{player} is missing")),
            (None, Some(_)) => self.add(|| format!("{player} is not in the backup")),
            (None, None) => {}
        }
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The backup is broken.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The world cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares a world with a chain of backups, the newest first. Logs, sessions and used tokens are not compared: a restore
/// does not bring them back.
///
/// # Errors
/// When one of them cannot be read.
pub async fn compare(
    store: &dyn Store,
    target: &Target,
    chain: &[&Whole],
    bar: &ProgressBar,
) -> Result<Differences, CompareError> {
    let mut differences = Differences::default();
    let Some(newest) = chain.first() else { return Ok(differences) };
    let mut merged = Merged::new(target, chain).await?;
    let mut kept = next(&mut merged).await?;
    let mut after = None;
    loop {
        let page = store.scan_owners(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (player, found) in &page {
            while let Some((missing, record)) = kept.as_ref().filter(|(kept, _)| kept < player) {
                differences.owner(*missing, Some(record), None);
                kept = next(&mut merged).await?;
            }
            let same = kept.take_if(|(kept, _)| kept == player);
            differences.owner(*player, same.as_ref().map(|(_, record)| record), Some(found));
            if same.is_some() {
                kept = next(&mut merged).await?;
            }
            bar.inc(1);
        }
    }
    while let Some((missing, record)) = kept {
        differences.owner(missing, Some(&record), None);
        kept = next(&mut merged).await?;
    }
    differences.players = newest.manifest.players;
    around(store, target, newest, &mut differences).await?;
    Ok(differences)
}

async fn next(merged: &mut Merged<'_>) -> Result<Option<(PlayerId, OwnerRecord)>, ReadError> {
    let Some(owner) = merged.next().await? else { return Ok(None) };
    let Owner { player, .. } = owner;
    let name = || format!("the record of {player}");
    let record = owner.record().map_err(|error| ReadError { name: name(), why: Wrong::Format(error) })?;
    Ok(Some((player, record)))
}

/// Compares what is not a player's. Incarnations may have gone on; they must not have gone back.
async fn around(
    store: &dyn Store,
    target: &Target,
    backup: &Whole,
    differences: &mut Differences,
) -> Result<(), CompareError> {
    if store.load_topology().await? != restore::map(target, backup).await? {
        differences.add(|| "the shard map is another".to_owned());
    }
    let mut incarnations = Records::<Incarnation>::new(target, &backup.manifest);
    while let Some(Incarnation { shard, epoch, zone: _ }) = incarnations.next().await? {
        let found = store.look(shard).await?.map_or(ShardEpoch(0), |view| view.fence.epoch);
        if found < epoch {
            differences.add(|| format!("{shard} is in its incarnation {found}, it was in {epoch}"));
        }
    }
    Ok(())
}
