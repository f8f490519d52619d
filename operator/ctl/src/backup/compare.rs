//! Whether a world is what backups say: every owner record, the map, and the incarnations of the shards.

use darkages_store::{OwnerRecord, Store, StoreError};
use darkages_topology::{PlayerId, ShardEpoch};
use indicatif::ProgressBar;

use super::format::Incarnation;
use super::limits::PAGE;
use super::moment::Plan;
use super::read::{ReadError, Records};
use super::restore;
use super::rolled::{RollError, Rolled};
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
    /// Players of the world as the backups have it.
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
        self.players += u64::from(kept.is_some());
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
    /// The backups are no world at that moment.
    #[error(transparent)]
    Roll(#[from] RollError),
    /// The world cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares the players and the incarnations of a world with what `plan` has. Logs, sessions and used tokens are not
/// compared: a restore does not bring them back.
///
/// # Errors
/// When one of them cannot be read.
pub async fn compare(
    store: &dyn Store,
    target: &Target,
    plan: &Plan<'_>,
    bar: &ProgressBar,
) -> Result<Differences, CompareError> {
    let mut differences = Differences::default();
    let mut rolled = Rolled::new(target, plan).await?;
    let mut kept = rolled.next().await?;
    let mut after = None;
    loop {
        let page = store.scan_owners(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (player, found) in &page {
            while let Some((missing, record)) = kept.as_ref().filter(|(kept, _)| kept < player) {
                differences.owner(*missing, Some(record), None);
                kept = rolled.next().await?;
            }
            let same = kept.take_if(|(kept, _)| kept == player);
            differences.owner(*player, same.as_ref().map(|(_, record)| record), Some(found));
            if same.is_some() {
                kept = rolled.next().await?;
            }
            bar.inc(1);
        }
    }
    while let Some((missing, record)) = kept {
        differences.owner(missing, Some(&record), None);
        kept = rolled.next().await?;
    }
    incarnations(store, target, plan, &mut differences).await?;
    Ok(differences)
}

/// Compares the shard map, too, its revision apart.
///
/// # Errors
/// When one of them cannot be read.
pub async fn map(
    store: &dyn Store,
    target: &Target,
    plan: &Plan<'_>,
    differences: &mut Differences,
) -> Result<(), CompareError> {
    let kept = restore::map(target, plan).await?;
    let found = store.load_topology().await?;
    let same = match (&kept, &found) {
        (Some(kept), Some(found)) => restore::same_map(kept, found),
        (kept, found) => kept.is_none() && found.is_none(),
    };
    if !same {
        differences.add(|| "the shard map is another".to_owned());
    }
    Ok(())
}

/// Incarnations may have gone on; they must not have gone back.
async fn incarnations(
    store: &dyn Store,
    target: &Target,
    plan: &Plan<'_>,
    differences: &mut Differences,
) -> Result<(), CompareError> {
    let Some(latest) = plan.latest() else { return Ok(()) };
    let mut incarnations = Records::<Incarnation>::new(target, &latest.manifest);
    while let Some(Incarnation { shard, epoch, zone: _ }) = incarnations.next().await? {
        let found = store.look(shard).await?.map_or(ShardEpoch(0), |view| view.fence.epoch);
        if found < epoch {
            differences.add(|| format!("{shard} is in its incarnation {found}, it was in {epoch}"));
        }
    }
    Ok(())
}
