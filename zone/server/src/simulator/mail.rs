//! What travels between the parts of the model.

use std::rc::Rc;

use darkages_store::{Fence, OwnerRecord, PlayerData, Swap, Swapped};
use darkages_topology::{HandoffId, InputSeq, OwnerEpoch, PlayerId, ShardEpoch, ShardId};

use super::Time;
use super::map::Map;
use super::store::{Leased, Trade, Traded};
use crate::handoff::{CallId, PeerMessage};

/// A part of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Pod(usize),
    Client(usize),
    Store,
    Operator,
    /// Whoever makes the faults.
    Fate,
}

impl Node {
    /// This node in a set.
    pub const fn bit(self) -> u128 {
        match self {
            Self::Store => 1,
            Self::Operator => 2,
            Self::Fate => 4,
            Self::Pod(pod) => 8 << pod,
            Self::Client(client) => 1 << (32 + client),
        }
    }
}

/// Something that arrives somewhere. `life` tells the lives of a pod apart: what is for an earlier one is dropped.
#[derive(Clone, Debug)]
pub enum Mail {
    /// A pod's or client's own time.
    Tick {
        life: u32,
    },
    /// A pod has heard nothing of the store for too long.
    CallTimeout {
        life: u32,
        epoch: ShardEpoch,
        call: CallId,
        player: PlayerId,
    },
    /// A store's answer to a pod.
    Reply {
        life: u32,
        reply: Reply,
    },

    /// Pod to pod.
    Hello {
        from: Fence,
        pod: usize,
    },
    Peer {
        from: Fence,
        to: Fence,
        message: Box<PeerMessage>,
    },
    /// The players that the sender simulates.
    Frame {
        from: ShardId,
        simulated: u64,
    },
    /// Bring this player here, for a durable action.
    Bring {
        player: PlayerId,
        to: ShardId,
    },

    /// Client to pod.
    Attach {
        client: usize,
        conn: u32,
        shard: ShardId,
        handoff: Option<HandoffId>,
    },
    Inputs {
        client: usize,
        conn: u32,
        from: InputSeq,
        to: InputSeq,
        acked: Option<u32>,
    },
    AskTrade {
        client: usize,
        conn: u32,
        request: u32,
        with: PlayerId,
    },
    Leave {
        client: usize,
        conn: u32,
    },
    Bye {
        client: usize,
        conn: u32,
    },

    /// Pod to client.
    Welcome {
        conn: u32,
    },
    Snapshot(Snapshot),
    Redirect {
        conn: u32,
        shard: ShardId,
        pod: usize,
        handoff: HandoffId,
        owner_epoch: OwnerEpoch,
    },
    Closed {
        conn: u32,
    },
    TradeDone {
        request: u32,
    },

    /// The directory's answer to a client.
    Joined {
        pod: usize,
        shard: ShardId,
    },

    /// Operator to pod, and back.
    Map(Rc<Map>),
    OperatorAnswer {
        epoch: ShardEpoch,
        round: u64,
        reaches_store: bool,
    },
    Heartbeat {
        pod: usize,
        serves: Option<ShardId>,
        is_empty: bool,
    },
    OperatorProbe {
        pod: usize,
        fence: Fence,
        round: u64,
    },

    /// To the store.
    Ask {
        pod: usize,
        life: u32,
        ask: Ask,
    },
}

/// What a pod asks of the store.
#[derive(Clone, Debug)]
pub enum Ask {
    Acquire { asked: Time, shard: ShardId },
    Renew { asked: Time, fence: Fence },
    GiveUp { fence: Fence },
    Look { epoch: ShardEpoch, call: CallId, player: PlayerId },
    Swap { fence: Fence, call: CallId, swap: Box<Swap> },
    Save { fence: Fence, player: PlayerId, epoch: OwnerEpoch, data: PlayerData },
    Trade { fence: Fence, trade: Box<Trade> },
}

/// What the store answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Leased {
        asked: Time,
        leased: Leased,
    },
    Looked {
        epoch: ShardEpoch,
        call: CallId,
        player: PlayerId,
        record: Option<OwnerRecord>,
    },
    Swapped {
        epoch: ShardEpoch,
        call: CallId,
        player: PlayerId,
        swapped: Swapped,
    },
    Refused {
        player: PlayerId,
        epoch: OwnerEpoch,
    },
    Traded {
        trade: Box<Trade>,
        traded: Traded,
    },
    /// The store says that it is away.
    Away,
}

/// A snapshot for one client.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub conn: u32,
    pub number: u32,
    /// The snapshot that it is a difference from; `None` for a keyframe.
    pub baseline: Option<u32>,
    pub epoch: OwnerEpoch,
    pub tick: u64,
    pub applied: InputSeq,
    pub visible: u64,
}
