//! The owner record of a player: who owns them, whether a handoff is open, and what is known of them.
//!
//! The record, never the map, says who owns a player. The methods that make the next record of a player are the steps of
//! the handoff; [`transition`](crate::transition) says which of them the store accepts from whom.

use std::fmt;

use darkages_topology::{HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, ShardId, Tick};

use crate::lease::Fence;

/// Counts the durable transactions that are in a player's state. A state that names an older count than the record has was
/// taken before a transaction that the client may have been promised, and must not overwrite it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateVersion(pub u64);

impl StateVersion {
    /// The version after one more transaction.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for StateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// What is kept of a player besides who owns them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayerData {
    /// The player's state, opaque to the store; at most [`MAX_STATE_BYTES`](crate::limits::MAX_STATE_BYTES).
    pub state: Vec<u8>,
    /// The durable transactions in that state.
    pub version: StateVersion,
    /// The last input that is in that state.
    pub last_input: InputSeq,
    /// Where the player stands, so that the owner of the ground can be found without reading the state.
    pub position: Position,
}

/// A handoff that is committed and not yet over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHandoff {
    /// Which one.
    pub id: HandoffId,
    /// The incarnation that committed it. Only this one may take back or release.
    pub by: Fence,
    /// The tick at which the giver stops and the taker starts.
    pub cut_tick: Tick,
    /// Whether the giver has stopped and this record holds the final state.
    pub released: bool,
}

/// Who owns a player, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRecord {
    /// The shard that owns the player.
    pub owner: ShardId,
    /// Raised by one with every change of owner, and when the same shard claims, takes over or takes back.
    pub owner_epoch: OwnerEpoch,
    /// The handoff by which `owner` came to own the player, until it is closed.
    pub open: Option<OpenHandoff>,
    /// State, last input and position, as of the last checkpoint, transaction or swap.
    pub data: PlayerData,
}

/// How far the handoff in a record has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// There is none: the owner acts.
    Closed,
    /// Committed; the giver acts until it releases.
    Open,
    /// Released into the record; the owner may take the player from it.
    Released,
}

/// What a swap expects to find. An owner epoch is reached by one write only, and a phase within it by one more, so the two
/// together name the record exactly (its data apart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expect {
    /// No record: the player is new to the world.
    Absent,
    /// A record with this epoch and phase.
    At {
        /// Its owner epoch.
        owner_epoch: OwnerEpoch,
        /// Its phase.
        phase: Phase,
    },
}

impl Expect {
    /// Whether `current` is what is expected.
    #[must_use]
    pub fn matches(self, current: Option<&OwnerRecord>) -> bool {
        self == current.map_or(Self::Absent, OwnerRecord::expect)
    }
}

impl OwnerRecord {
    /// The record of a player who is new to the world.
    #[must_use]
    pub const fn created(owner: ShardId, data: PlayerData) -> Self {
        Self { owner, owner_epoch: OwnerEpoch(1), open: None, data }
    }

    /// How far the handoff in this record has come.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self.open {
            None => Phase::Closed,
            Some(OpenHandoff { released: false, .. }) => Phase::Open,
            Some(OpenHandoff { released: true, .. }) => Phase::Released,
        }
    }

    /// What a swap of exactly this record expects.
    #[must_use]
    pub const fn expect(&self) -> Expect {
        Expect::At { owner_epoch: self.owner_epoch, phase: self.phase() }
    }

    /// COMMIT: the giver `by` hands the player to `to` at `cut_tick`, with the state as of now.
    #[must_use]
    pub fn committed(&self, to: ShardId, id: HandoffId, by: Fence, cut_tick: Tick, data: PlayerData) -> Self {
        let open = Some(OpenHandoff { id, by, cut_tick, released: false });
        Self { owner: to, owner_epoch: self.owner_epoch.next(), open, data }
    }

    /// RELEASE through the store: the giver has stopped, and this is the final state. `None` when no handoff is open.
    #[must_use]
    pub fn released(&self, data: PlayerData) -> Option<Self> {
        let open = Some(OpenHandoff { released: true, ..self.open? });
        Some(Self { owner: self.owner, owner_epoch: self.owner_epoch, open, data })
    }

    /// The owner has the final state, from a message or from the record, and acts: the handoff is over.
    #[must_use]
    pub const fn closed(&self, data: PlayerData) -> Self {
        Self { owner: self.owner, owner_epoch: self.owner_epoch, open: None, data }
    }

    /// `by` owns the player from now on, with the stored state: a claim, a take-over or a take-back, which all raise the
    /// owner epoch.
    #[must_use]
    pub fn claimed(&self, by: ShardId) -> Self {
        Self { owner: by, owner_epoch: self.owner_epoch.next(), open: None, data: self.data.clone() }
    }

    /// Whether checkpoints and transactions of `writer` may change this record's data: it acts for the player as the
    /// owner, or as the giver that has committed and not released.
    #[must_use]
    pub fn is_written_by(&self, writer: Fence) -> bool {
        match self.open {
            None => self.owner == writer.shard,
            Some(open) => open.by == writer && !open.released,
        }
    }
}

/// One compare-and-swap of an owner record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// Whose record.
    pub player: PlayerId,
    /// What must be there.
    pub expect: Expect,
    /// What is there afterwards.
    pub next: OwnerRecord,
}

/// Answer to one [`Swap`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swapped {
    /// The record is `next` now, durably.
    Done,
    /// The record was not as expected, or its version is not that of `next`: one of them has a durable transaction that the
    /// other has not. This is what is there.
    Conflict(Option<OwnerRecord>),
    /// The writer's incarnation is over.
    Fenced,
    /// A lease that must be over before this step is not: the owner's or the giver's. Ask again when it is.
    Held {
        /// Whose lease.
        shard: ShardId,
        /// Time until it is over, unless it is renewed.
        left: std::time::Duration,
    },
    /// No rule of the handoff leads from the current record to `next` for this writer: the caller has a fault.
    Illegal(crate::transition::Illegal),
}

impl Swapped {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Conflict(_) => "conflict",
            Self::Fenced => "fenced",
            Self::Held { .. } => "held",
            Self::Illegal(_) => "illegal",
        }
    }
}
