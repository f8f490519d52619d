//! Filling an empty world from backups, through the port alone, so that it works with every driver.
//!
//! Each owner record is created by the shard that owned it, under a lease that the restore acquires: with its owner epoch,
//! version, last input and state, because creating a record takes any. Then the incarnations of the shards are brought back
//! by acquiring and releasing until the epoch is that of the backup, so that no zone ever makes the id of an item that
//! somebody has already. The map comes last: a world without one is not finished. Leases are held until then, see
//! [`Holder`].
//!
//! Nothing is overwritten. A record that is there already is left when it is the very same, so that a restore which was
//! interrupted can be run again, and refused otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use darkages_store::{Expect, Fence, OwnerRecord, Store, StoreError, Swap, Swapped, TopologyDocument, TopologySwapped};
use darkages_topology::{PlayerId, Revision, ShardEpoch, ShardId, ZoneId};
use futures_util::future::try_join_all;
use indicatif::ProgressBar;

use super::format::{self, FormatError, Incarnation, Kind};
use super::holder::Holder;
use super::limits::{BATCH_BYTES, BATCH_PLAYERS, MAX_EPOCH};
use super::moment::Plan;
use super::read::{self, ReadError, Records, Wrong};
use super::rolled::{RollError, Rolled};
use super::target::Target;

/// Times that a batch is written when the store does not answer: one call of the many of a restore that took too long must
/// not be the end of it.
const ATTEMPTS: u32 = 6;

/// The pause before the second attempt; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Why the world is not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is broken.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The backups are no world at that moment.
    #[error(transparent)]
    Roll(#[from] RollError),
    /// The world does not take what is written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The world has a map already.
    #[error("there is a world already, with another map: choose an empty place")]
    Inhabited,
    /// The world has this player already, otherwise.
    #[error("{player} is in this world already, otherwise than in the backup: choose an empty place")]
    Occupied {
        /// Who.
        player: PlayerId,
    },
    /// A zone serves this shard.
    #[error(
        "the zone {by} holds {shard}: stop the zones of this world, or wait until their leases are over, and run this again"
    )]
    Held {
        /// Which.
        shard: ShardId,
        /// The zone.
        by: ZoneId,
    },
    /// The store refuses a record.
    #[error("the store refuses the record of {player} ({answer})")]
    Refused {
        /// Whose.
        player: PlayerId,
        /// Its answer.
        answer: &'static str,
    },
    /// A backup that says this is none of a world in which zones can run.
    #[error("{shard} was in its incarnation {epoch}, at most {MAX_EPOCH} can be brought back")]
    Epoch {
        /// Which.
        shard: ShardId,
        /// Its newest epoch.
        epoch: ShardEpoch,
    },
}

/// A record as it is restored. Nobody of the old world acts any more, so a handoff that was open is over: the owner has what
/// is stored, under an epoch that is one higher, as if it had taken the player over.
pub fn settled(record: OwnerRecord) -> OwnerRecord {
    if record.open.is_some() { record.claimed(record.owner) } else { record }
}

/// Fills the world with players, and brings back the incarnations of its shards; says with how many players. Its map is left
/// out, so that no zone takes it for a whole one before [`put_map`].
///
/// # Errors
/// See [`RestoreError`]. What was written so far stays; the same restore can be run again.
pub async fn fill(
    holder: &mut Holder<'_>,
    target: &Target,
    plan: &Plan<'_>,
    bar: &ProgressBar,
) -> Result<u64, RestoreError> {
    let mut rolled = Rolled::new(target, plan).await?;
    let (mut batch, mut bytes, mut players) = (Vec::new(), 0, 0);
    while let Some((player, record)) = rolled.next().await? {
        bytes += record.data.state.len();
        batch.push((player, settled(record)));
        if batch.len() == BATCH_PLAYERS || bytes >= BATCH_BYTES {
            players += write(holder, &mut batch, bar).await?;
            bytes = 0;
        }
    }
    players += write(holder, &mut batch, bar).await?;
    let Some(latest) = plan.latest() else { return Ok(players) };
    let mut incarnations = Records::<Incarnation>::new(target, &latest.manifest);
    while let Some(Incarnation { shard, epoch, zone: _ }) = incarnations.next().await? {
        if epoch.0 > MAX_EPOCH {
            return Err(RestoreError::Epoch { shard, epoch });
        }
        holder.raise(shard, epoch).await?;
    }
    Ok(players)
}

/// The shard map of a world, if it had one.
pub async fn map(target: &Target, plan: &Plan<'_>) -> Result<Option<TopologyDocument>, ReadError> {
    let Some(backup) = plan.base() else { return Ok(None) };
    let Some(entry) = backup.manifest.files_of(Kind::Map).next() else { return Ok(None) };
    let mut reading = read::file(target, &backup.manifest, entry).await?;
    let record = reading.next().and_then(|record| format::decode_map(record.ok_or(FormatError::Short)?));
    record.map(Some).map_err(|error| ReadError {
        name: format!("{}/{}", backup.manifest.id, entry.name),
        why: Wrong::Format(error),
    })
}

