//! The bytes of messages between zones: bincode (variable-length integers) of mirror types, so that a change of the types
//! that the machine uses does not change the wire by accident.

use bincode::{Decode, Encode};
use darkages_store::{PlayerData, StateVersion};
use darkages_topology::{EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, ShardEpoch, ShardId, Tick};

use super::message::PeerMessage;
use super::subject::{Reason, Refusal, Subject};

#[derive(Encode, Decode)]
pub(super) struct WirePacket {
    pub shard: u32,
    pub epoch: u64,
    pub message: WireMessage,
}

#[derive(Encode, Decode)]
pub(super) struct WireId {
    from: u32,
    from_epoch: u64,
    number: u64,
}

#[derive(Encode, Decode)]
pub(super) enum WireSubject {
    Player(u64),
    Npc(u64),
}

#[derive(Encode, Decode)]
pub(super) enum WireReason {
    Border,
    Ground,
    Durable,
}

#[derive(Encode, Decode)]
pub(super) enum WireRefusal {
    Full,
    Busy,
}

#[derive(Encode, Decode)]
pub(super) struct WireData {
    state: Vec<u8>,
    version: u64,
    last_input: u32,
    x: i32,
    y: i32,
}

/// The order of the variants is the wire: add at the end only.
#[derive(Encode, Decode)]
pub(super) enum WireMessage {
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
