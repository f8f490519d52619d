//! Ghosts: entities of neighbouring shards as their owners last showed them. They can be seen and aimed at; nothing here
//! simulates them.

use darkages_topology::{EntityId, PlayerId, Position, ShardId, Tick};
use serde::{Deserialize, Serialize};

use crate::view::EntityView;

/// Ghosts of one shard, at most.
pub const MAX_GHOSTS: usize = 8_192;

/// Simulated ticks after which a ghost that its owner no longer shows is gone: 1 s. Shorter than a lease, so that a dead
/// zone's players do not stand about as ghosts until they are back. Ticks that this zone skipped do not count: what it missed
/// while it stood still, its neighbours did show.
pub const GHOST_LIFETIME_TICKS: u8 = 60;

/// A ghost as its owner shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GhostState {
    /// What clients are shown.
    pub view: EntityView,
    /// The player, when it is one.
    pub player: Option<PlayerId>,
    /// The shard that owns it.
    pub from_shard: ShardId,
    /// The owner's tick.
    pub tick: Tick,
}

impl GhostState {
    /// The entity.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.view.entity
    }

    /// Its place.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.view.position
    }
}

/// What became of a ghost that a neighbour showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// It is shown now.
    Done,
    /// This shard owns the entity.
    Owned,
    /// A newer one is shown already.
    Older,
    /// [`MAX_GHOSTS`] are shown already.
    Full,
}

impl Shown {
    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Owned => "owned",
            Self::Older => "older",
            Self::Full => "full",
        }
    }
}

/// A ghost and the ticks that this shard has simulated since its owner last showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ghost {
    pub(crate) state: GhostState,
    pub(crate) age: u8,
}
