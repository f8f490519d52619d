//! What zones write besides swaps: checkpoints, durable transactions and the event log.

use std::time::Duration;

use darkages_topology::{OwnerEpoch, PlayerId, ShardEpoch, ShardId, Tick};

use crate::owner::{OwnerRecord, PlayerData};

/// The data of one player at some moment, to be kept in the owner record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose.
    pub player: PlayerId,
    /// The owner epoch *of the record* under which the writer acts: its own; after it committed a handoff, the one that
    /// the commit wrote.
    pub owner_epoch: OwnerEpoch,
    /// The data. Its version must be the record's: it says which durable transactions are in the state.
    pub data: PlayerData,
}

/// Answer to one [`Checkpoint`] of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saved {
    /// It is in the record. It survives a crash of the zone, and one of the store unless that comes within
    /// [`CHECKPOINT_FLUSH`](crate::limits::CHECKPOINT_FLUSH).
    Done,
    /// The player has no record.
    Absent,
    /// The writer does not act for the player under that owner epoch.
    NotOwner,
    /// The record holds a durable transaction that is not in this state, or the other way round.
    OtherVersion,
}

impl Saved {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Absent => "absent",
            Self::NotOwner => "not_owner",
            Self::OtherVersion => "other_version",
        }
    }
}

/// A request of a player's client. The client chooses a number that is unique among all that this player ever makes (it
/// starts at random and counts), and repeats the same number until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// Who asks.
    pub player: PlayerId,
    /// The client's number.
    pub number: u64,
}

/// Several players' states that change together or not at all, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The request that asks for it. A second transaction of the same request changes nothing and gets the first one's
    /// answer.
    pub request: RequestId,
    /// The states *after* it, with the versions *before* it: the store raises each by one. At most
    /// [`MAX_TRANSACTION_PLAYERS`](crate::limits::MAX_TRANSACTION_PLAYERS), no player twice. May be empty.
    pub states: Vec<Checkpoint>,
    /// What the log says about it.
    pub event: Event,
    /// What the client is told, and told again when it repeats the request; at most
    /// [`MAX_EVENT_BYTES`](crate::limits::MAX_EVENT_BYTES).
    pub answer: Vec<u8>,
}

/// Answer of [`Store::commit`](crate::Store::commit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is durable. The version of each player's state is one higher now.
    Done {
        /// Where the log of the writer's shard has it.
        seq: LogSeq,
    },
    /// The same request was committed before; nothing was changed now.
    Repeated {
        /// The shard whose log has it.
        shard: ShardId,
        /// Where that log has it.
        seq: LogSeq,
        /// The answer of the first time.
        answer: Vec<u8>,
    },
    /// The writer does not act for this player under that owner epoch and version; nothing was changed.
    Refused {
        /// Whose state could not be changed.
        player: PlayerId,
        /// Why.
        why: Saved,
        /// That player's record.
        current: Option<OwnerRecord>,
    },
}

impl Committed {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Repeated { .. } => "repeated",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Place in the log of one shard, from 1. Later entries have higher ones; there may be gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogSeq(pub u64);

impl LogSeq {
    /// The place after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Something that happened in a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// What sort of event; the zones define the numbers.
    pub kind: u16,
    /// When.
    pub tick: Tick,
    /// Details, opaque to the store; at most [`MAX_EVENT_BYTES`](crate::limits::MAX_EVENT_BYTES).
    pub payload: Vec<u8>,
}

/// An event as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place.
    pub seq: LogSeq,
    /// The incarnation that wrote it.
    pub epoch: ShardEpoch,
    /// When the store took it, since the Unix epoch, in whole milliseconds.
    pub at: Duration,
    /// The request whose transaction it is, if any.
    pub request: Option<RequestId>,
    /// What happened.
    pub event: Event,
    /// Of a transaction, the parties' states after it, with the versions that it has raised. A state and the entry that has
    /// it appear together, so that the log tells every state in which a transaction has ever left a player.
    pub states: Vec<Checkpoint>,
}

/// What a store says about its logs as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Which history the logs tell: another one after [`Store::clear`](crate::Store::clear) and in every new store. 0 in one
    /// that was made before histories had numbers.
    pub history: u64,
    /// The time of the clock that stamps entries, since the Unix epoch: no entry that could be read before this call has a
    /// later one, unless that clock is set back.
    pub now: Duration,
    /// Every transaction with this time or an earlier one can be read from now on, or never will.
    pub settled: Duration,
    /// Which entries are gone.
    pub kept: Kept,
}

/// Which entries of its logs a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The newest of each shard. Their places have no gaps, so that the place of the first tells how many are gone.
    Newest,
    /// All that were written since this time; no promise for older ones.
    Since(Duration),
}
