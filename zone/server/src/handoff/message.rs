//! What zones say to each other about handoffs, and its bytes.
//!
//! The bytes are bincode (variable-length integers) of private mirror types, so that a change of the types that the machine
//! uses does not change the wire by accident. They are only ever read from a session that proved to be another zone of this
//! world; they are bounded and must be consumed whole all the same.

use bincode::{Decode, Encode};
use darkages_store::{Fence, PlayerData, StateVersion};
use darkages_topology::{EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, ShardEpoch, ShardId, Tick};

use super::limits::MAX_MESSAGE_BYTES;
use super::subject::{Reason, Refusal, Subject};

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

#[derive(Encode, Decode)]
struct WirePacket {
    shard: u32,
    epoch: u64,
    message: WireMessage,
}

#[derive(Encode, Decode)]
struct WireId {
    from: u32,
    from_epoch: u64,
    number: u64,
}

#[derive(Encode, Decode)]
enum WireSubject {
    Player(u64),
    Npc(u64),
}

#[derive(Encode, Decode)]
enum WireReason {
    Border,
    Ground,
    Durable,
}

#[derive(Encode, Decode)]
enum WireRefusal {
    Full,
    Busy,
}

#[derive(Encode, Decode)]
struct WireData {
    state: Vec<u8>,
    version: u64,
    last_input: u32,
    x: i32,
    y: i32,
}

/// The order of the variants is the wire: add at the end only.
#[derive(Encode, Decode)]
enum WireMessage {
    Prepare {
        id: WireId,
        subject: WireSubject,
        owner_epoch: u64,
        reason: WireReason,
        client: bool,
        sent: u64,
        data: WireData,
    },
    Prepared {
        id: WireId,
        subject: WireSubject,
    },
    Refused {
        id: WireId,
        subject: WireSubject,
        why: WireRefusal,
    },
    Attached {
        id: WireId,
        subject: WireSubject,
    },
    Abort {
        id: WireId,
        subject: WireSubject,
    },
    Release {
        id: WireId,
        subject: WireSubject,
        owner_epoch: u64,
        cut: u64,
        sent: u64,
        data: WireData,
        commands: Vec<Vec<u8>>,
    },
    Done {
        id: WireId,
        subject: WireSubject,
    },
    Probe {
        round: u64,
    },
    ProbeAnswer {
        round: u64,
        reaches_store: bool,
    },
}

impl From<HandoffId> for WireId {
    fn from(HandoffId { from, from_epoch, number }: HandoffId) -> Self {
        Self { from: from.0, from_epoch: from_epoch.0, number }
    }
}

impl From<WireId> for HandoffId {
    fn from(WireId { from, from_epoch, number }: WireId) -> Self {
        Self { from: ShardId(from), from_epoch: ShardEpoch(from_epoch), number }
    }
}

impl From<Subject> for WireSubject {
    fn from(subject: Subject) -> Self {
        match subject {
            Subject::Player(player) => Self::Player(player.0),
            Subject::Npc(entity) => Self::Npc(entity.0),
        }
    }
}

impl From<WireSubject> for Subject {
    fn from(subject: WireSubject) -> Self {
        match subject {
            WireSubject::Player(player) => Self::Player(PlayerId(player)),
            WireSubject::Npc(entity) => Self::Npc(EntityId(entity)),
        }
    }
}

impl From<Reason> for WireReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Border => Self::Border,
            Reason::Ground => Self::Ground,
            Reason::Durable => Self::Durable,
        }
    }
}

impl From<WireReason> for Reason {
    fn from(reason: WireReason) -> Self {
        match reason {
            WireReason::Border => Self::Border,
            WireReason::Ground => Self::Ground,
            WireReason::Durable => Self::Durable,
        }
    }
}

impl From<PlayerData> for WireData {
    fn from(PlayerData { state, version, last_input, position }: PlayerData) -> Self {
        Self { state, version: version.0, last_input: last_input.0, x: position.x, y: position.y }
    }
}

impl From<WireData> for PlayerData {
    fn from(WireData { state, version, last_input, x, y }: WireData) -> Self {
        let position = Position { x, y };
        Self { state, version: StateVersion(version), last_input: InputSeq(last_input), position }
    }
}

impl From<PeerMessage> for WireMessage {
    fn from(message: PeerMessage) -> Self {
        match message {
            PeerMessage::Prepare { handoff, subject, owner_epoch, reason, client, sent, data } => Self::Prepare {
                id: handoff.into(),
                subject: subject.into(),
                owner_epoch: owner_epoch.0,
                reason: reason.into(),
                client,
                sent: sent.0,
                data: data.into(),
            },
            PeerMessage::Prepared { handoff, subject } => {
                Self::Prepared { id: handoff.into(), subject: subject.into() }
            }
            PeerMessage::Refused { handoff, subject, why } => {
                let why = match why {
                    Refusal::Full => WireRefusal::Full,
                    Refusal::Busy => WireRefusal::Busy,
                };
                Self::Refused { id: handoff.into(), subject: subject.into(), why }
            }
            PeerMessage::Attached { handoff, subject } => {
                Self::Attached { id: handoff.into(), subject: subject.into() }
            }
            PeerMessage::Abort { handoff, subject } => Self::Abort { id: handoff.into(), subject: subject.into() },
            PeerMessage::Release { handoff, subject, owner_epoch, cut, sent, data, commands } => Self::Release {
                id: handoff.into(),
                subject: subject.into(),
                owner_epoch: owner_epoch.0,
                cut: cut.0,
                sent: sent.0,
                data: data.into(),
                commands: commands.into_iter().map(Vec::from).collect(),
            },
            PeerMessage::Done { handoff, subject } => Self::Done { id: handoff.into(), subject: subject.into() },
            PeerMessage::Probe { round } => Self::Probe { round },
            PeerMessage::ProbeAnswer { round, reaches_store } => Self::ProbeAnswer { round, reaches_store },
        }
    }
}

impl From<WireMessage> for PeerMessage {
    fn from(message: WireMessage) -> Self {
        match message {
            WireMessage::Prepare { id, subject, owner_epoch, reason, client, sent, data } => Self::Prepare {
                handoff: id.into(),
                subject: subject.into(),
                owner_epoch: OwnerEpoch(owner_epoch),
                reason: reason.into(),
                client,
                sent: Tick(sent),
                data: data.into(),
            },
            WireMessage::Prepared { id, subject } => Self::Prepared { handoff: id.into(), subject: subject.into() },
            WireMessage::Refused { id, subject, why } => {
                let why = match why {
                    WireRefusal::Full => Refusal::Full,
                    WireRefusal::Busy => Refusal::Busy,
                };
                Self::Refused { handoff: id.into(), subject: subject.into(), why }
            }
            WireMessage::Attached { id, subject } => Self::Attached { handoff: id.into(), subject: subject.into() },
            WireMessage::Abort { id, subject } => Self::Abort { handoff: id.into(), subject: subject.into() },
            WireMessage::Release { id, subject, owner_epoch, cut, sent, data, commands } => Self::Release {
                handoff: id.into(),
                subject: subject.into(),
                owner_epoch: OwnerEpoch(owner_epoch),
                cut: Tick(cut),
                sent: Tick(sent),
                data: data.into(),
                commands: commands.into_iter().map(Vec::into_boxed_slice).collect(),
            },
            WireMessage::Done { id, subject } => Self::Done { handoff: id.into(), subject: subject.into() },
            WireMessage::Probe { round } => Self::Probe { round },
            WireMessage::ProbeAnswer { round, reaches_store } => Self::ProbeAnswer { round, reaches_store },
        }
    }
}
