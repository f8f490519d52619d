//! What a driver tells the machine.

use std::time::Duration;

use darkages_store::{Fence, OwnerRecord, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardId, Tick};

use super::action::CallId;
use super::message::PeerMessage;
use super::subject::{Reason, Subject};

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The tick that this zone simulates next. Never goes back.
    pub tick: Tick,
    /// Time of this process since some fixed moment, from a clock that goes on while the process is frozen. Read anew for
    /// each event: a lease is judged by it.
    pub elapsed: Duration,
}

/// Something that happened to a zone. A driver passes each with the moment at which it passes it, not at which it arrived.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A tick is about to be simulated. Passed once for each, after everything that arrived and before inputs are applied.
    Tick,

    /// Whether this zone lets players in by handoffs; while it does not, PREPAREs are not answered. A machine starts ready.
    /// A driver tells a new one that it is not, until each neighbour has sent a frame or half a second has passed: whoever
    /// came earlier would see everybody else vanish for a moment (I6). And it tells one whose shard has lost its ground, so
    /// that a zone that is empty stays empty.
    Ready {
        /// Whether it does.
        ready: bool,
    },
    /// The lease was acquired or renewed and may be relied upon until this time: the moment at which it was *asked for* plus
    /// its duration.
    Lease {
        /// By the clock of [`Moment::elapsed`].
        until: Duration,
    },
    /// The store says that this incarnation is over.
    LeaseOver,
    /// The store refused a write because the lease has run out. That ends an incarnation which takes its lease to be live, and
    /// says nothing to one that plays on.
    WriteFenced,
    /// The store answers, or it does not: told when it changes, from any request including the renewals.
    StoreReach {
        /// Whether it answers.
        reached: bool,
    },
    /// The operator's answer to [`Action::ProbeOperator`](super::Action::ProbeOperator). Neighbours answer by messages. An
    /// operator that answers `false` promises to assign this shard to nobody else for [`PROMISE`](super::limits::PROMISE).
    OperatorAnswer {
        /// The round that is answered.
        round: u64,
        /// Whether the operator reaches the store.
        reaches_store: bool,
    },

    /// There is a session with this incarnation of another shard.
    PeerUp {
        /// Which one.
        peer: Fence,
    },
    /// The session with it is gone; it may be alive.
    PeerDown {
        /// Which one.
        peer: Fence,
    },
    /// A message of another zone.
    Peer {
        /// Who sent it, as its session proves.
        from: Fence,
        /// The incarnation that it was meant for, as the message says.
        to: Fence,
        /// What it says.
        message: PeerMessage,
    },

    /// The answer to [`Action::Store`](super::Action::Store). Exactly one comes for each call, however late.
    Stored {
        /// Which call.
        call: CallId,
        /// Whose.
        player: PlayerId,
        /// What the store said.
        answer: StoreAnswer,
    },
    /// The store refused a checkpoint or a transaction of this player because this zone does not act for them under that
    /// owner epoch (not because of its version): the record is not what the machine thinks. Ignored when the machine has
    /// learnt better meanwhile.
    WriteRefused {
        /// Whose.
        player: PlayerId,
        /// What the write carried.
        owner_epoch: OwnerEpoch,
    },

    /// A client has attached for this player. A client that attached for one handoff is none for another: the giver would
    /// commit, and let go of a client that is not there.
    Attached {
        /// For whom.
        player: PlayerId,
        /// The handoff whose redirect sent it; `None` when it came through the directory.
        handoff: Option<HandoffId>,
    },
    /// The client's session is gone. The player stays in the world until [`Event::Leave`].
    Detached {
        /// Whose.
        player: PlayerId,
    },
    /// The player leaves the world: asked for it, or was without a client for too long.
    Leave {
        /// Who.
        player: PlayerId,
    },
    /// A client's request that must not start here because [`ZoneMachine::may_start_durable`](super::ZoneMachine::may_start_durable)
    /// said that a handoff is being committed. It goes along to the taker, or comes back by
    /// [`Action::Resume`](super::Action::Resume).
    Command {
        /// Whose.
        player: PlayerId,
        /// The request, opaque.
        command: Box<[u8]>,
    },

    /// A subject ought to be on another shard. May be told every tick; the newest holds.
    Want {
        /// Who or what.
        subject: Subject,
        /// Where it ought to be.
        to: ShardId,
        /// Why.
        reason: Reason,
    },
    /// The subject may stay after all, for instance because it walked back.
    Unwant {
        /// Who or what.
        subject: Subject,
    },
}

/// What the store said to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreAnswer {
    /// The record, `None` when there is none.
    Looked(Option<OwnerRecord>),
    /// The answer to a swap.
    Swapped(Swapped),
    /// There was none: an error, or too late. A swap may have taken effect.
    Unavailable,
}
