//! What the default game keeps of entities without a client.

use darkages_topology::{Position, Tick};
use serde::{Deserialize, Serialize};

use super::Item;

/// An entity without a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thing {
    /// A creature.
    Npc(Npc),
    /// Gold and items on the ground.
    Loot(Loot),
}

/// A creature that wanders about its home. It owns nothing: its loot is made when it dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Npc {
    /// Hit points, 1 to 100.
    pub hit_points: u8,
    /// Where it belongs.
    pub home: Position,
    /// Whether it walks.
    pub walking: bool,
    /// Until when it walks or rests.
    pub until: Tick,
}

/// Gold and items on the ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loot {
    /// Pieces of gold.
    pub gold: u64,
    /// Items.
    pub items: Vec<Item>,
    /// When it is gone.
    pub until: Tick,
}
