//! The steps by which an owner record may change: the rules of the handoff's model as one pure function.
//!
//! What flows in is the current record, the next one and the incarnation that writes; what flows out is the step, and whose
//! lease must be over before it. A store refuses what is no step. So a fault in a zone cannot make two owners: every change
//! of owner raises the owner epoch (invariant I5), and nobody takes a player from an incarnation that may still act (I1).

use darkages_topology::{ShardEpoch, ShardId};

use crate::lease::Fence;
use crate::owner::{OpenHandoff, OwnerRecord};

/// What a swap does to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transition {
    /// The writer's shard gets a player who is new to the world.
    Create,
    /// A new incarnation of the owner takes up a player whom its predecessor left.
    Claim,
    /// COMMIT: the owner hands its player to another shard.
    Commit,
    /// The giver that committed and has not released wants the player back.
    TakeBack,
    /// RELEASE through the store, by the giver that committed.
    Release,
    /// The taker has the final state and ends the handoff.
    Close,
    /// The taker goes on from the stored state, because the giver is over and never released.
    TakeOver,
    /// A shard takes a player whose owner is over, because that shard exists no more.
    Adopt,
}

/// Why there is no step from one record to another for this writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Illegal {
    /// A new record starts closed, owned by its writer.
    #[error("a new record must be closed and owned by its writer")]
    NewRecord,
    /// The owner epoch rises by one with each change of owner and each claim, and stays within a handoff's end.
    #[error("the owner epoch must rise by exactly one, or stay when a handoff is released or closed")]
    OwnerEpoch,
    /// A handoff is open; only its giver and its taker may write.
    #[error("a handoff is open: close it, take it back or take it over before anything else")]
    HandoffOpen,
    /// The open handoff of the next record is not one that this writer commits now, or not the one that is open.
    #[error("the open handoff must name the writer's incarnation and shard, and must not change until it is closed")]
    Handoff,
    /// The record belongs to another shard, and the next one does not take it for the writer.
    #[error("the record belongs to another shard: only a claim for the writer's own shard is possible")]
    NotOwner,
}

impl Illegal {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NewRecord => "new_record",
            Self::OwnerEpoch => "owner_epoch",
            Self::HandoffOpen => "handoff_open",
            Self::Handoff => "handoff",
            Self::NotOwner => "not_owner",
        }
    }
}

/// Which step leads from `current` to `next` when `writer` makes it.
///
/// # Errors
/// When none does.
pub fn judge(current: Option<&OwnerRecord>, next: &OwnerRecord, writer: Fence) -> Result<Transition, Illegal> {
    let Some(current) = current else {
        let fresh = next.owner == writer.shard && next.open.is_none();
        return if fresh { Ok(Transition::Create) } else { Err(Illegal::NewRecord) };
    };
    let raised = next.owner_epoch == current.owner_epoch.next();
    if !raised && (next.owner_epoch != current.owner_epoch || next.owner != current.owner) {
        return Err(Illegal::OwnerEpoch);
    }
    match current.open {
        Some(open) if open.by == writer && !open.released => giver(&open, next, writer, raised),
        open if current.owner == writer.shard => owner(open.as_ref(), next, writer, raised),
        _ if raised && next.owner == writer.shard && next.open.is_none() => Ok(Transition::Adopt),
        _ => Err(Illegal::NotOwner),
    }
}

/// Steps of the incarnation that committed the handoff `open` and has not released it.
fn giver(open: &OpenHandoff, next: &OwnerRecord, writer: Fence, raised: bool) -> Result<Transition, Illegal> {
    match next.open {
        None if raised && next.owner == writer.shard => Ok(Transition::TakeBack),
        None => Err(Illegal::HandoffOpen),
        Some(released) if !raised && released == (OpenHandoff { released: true, ..*open }) => Ok(Transition::Release),
        Some(_) => Err(Illegal::Handoff),
    }
}

/// Steps of the owner.
fn owner(open: Option<&OpenHandoff>, next: &OwnerRecord, writer: Fence, raised: bool) -> Result<Transition, Illegal> {
    let stays = next.owner == writer.shard;
    match (open, next.open) {
        // Data alone is changed by checkpoints and transactions. A swap always changes epoch or phase, so that of two which
        // expect the same record one wins.
        (None, None) if stays && raised => Ok(Transition::Claim),
        (None, None) if stays => Err(Illegal::OwnerEpoch),
        (Some(_), None) if stays && !raised => Ok(Transition::Close),
        // A released handoff has nobody left to wait for: taking it under a higher epoch is as good as closing it.
        (Some(open), None) if stays => Ok(if open.released { Transition::Claim } else { Transition::TakeOver }),
        (None, Some(made)) if !stays && raised && is_commit(&made, writer) => Ok(Transition::Commit),
        (None, Some(_)) => Err(Illegal::Handoff),
        (None, None) => Err(Illegal::NotOwner),
        (Some(_), _) => Err(Illegal::HandoffOpen),
    }
}

fn is_commit(made: &OpenHandoff, writer: Fence) -> bool {
    made.by == writer && made.id.from == writer.shard && !made.released
}

/// A lease that must be over before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MustBeOver {
    /// Whatever incarnation of this shard is the newest.
    Shard(ShardId),
    /// This incarnation; a newer one of the same shard may be live.
    Incarnation(Fence),
}

impl MustBeOver {
    /// Whose lease it is: the shard's newest incarnation, or the one of this epoch only.
    #[must_use]
    pub const fn names(self) -> (ShardId, Option<ShardEpoch>) {
        match self {
            Self::Shard(shard) => (shard, None),
            Self::Incarnation(fence) => (fence.shard, Some(fence.epoch)),
        }
    }
}

impl Transition {
    /// Whether the writer must hold its shard's lease. Only a release need not: its giver has stopped, the record names it,
    /// and the final state is welcome however late it comes.
    #[must_use]
    pub const fn needs_lease(self) -> bool {
        !matches!(self, Self::Release)
    }

    /// The leases that must be over before this step from `current`.
    pub fn must_be_over(self, current: Option<&OwnerRecord>) -> impl Iterator<Item = MustBeOver> {
        let giver = current.and_then(|record| record.open).filter(|open| !open.released);
        let giver = giver.filter(|_| matches!(self, Self::TakeOver | Self::Adopt));
        let owner = current.filter(|_| self == Self::Adopt);
        let owner = owner.map(|record| MustBeOver::Shard(record.owner));
        owner.into_iter().chain(giver.map(|open| MustBeOver::Incarnation(open.by)))
    }
}
