//! What travels with an entity when it changes its zone, and what the store keeps of a player.

use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::event::{Outcome, RequestId};
use crate::input::{InputValue, MAX_CREDITS, MAX_QUEUED_INPUTS};
use crate::motion::Body;

/// Durable requests whose outcome a player's state remembers, so that a request repeated after a crash is answered, not
/// done again.
pub const MAX_SETTLED: usize = 16;

/// Actions from other shards that an entity remembers, so that none is applied twice.
pub const MAX_SEEN_ACTIONS: usize = 64;

/// How long an action from another shard may be under way, in ticks: 5 s. Older ones are refused, so they can be forgotten.
pub const ACTION_LIFETIME_TICKS: u64 = 300;

/// An action of an entity against one of another shard, unique in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActionId {
    /// The shard that it comes from.
    pub shard: ShardId,
    /// Its incarnation.
    pub epoch: ShardEpoch,
    /// Counter of that incarnation.
    pub number: u64,
}

/// The actions from other shards that an entity has suffered of late. It travels with the entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenActions(Vec<(ActionId, Tick)>);

/// What became of an action from another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was applied now.
    Done,
    /// It was applied before.
    Duplicate,
    /// The target is not on this shard: carry the action to its owner.
    NotHere,
    /// It was under way for more than [`ACTION_LIFETIME_TICKS`].
    Expired,
    /// The target suffers more actions than it can remember; nothing was applied.
    Crowded,
}

impl Applied {
    /// Every result, for counters that start at zero.
    pub const ALL: [Self; 5] = [Self::Done, Self::Duplicate, Self::NotHere, Self::Expired, Self::Crowded];

    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::NotHere => "not_here",
            Self::Expired => "expired",
            Self::Crowded => "crowded",
        }
    }
}

impl SeenActions {
    /// Remembers the action `id`, sent at `sent`, unless it must not be applied.
    pub(crate) fn note(&mut self, id: ActionId, sent: Tick, now: Tick) -> Applied {
        if now.since(sent) > ACTION_LIFETIME_TICKS {
            return Applied::Expired;
        }
        if self.0.iter().any(|(seen, _)| *seen == id) {
            return Applied::Duplicate;
        }
        self.0.retain(|(_, sent)| now.since(*sent) <= ACTION_LIFETIME_TICKS);
        if self.0.len() >= MAX_SEEN_ACTIONS {
            return Applied::Crowded;
        }
        // A sender whose clock runs ahead could otherwise keep its entry for ever.
        self.0.push((id, sent.min(now.plus(ACTION_LIFETIME_TICKS))));
        Applied::Done
    }
}

/// The outcomes of a player's latest durable requests, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled(Vec<(RequestId, Outcome)>);

impl Settled {
    /// What was answered to `request`.
    #[must_use]
    pub fn outcome(&self, request: RequestId) -> Option<Outcome> {
        self.0.iter().find(|(settled, _)| *settled == request).map(|(_, outcome)| *outcome)
    }

    pub(crate) fn note(&mut self, request: RequestId, outcome: Outcome) {
        if self.0.len() >= MAX_SETTLED {
            self.0.remove(0);
        }
        self.0.push((request, outcome));
    }
}

/// All of a player: what a handoff carries and the store keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayerState<C> {
    /// Who it is.
    pub player: PlayerId,
    /// What others see it as, for as long as the player stays in the world.
    pub entity: EntityId,
    /// Where it is.
    pub body: Body,
    /// Ticks since its last input, up to 255.
    pub silent: u8,
    /// The newest input that was applied.
    pub last_input: InputSeq,
    /// The inputs after that one which wait, oldest first.
    pub pending: Vec<InputValue>,
    /// Steps that it may catch up.
    pub credits: u8,
    /// Durable requests that were answered.
    pub settled: Settled,
    /// Actions from other shards that were applied.
    pub seen: SeenActions,
    /// What the game keeps of it.
    pub character: C,
}

/// Why a state cannot be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// The player or the entity is on this shard already.
    #[error("it is on this shard already")]
    AlreadyHere,
    /// The shard holds as many as it can.
    #[error("the shard is full")]
    Full,
    /// Outside the world's bounds, or numbers that no zone writes.
    #[error("the state is not sound")]
    Unsound,
}

impl InsertError {
    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::AlreadyHere => "already_here",
            Self::Full => "shard_full",
            Self::Unsound => "state_unsound",
        }
    }
}

impl<C> PlayerState<C> {
    /// Its place.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.body.position
    }

    /// Whether a zone could have written this state.
    pub(crate) fn is_sound(&self, bounds: &Rect) -> bool {
        self.body.is_sound(bounds)
            && self.pending.len() <= MAX_QUEUED_INPUTS
            && self.credits <= MAX_CREDITS
            && self.settled.0.len() <= MAX_SETTLED
            && self.seen.0.len() <= MAX_SEEN_ACTIONS
    }
}

impl<C: Serialize + DeserializeOwned> PlayerState<C> {
    /// The bytes of this state, for handoffs and the store.
    ///
    /// # Errors
    /// When the game's part makes it longer than [`codec::MAX_STATE_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(self)
    }

    /// The state in `bytes`.
    ///
    /// # Errors
    /// When the bytes are of another format, too long, malformed or too many.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes)
    }
}

/// All of an entity without a client: what a handoff carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThingState<T> {
    /// What clients see it as.
    pub entity: EntityId,
    /// Where it is.
    pub body: Body,
    /// Actions from other shards that were applied.
    pub seen: SeenActions,
    /// What the game keeps of it.
    pub thing: T,
}

impl<T> ThingState<T> {
    /// Whether a zone could have written this state.
    pub(crate) fn is_sound(&self, bounds: &Rect) -> bool {
        self.body.is_sound(bounds) && self.seen.0.len() <= MAX_SEEN_ACTIONS
    }
}

impl<T: Serialize + DeserializeOwned> ThingState<T> {
    /// The bytes of this state, for handoffs.
    ///
    /// # Errors
    /// When the game's part makes it longer than [`codec::MAX_STATE_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(self)
    }

    /// The state in `bytes`.
    ///
    /// # Errors
    /// When the bytes are of another format, too long, malformed or too many.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes)
    }
}
