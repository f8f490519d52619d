//! What zones say to each other about handoffs, and its bytes.
//!
//! The bytes are only ever read from a session that proved to be another zone of this world; they are bounded and must be
//! consumed whole all the same.

use darkages_store::{Fence, PlayerData};
use darkages_topology::{HandoffId, OwnerEpoch, ShardEpoch, ShardId, Tick};

use super::limits::MAX_MESSAGE_BYTES;
use super::subject::{Reason, Refusal, Subject};
use super::wire::{WireMessage, WirePacket};

/// A message between two zones. Every one is idempotent: it may arrive late, twice or after its successor.
#[derive(Clone, Debug, PartialEq)]
pub enum PeerMessage {
    /// S→T: reserve a slot for this subject and know it as a ghost.
    Prepare {
        /// The handoff, made by S.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
        /// The owner epoch under which S acts; 0 for NPCs.
        owner_epoch: OwnerEpoch,
        /// Why.
        reason: Reason,
        /// Whether a client will attach.
        client: bool,
        /// S's tick.
        sent: Tick,
        /// The state as of now.
        data: PlayerData,
    },
    /// T→S: reserved.
    Prepared {
        /// The handoff.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
    },
    /// T→S: not now.
    Refused {
        /// The handoff.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
        /// Why.
        why: Refusal,
    },
    /// T→S: the client has attached here.
    Attached {
        /// The handoff.
        handoff: HandoffId,
        /// Whose client.
        subject: Subject,
    },
    /// S→T: forget the handoff; it was not committed.
    Abort {
        /// The handoff.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
    },
    /// S→T: S has stopped; T acts from `cut` on.
    Release {
        /// The handoff.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
        /// The owner epoch under which T acts; 0 for NPCs.
        owner_epoch: OwnerEpoch,
        /// The first tick that S does not simulate.
        cut: Tick,
        /// S's tick when it was sent first.
        sent: Tick,
        /// The final state, with the last applied input.
        data: PlayerData,
        /// Requests that S did not start, in order.
        commands: Vec<Box<[u8]>>,
    },
    /// T→S: T acts and the record is closed; S may forget.
    Done {
        /// The handoff.
        handoff: HandoffId,
        /// Who or what.
        subject: Subject,
    },
    /// Do you reach the store?
    Probe {
        /// Comes back in the answer.
        round: u64,
    },
    /// An answer `false` promises to take nothing from the asker for [`PROMISE`](super::limits::PROMISE).
    ProbeAnswer {
        /// The round that is answered.
        round: u64,
        /// Whether the sender reaches the store.
        reaches_store: bool,
    },
}

impl PeerMessage {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Prepared { .. } => "prepared",
            Self::Refused { .. } => "refused",
            Self::Attached { .. } => "attached",
            Self::Abort { .. } => "abort",
            Self::Release { .. } => "release",
            Self::Done { .. } => "done",
            Self::Probe { .. } => "probe",
            Self::ProbeAnswer { .. } => "probe_answer",
        }
    }

    /// The bytes of this message, bound to the incarnation `to`.
    #[must_use]
    pub fn encode(self, to: Fence) -> Vec<u8> {
        let wire = WirePacket { shard: to.shard.0, epoch: to.epoch.0, message: WireMessage::from(self) };
        bincode::encode_to_vec(wire, bincode::config::standard()).expect("plain numbers and bytes always encode")
    }

    /// The message in these bytes, and the incarnation that it is meant for.
    ///
    /// # Errors
    /// When the bytes are no message, too many, or more than one.
    pub fn decode(bytes: &[u8]) -> Result<(Fence, Self), DecodeError> {
        let config = bincode::config::standard().with_limit::<MAX_MESSAGE_BYTES>();
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(DecodeError::TooLong { length: bytes.len() });
        }
        let (wire, used): (WirePacket, usize) = bincode::decode_from_slice(bytes, config)?;
        if used != bytes.len() {
            return Err(DecodeError::Trailing { extra: bytes.len() - used });
        }
        let to = Fence { shard: ShardId(wire.shard), epoch: ShardEpoch(wire.epoch) };
        Ok((to, wire.message.into()))
    }
}

/// Why bytes are no message.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They are not even the bytes of one.
    #[error("reading a message of another zone")]
    Malformed(#[from] bincode::error::DecodeError),
    /// There are too many.
    #[error("a message of another zone has {length} bytes: at most {MAX_MESSAGE_BYTES}")]
    TooLong {
        /// How many.
        length: usize,
    },
    /// Something follows the message.
    #[error("{extra} bytes follow a message of another zone")]
    Trailing {
        /// How many bytes.
        extra: usize,
    },
}

impl DecodeError {
    /// A static label for metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLong { .. } => "too_long",
            Self::Trailing { .. } => "trailing",
        }
    }
}
