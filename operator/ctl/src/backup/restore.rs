//! Filling an empty world from a chain of backups, through the port alone, so that it works with every driver.
//!
//! Each owner record is created by the shard that owned it, under a lease that the restore acquires: with its owner epoch,
//! version, last input and state, because creating a record takes any. Then the incarnations of the shards are brought back
//! by acquiring and releasing until the epoch is that of the backup, so that no zone ever makes the id of an item that
//! somebody has already. The map comes last: a world without one is not finished.
//!
//! Nothing is overwritten. A record that is there already is left when it is the very same, so that a restore which was
//! interrupted can be run again, and refused otherwise.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use darkages_store::limits::{MAX_BATCH, MAX_LEASE};
use darkages_store::{
    Acquired, Expect, Fence, OwnerRecord, Renewed, Store, StoreError, Swap, Swapped, TopologyDocument, TopologySwapped,
};
use darkages_topology::{PlayerId, ShardEpoch, ShardId, ZoneId};
use futures_util::future::try_join_all;
use indicatif::ProgressBar;

use super::catalogue::Whole;
use super::chain::Merged;
use super::format::{self, FormatError, Incarnation, Kind, Owner};
use super::limits::{BATCH_BYTES, MAX_EPOCH};
use super::read::{self, ReadError, Records, Wrong};
use super::target::Target;

/// A lease is renewed when less than this is left of it: far more than one call takes.
const RENEW_BELOW: Duration = Duration::from_secs(120);

/// Why the world is not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is broken.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    #[error("{shard} is held by {by}: stop its zones, and choose an empty place")]
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

/// Fills the world; says with how many players.
///
/// # Errors
/// See [`RestoreError`]. What was written so far stays; the same restore can be run again.
pub async fn fill(
    store: &dyn Store,
    target: &Target,
    chain: &[&Whole],
    bar: &ProgressBar,
) -> Result<u64, RestoreError> {
    let Some(newest) = chain.first() else { return Ok(0) };
    let map = map(target, newest).await?;
    match store.load_topology().await? {
        Some(found) if Some(&found) != map.as_ref() => return Err(RestoreError::Inhabited),
        _ => {}
    }
    let mut holder = Holder { store, held: BTreeMap::new() };
    let mut merged = Merged::new(target, chain).await?;
    let (mut batch, mut bytes, mut players) = (Vec::new(), 0, 0);
    while let Some(owner) = merged.next().await? {
        bytes += owner.bytes.len();
        batch.push(owner);
        if batch.len() == MAX_BATCH || bytes >= BATCH_BYTES {
            players += write(&mut holder, &mut batch, bar).await?;
            bytes = 0;
        }
    }
    players += write(&mut holder, &mut batch, bar).await?;
    holder.release().await?;
    let mut incarnations = Records::<Incarnation>::new(target, &newest.manifest);
    while let Some(incarnation) = incarnations.next().await? {
        raise(store, &incarnation).await?;
    }
    if let Some(map) = map {
        put_map(store, map).await?;
    }
    Ok(players)
}

/// The shard map of a backup, if its world had one.
pub async fn map(target: &Target, backup: &Whole) -> Result<Option<TopologyDocument>, ReadError> {
    let Some(entry) = backup.manifest.files_of(Kind::Map).next() else { return Ok(None) };
    let mut reading = read::file(target, &backup.manifest, entry).await?;
    let record = reading.next().and_then(|record| format::decode_map(record.ok_or(FormatError::Short)?));
    record.map(Some).map_err(|error| ReadError {
        name: format!("{}/{}", backup.manifest.id, entry.name),
        why: Wrong::Format(error),
    })
}

