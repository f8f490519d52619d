//! What can be seen from a shard at one tick, encoded once for all clients.

use darkages_protocol::{EntityState, Kind, SpeedClass};
use darkages_sim::EntityView;

use super::grid::Grid;

/// Everything that replication reads at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The entities, own ones and ghosts.
    pub views: &'a [EntityView],
    /// The same as clients are shown them, in the same order.
    pub states: &'a [EntityState],
    /// Where they are.
    pub grid: &'a Grid,
}

/// Grid and states, kept from tick to tick for their memory.
#[derive(Debug, Default)]
pub struct SceneBuilder {
    states: Vec<EntityState>,
    grid: Grid,
}

impl SceneBuilder {
    /// The scene of these views.
    pub fn build<'a>(&'a mut self, views: &'a [EntityView]) -> Scene<'a> {
        self.states.clear();
        self.states.extend(views.iter().map(state_of));
        self.grid.rebuild(views);
        Scene { views, states: &self.states, grid: &self.grid }
    }
}

/// An entity as the protocol writes it.
fn state_of(view: &EntityView) -> EntityState {
    let EntityView { entity: _, position, heading, speed, kind, hit_points, flags, input } = *view;
    EntityState {
        position,
        heading: heading.0,
        speed: match speed {
            darkages_sim::SpeedClass::Standing => SpeedClass::Standing,
            darkages_sim::SpeedClass::Walking => SpeedClass::Walking,
            darkages_sim::SpeedClass::Sprinting => SpeedClass::Sprinting,
        },
        kind: match kind {
            darkages_sim::Kind::Player => Kind::Player,
            darkages_sim::Kind::Npc => Kind::Npc,
            darkages_sim::Kind::Loot => Kind::Loot,
        },
        hit_points,
        flags,
        input,
    }
}
