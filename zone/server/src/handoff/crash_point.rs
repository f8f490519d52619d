//! Named moments at which a zone can be told to crash: the phases of a handoff on both sides, of a durable transaction, and of
//! a zone's service to a shard. Pure.
//!
//! The simulator kills machines at every step of theirs. What it has no way to try are real processes: requests that are on
//! their way to a real store, datagrams that have left or have not. These points are where those differ. The driver passes
//! each where it carries out what the machine asked, or hands it what came; nothing of them is inside the machine.

use darkages_store::{Fence, OwnerRecord, Phase};
use darkages_topology::ShardId;

use super::message::PeerMessage;
use super::subject::{Cause, Subject};

/// A moment at which a zone can be told to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CrashPoint {
    /// Giver: PREPARE has left.
    PrepareSent,
    /// Giver: the client has been told to attach to the taker.
    RedirectSent,
    /// Giver: the taker has said that the client is attached; nothing is asked of the store yet.
    Attached,
    /// Giver: the commit is on its way to the store, which may do it or not.
    CommitAsked,
    /// Giver: the store has done the commit, and the giver does not know.
    CommitDone,
    /// Giver: it knows that it has committed, and acts until the cut.
    Committed,
    /// Giver: it has stopped, and RELEASE has left.
    Released,
    /// Giver: DONE has come.
    Done,
    /// Taker: it has a place for the player, and has said so.
    Prepared,
    /// Taker: the client is attached, and the giver has been told.
    ClientAttached,
    /// Taker: RELEASE was late, and the record shows that the giver has committed.
    CommitKnown,
    /// Taker: RELEASE has come.
    ReleaseReceived,
    /// Taker: it has the player from the record, without a RELEASE.
    TakenOver,
    /// Taker: it has closed the record, and DONE is not said.
    Closed,
    /// A durable transaction is on its way to the store, which may do it or not.
    TransactionAsked,
    /// The store has done a durable transaction, and the client does not know.
    TransactionDone,
    /// The zone was given a shard.
    Assigned,
    /// The zone has its shard's lease and has served nobody.
    LeaseAcquired,
    /// The first player was handed over to the zone since it has its lease.
    FirstPlayer,
    /// The zone's shard is empty and gone from the map; its lease is not released.
    Emptied,
}

/// Whose phase a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The zone that hands a player over.
    Giver,
    /// The zone that takes the player.
    Taker,
    /// Either: the point is of a transaction.
    Transaction,
    /// The point is of the zone's service to a shard.
    Shard,
}

impl CrashPoint {
    /// All points, in the order in which a player, a transaction or a shard comes to them.
    pub const ALL: [Self; 20] = [
        Self::PrepareSent,
        Self::RedirectSent,
        Self::Attached,
        Self::CommitAsked,
        Self::CommitDone,
        Self::Committed,
        Self::Released,
        Self::Done,
        Self::Prepared,
        Self::ClientAttached,
        Self::CommitKnown,
        Self::ReleaseReceived,
        Self::TakenOver,
        Self::Closed,
        Self::TransactionAsked,
        Self::TransactionDone,
        Self::Assigned,
        Self::LeaseAcquired,
        Self::FirstPlayer,
        Self::Emptied,
    ];