/// Creates the records of a batch, which is empty afterwards.
async fn write(
    holder: &mut Holder<'_>,
    batch: &mut Vec<(PlayerId, OwnerRecord)>,
    bar: &ProgressBar,
) -> Result<u64, RestoreError> {
    let count = batch.len() as u64;
    let mut by_shard: BTreeMap<ShardId, Vec<Swap>> = BTreeMap::new();
    for (player, next) in batch.drain(..) {
        by_shard.entry(next.owner).or_default().push(Swap { player, expect: Expect::Absent, next });
    }
    holder.renew().await?;
    let mut calls = Vec::with_capacity(by_shard.len());
    for (shard, swaps) in by_shard {
        calls.push(create(holder.store(), holder.fence(shard).await?, swaps));
    }
    // Together, so that a store which commits in groups has something to group.
    try_join_all(calls).await?;
    bar.inc(count);
    Ok(count)
}

async fn create(store: &dyn Store, fence: Fence, swaps: Vec<Swap>) -> Result<(), RestoreError> {
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match store.swap(fence, swaps.clone()).await {
            Ok(answers) => {
                return swaps.into_iter().zip(answers).try_for_each(|(swap, answer)| judge(swap, answer, fence));
            }
            // What was created by an attempt whose answer is lost is found as it should be by the next one.
            Err(StoreError::Unavailable { .. }) if attempt < ATTEMPTS => tokio::time::sleep(pause).await,
            Err(error) => return Err(error.into()),
        }
        pause *= 2;
    }
    Ok(())
}

fn judge(swap: Swap, answer: Swapped, fence: Fence) -> Result<(), RestoreError> {
    let player = swap.player;
    match answer {
        Swapped::Done => Ok(()),
        // An earlier run of this restore came so far.
        Swapped::Conflict(Some(found)) if found == swap.next => Ok(()),
        Swapped::Conflict(_) => Err(RestoreError::Occupied { player }),
        Swapped::Fenced => Err(StoreError::Fenced { fence }.into()),
        other @ (Swapped::Held { .. } | Swapped::Illegal(_)) => {
            Err(RestoreError::Refused { player, answer: other.label() })
        }
    }
}

/// Gives the world its map, in place of what has the revision `instead_of`.
///
/// # Errors
/// When it has another one.
pub async fn put_map(
    store: &dyn Store,
    instead_of: Option<Revision>,
    map: TopologyDocument,
) -> Result<(), RestoreError> {
    match store.compare_and_swap_topology(instead_of, map.clone()).await? {
        TopologySwapped::Done => Ok(()),
        TopologySwapped::Conflict(Some(found)) if found == map => Ok(()),
        TopologySwapped::Conflict(_) => Err(RestoreError::Inhabited),
    }
}

/// A map with another revision, in the document and in the map itself. What is no map keeps its bytes.
pub fn at_revision(map: TopologyDocument, revision: Revision) -> TopologyDocument {
    if map.revision == revision {
        return map;
    }
    let changed = value_at(&map, revision).and_then(|value| serde_json::to_vec(&value).ok());
    TopologyDocument { revision, bytes: changed.unwrap_or(map.bytes) }
}

/// Whether two documents have the same map, their revisions apart: one that was restored over another has a higher one.
pub fn same_map(one: &TopologyDocument, other: &TopologyDocument) -> bool {
    match (value_at(one, other.revision), value_at(other, other.revision)) {
        (Some(one), Some(other)) => one == other,
        _ => one.bytes == other.bytes,
    }
}

/// What a document says, with another revision in it; `None` when it is no map.
fn value_at(map: &TopologyDocument, revision: Revision) -> Option<serde_json::Value> {
    let mut value: serde_json::Value = serde_json::from_slice(&map.bytes).ok()?;
    *value.get_mut("revision")? = revision.0.into();
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_with_another_revision_is_the_same_map() {
        let map = |revision, text: &str| TopologyDocument { revision: Revision(revision), bytes: text.into() };
        let first = map(3, r#"{"revision": 3, "bounds": [1, 2]}"#);
        let later = at_revision(first.clone(), Revision(9));
        assert_eq!(later, map(9, r#"{"bounds":[1,2],"revision":9}"#));
        assert!(same_map(&first, &later) && same_map(&later, &first));
        assert!(!same_map(&first, &map(3, r#"{"revision": 3, "bounds": [1, 3]}"#)));
        let odd = map(3, "of three");
        assert_eq!(at_revision(odd.clone(), Revision(4)), map(4, "of three"));
        assert!(same_map(&odd, &map(4, "of three")) && !same_map(&odd, &map(3, "of four")));
    }
}
