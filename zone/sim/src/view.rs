//! What an entity looks like from outside: all that replication and ghost frames show of it.

use darkages_topology::{EntityId, Position};
use serde::{Deserialize, Serialize};

use crate::motion::{Heading, SpeedClass};

/// What an entity is. Three bits on the wire; the numbers are part of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A player.
    #[default]
    Player = 0,
    /// A creature without a client.
    Npc = 1,
    /// Gold or items on the ground.
    Loot = 2,
}

impl Kind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Player),
            1 => Some(Self::Npc),
            2 => Some(Self::Loot),
            _ => None,
        }
    }
}

/// The flag of an entity that is dead.
pub const FLAG_DEAD: u8 = 1;

/// The flag of an entity that attacked within the last quarter of a second, so that clients can draw the blow.
pub const FLAG_ATTACKING: u8 = 2;

/// One entity as others see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityView {
    /// Which one.
    pub entity: EntityId,
    /// Its place.
    pub position: Position,
    /// Where it looks and walks.
    pub heading: Heading,
    /// How it moves.
    pub speed: SpeedClass,
    /// What it is.
    pub kind: Kind,
    /// Its hit points, 0 to 100.
    pub hit_points: u8,
    /// [`FLAG_DEAD`] and [`FLAG_ATTACKING`].
    pub flags: u8,
    /// The low eight bits of the player's newest applied input; 0 for others.
    pub input: u8,
}