    /// Its name on command lines, in the control contract and in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PrepareSent => "prepare-sent",
            Self::RedirectSent => "redirect-sent",
            Self::Attached => "attached",
            Self::CommitAsked => "commit-asked",
            Self::CommitDone => "commit-done",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Done => "done",
            Self::Prepared => "prepared",
            Self::ClientAttached => "client-attached",
            Self::CommitKnown => "commit-known",
            Self::ReleaseReceived => "release-received",
            Self::TakenOver => "taken-over",
            Self::Closed => "closed",
            Self::TransactionAsked => "transaction-asked",
            Self::TransactionDone => "transaction-done",
            Self::Assigned => "assigned",
            Self::LeaseAcquired => "lease-acquired",
            Self::FirstPlayer => "first-player",
            Self::Emptied => "emptied",
        }
    }

    /// The point of this name.
    #[must_use]
    pub fn of_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.label() == label)
    }

    /// Whose phase it is.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::PrepareSent
            | Self::RedirectSent
            | Self::Attached
            | Self::CommitAsked
            | Self::CommitDone
            | Self::Committed
            | Self::Released
            | Self::Done => Side::Giver,
            Self::Prepared
            | Self::ClientAttached
            | Self::CommitKnown
            | Self::ReleaseReceived
            | Self::TakenOver
            | Self::Closed => Side::Taker,
            Self::TransactionAsked | Self::TransactionDone => Side::Transaction,
            Self::Assigned | Self::LeaseAcquired | Self::FirstPlayer | Self::Emptied => Side::Shard,
        }
    }

    /// The point at which the giver must have crashed before a taker comes to this one.
    #[must_use]
    pub const fn after(self) -> Option<Self> {
        match self {
            Self::CommitKnown | Self::TakenOver => Some(Self::Committed),
            _ => None,
        }
    }

    /// Whether what it names has left the process.
    #[must_use]
    pub const fn has_left(self) -> bool {
        matches!(self, Self::PrepareSent | Self::RedirectSent | Self::Released | Self::Prepared | Self::ClientAttached)
    }

    /// Whether what it names is on its way to the store and not answered.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::CommitAsked | Self::TransactionAsked)
    }

    /// The point to which a zone comes by saying this. NPCs come to none: a crash may lose them.
    #[must_use]
    pub const fn sent(message: &PeerMessage) -> Option<Self> {
        match message {
            PeerMessage::Prepare { subject: Subject::Player(_), .. } => Some(Self::PrepareSent),
            PeerMessage::Prepared { subject: Subject::Player(_), .. } => Some(Self::Prepared),
            PeerMessage::Attached { .. } => Some(Self::ClientAttached),
            PeerMessage::Release { subject: Subject::Player(_), .. } => Some(Self::Released),
            PeerMessage::Done { subject: Subject::Player(_), .. } => Some(Self::Closed),
            _ => None,
        }
    }

    /// The point to which a zone comes by hearing this.
    #[must_use]
    pub const fn received(message: &PeerMessage) -> Option<Self> {
        match message {
            PeerMessage::Attached { .. } => Some(Self::Attached),
            PeerMessage::Release { subject: Subject::Player(_), .. } => Some(Self::ReleaseReceived),
            PeerMessage::Done { subject: Subject::Player(_), .. } => Some(Self::Done),
            _ => None,
        }
    }

    /// The point to which the incarnation `me` comes by asking for this record, and the taker.
    #[must_use]
    pub fn asked(next: &OwnerRecord, me: Fence) -> Option<(Self, ShardId)> {
        next.open.filter(|open| open.by == me && !open.released).map(|_| (Self::CommitAsked, next.owner))
    }

    /// The point to which the zone of the shard `me` comes by seeing this record, and the giver.
    #[must_use]
    pub fn seen(record: &OwnerRecord, me: ShardId) -> Option<(Self, ShardId)> {
        let open = record.open.filter(|_| record.owner == me && record.phase() == Phase::Open)?;
        Some((Self::CommitKnown, open.by.shard))
    }

    /// The point to which a zone comes by acting for a player, who may be the `first` that was handed over to it.
    #[must_use]
    pub const fn acting(cause: Cause, first: bool) -> Option<Self> {
        match cause {
            Cause::TakenOver | Cause::TakenFromRecord => Some(Self::TakenOver),
            Cause::Released if first => Some(Self::FirstPlayer),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        for point in CrashPoint::ALL {
            assert_eq!(CrashPoint::of_label(point.label()), Some(point));
        }
        assert_eq!(CrashPoint::of_label("commit"), None);
    }

    #[test]
    fn what_comes_after_a_crash_of_the_giver_is_the_takers() {
        for point in CrashPoint::ALL {
            let Some(before) = point.after() else { continue };
            assert_eq!((before.side(), point.side()), (Side::Giver, Side::Taker));
        }
    }
}
