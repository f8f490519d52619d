//! Writing owner records: swaps and checkpoints.

use std::collections::BTreeMap;

use darkages_topology::{PlayerId, ShardId};
use redb::ReadableTable;

use super::leases::Leases;
use super::tables::{Tables, Trouble};
use crate::codec;
use crate::error::StoreError;
use crate::journal::{Checkpoint, Saved};
use crate::judge::{self, fits};
use crate::lease::Fence;
use crate::owner::{OwnerRecord, Swap, Swapped};

/// Records of a batch as they are now, by player. They are read before anything is written: a damaged one must not leave
/// half of the batch behind.
type Current = BTreeMap<PlayerId, Option<OwnerRecord>>;

/// Reads what is stored of `player`.
pub(super) fn read(
    owners: &impl ReadableTable<u64, &'static [u8]>,
    player: PlayerId,
) -> Result<Option<OwnerRecord>, Trouble> {
    let Some(bytes) = owners.get(player.0)? else { return Ok(None) };
    Ok(Some(decode(player, bytes.value())?))
}

/// The record in these bytes.
pub(super) fn decode(player: PlayerId, bytes: &[u8]) -> Result<OwnerRecord, StoreError> {
    codec::decode_owner(bytes)
        .map_err(|error| StoreError::Corrupt { what: format!("player {player}"), reason: error.reason() })
}

fn read_all(tables: &Tables<'_>, players: impl Iterator<Item = PlayerId>) -> Result<Current, Trouble> {
    players.map(|player| Ok((player, read(&tables.owners, player)?))).collect()
}

/// Writes a record and keeps the list of who owns whom.
pub(super) fn write(
    tables: &mut Tables<'_>,
    player: PlayerId,
    before: Option<ShardId>,
    record: &OwnerRecord,
) -> Result<(), Trouble> {
    tables.owners.insert(player.0, codec::encode_owner(record).as_slice())?;
    if before != Some(record.owner) {
        if let Some(before) = before {
            tables.owned.remove((before.0, player.0))?;
        }
        tables.owned.insert((record.owner.0, player.0), ())?;
    }
    Ok(())
}

/// Carries out a batch of swaps, each by itself.
pub(super) fn swap(
    tables: &mut Tables<'_>,
    leases: &Leases,
    fence: Fence,
    swaps: Vec<Swap>,
) -> Result<Vec<Swapped>, Trouble> {
    let mut current = read_all(tables, swaps.iter().map(|swap| swap.player))?;
    let live = leases.is_live(fence);
    let mut answers = Vec::with_capacity(swaps.len());
    for swap in swaps {
        let Swap { player, expect: _, next: _ } = swap;
        let found = current.get(&player).and_then(Option::as_ref);
        let answer = judge(found, &swap, fence, live, leases);
        if answer == Swapped::Done {
            write(tables, player, found.map(|record| record.owner), &swap.next)?;
            current.insert(player, Some(swap.next));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn judge(found: Option<&OwnerRecord>, swap: &Swap, fence: Fence, live: bool, leases: &Leases) -> Swapped {
    match judge::swap(found, swap, fence, live) {
        Err(answer) => answer,
        Ok(step) => match step.must_be_over(found).find_map(|lease| leases.blocks(lease)) {
            Some((shard, left)) => Swapped::Held { shard, left },
            None => Swapped::Done,
        },
    }
}

/// Refuses a writer whose incarnation is over.
pub(super) fn check_live(leases: &Leases, fence: Fence) -> Result<(), StoreError> {
    if leases.is_live(fence) { Ok(()) } else { Err(StoreError::Fenced { fence }) }
}

/// Writes the checkpoints that fit.
pub(super) fn save(
    tables: &mut Tables<'_>,
    leases: &Leases,
    fence: Fence,
    checkpoints: Vec<Checkpoint>,
) -> Result<Vec<Saved>, Trouble> {
    check_live(leases, fence)?;
    let mut current = read_all(tables, checkpoints.iter().map(|checkpoint| checkpoint.player))?;
    let mut answers = Vec::with_capacity(checkpoints.len());
    for checkpoint in checkpoints {
        let found = current.get_mut(&checkpoint.player).and_then(Option::as_mut);
        let answer = fits(found.as_deref(), &checkpoint, fence);
        if let (Saved::Done, Some(record)) = (answer, found) {
            record.data = checkpoint.data;
            write(tables, checkpoint.player, Some(record.owner), record)?;
        }
        answers.push(answer);
    }
    Ok(answers)
}
