//! What a driver answers to a write, from the record that it finds: the same in every driver.
//!
//! Pure. What flows in is the record and whether the writer's incarnation is live; what flows out is the answer, or the step
//! that is left to carry out if the leases that it names are over.

use crate::journal::{Checkpoint, Saved};
use crate::lease::Fence;
use crate::owner::{OwnerRecord, Phase, Swap, Swapped};
use crate::transition::{self, Transition};

/// The step that a swap makes, or the answer when it makes none. What is checked first is answered first.
pub(crate) fn swap(found: Option<&OwnerRecord>, swap: &Swap, fence: Fence, live: bool) -> Result<Transition, Swapped> {
    // A release needs no lease, see `Transition::needs_lease`; one that comes twice hears what is there.
    if !live && swap.next.phase() != Phase::Released {
        return Err(Swapped::Fenced);
    }
    let has_all = found.is_none_or(|record| record.data.version == swap.next.data.version);
    if !swap.expect.matches(found) || !has_all {
        return Err(Swapped::Conflict(found.cloned()));
    }
    transition::judge(found, &swap.next, fence).map_err(Swapped::Illegal)
}

/// Why a checkpoint does not fit its record; [`Saved::Done`] when it does.
pub(crate) fn fits(record: Option<&OwnerRecord>, checkpoint: &Checkpoint, fence: Fence) -> Saved {
    let Some(record) = record else { return Saved::Absent };
    if record.owner_epoch != checkpoint.owner_epoch || !record.is_written_by(fence) {
        Saved::NotOwner
    } else if record.data.version != checkpoint.data.version {
        Saved::OtherVersion
    } else {
        Saved::Done
    }
}