/// Creates the records of a batch, which is empty afterwards.
async fn write(holder: &mut Holder<'_>, batch: &mut Vec<Owner>, bar: &ProgressBar) -> Result<u64, RestoreError> {
    let count = batch.len() as u64;
    let mut by_shard: BTreeMap<ShardId, Vec<Swap>> = BTreeMap::new();
    for owner in batch.drain(..) {
        // It was decoded once when its file was read, so this cannot fail any more.
        let record = owner.record().map_err(|error| ReadError {
            name: format!("the record of {}", owner.player),
            why: Wrong::Format(error),
        })?;
        let next = settled(record);
        by_shard.entry(next.owner).or_default().push(Swap { player: owner.player, expect: Expect::Absent, next });
    }
    let mut calls = Vec::with_capacity(by_shard.len());
    for (shard, swaps) in by_shard {
        calls.push(create(holder.store, holder.fence(shard).await?, swaps));
    }
    // Together, so that a store which commits in groups has something to group.
    try_join_all(calls).await?;
    bar.inc(count);
    Ok(count)
}

async fn create(store: &dyn Store, fence: Fence, swaps: Vec<Swap>) -> Result<(), RestoreError> {
    let answers = store.swap(fence, swaps.clone()).await?;
    for (swap, answer) in swaps.into_iter().zip(answers) {
        let player = swap.player;
        match answer {
            Swapped::Done => {}
            // An earlier run of this restore came so far.
            Swapped::Conflict(Some(found)) if found == swap.next => {}
            Swapped::Conflict(_) => return Err(RestoreError::Occupied { player }),
            Swapped::Fenced => return Err(StoreError::Fenced { fence }.into()),
            other @ (Swapped::Held { .. } | Swapped::Illegal(_)) => {
                return Err(RestoreError::Refused { player, answer: other.label() });
            }
        }
    }
    Ok(())
}

/// The leases under which the records are written.
struct Holder<'a> {
    store: &'a dyn Store,
    held: BTreeMap<ShardId, Held>,
}

struct Held {
    fence: Fence,
    until: Instant,
}

impl Holder<'_> {
    /// What a write for `shard` carries: a lease that lasts for some time still.
    async fn fence(&mut self, shard: ShardId) -> Result<Fence, RestoreError> {
        let asked = Instant::now();
        if let Some(held) = self.held.get_mut(&shard) {
            if held.until.saturating_duration_since(asked) > RENEW_BELOW {
                return Ok(held.fence);
            }
            if let Renewed::Extended(lease) = self.store.renew(held.fence, MAX_LEASE).await? {
                held.until = asked + lease.ttl;
                return Ok(held.fence);
            }
        }
        let fence = acquire(self.store, shard, &restorer()).await?;
        self.held.insert(shard, Held { fence, until: asked + MAX_LEASE });
        Ok(fence)
    }

    async fn release(self) -> Result<(), RestoreError> {
        for held in self.held.into_values() {
            self.store.release(held.fence).await?;
        }
        Ok(())
    }
}

fn restorer() -> ZoneId {
    ZoneId("restore".to_owned())
}

async fn acquire(store: &dyn Store, shard: ShardId, zone: &ZoneId) -> Result<Fence, RestoreError> {
    match store.acquire(shard, zone, MAX_LEASE).await? {
        Acquired::Granted(lease) => Ok(lease.fence),
        Acquired::Held { by, .. } => Err(RestoreError::Held { shard, by }),
    }
}

/// Brings the shard to the incarnation in which it was, and leaves that over.
async fn raise(store: &dyn Store, incarnation: &Incarnation) -> Result<(), RestoreError> {
    let Incarnation { shard, epoch, zone } = incarnation;
    if epoch.0 > MAX_EPOCH {
        return Err(RestoreError::Epoch { shard: *shard, epoch: *epoch });
    }
    let mut now = store.look(*shard).await?.map_or(ShardEpoch(0), |view| view.fence.epoch);
    while now < *epoch {
        let fence = acquire(store, *shard, zone).await?;
        store.release(fence).await?;
        now = fence.epoch;
    }
    Ok(())
}

async fn put_map(store: &dyn Store, map: TopologyDocument) -> Result<(), RestoreError> {
    match store.compare_and_swap_topology(None, map.clone()).await? {
        TopologySwapped::Done => Ok(()),
        TopologySwapped::Conflict(Some(found)) if found == map => Ok(()),
        TopologySwapped::Conflict(_) => Err(RestoreError::Inhabited),
    }
}
