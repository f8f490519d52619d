//! What can be seen from a shard at one tick, encoded once for all clients.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use darkages_protocol::{EntityState, Kind, SpeedClass};
use darkages_sim::EntityView;
use darkages_topology::EntityId;

use super::grid::Grid;

/// Ticks after which the handles of entities that are gone are used again: a second.
const SWEEP_TICKS: u32 = 60;

/// A small number for an entity, so that what clients are shown of it is found without hashing. It is used again once the
/// entity is gone, so whoever finds something by it checks whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handle(pub u32);

/// Everything that replication reads at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The entities, own ones and ghosts.
    pub views: &'a [EntityView],
    /// The same as clients are shown them, in the same order.
    pub states: &'a [EntityState],
    /// Their handles, in the same order.
    pub handles: &'a [Handle],
    /// Where they are.
    pub grid: &'a Grid,
}

/// Grid, states and handles, kept from tick to tick.
#[derive(Debug, Default)]
pub struct SceneBuilder {
    states: Vec<EntityState>,
    handles: Vec<Handle>,
    grid: Grid,
    given: HashMap<EntityId, Given, BuildHasherDefault<IdHasher>>,
    free: Vec<Handle>,
    next: u32,
    built: u32,
}

/// A handle and when its entity was seen last.
#[derive(Clone, Copy, Debug)]
struct Given {
    handle: Handle,
    seen: u32,
}

/// Entity ids are counters: one multiplication spreads them enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

impl SceneBuilder {
    /// The scene of these views.
    pub fn build<'a>(&'a mut self, views: &'a [EntityView]) -> Scene<'a> {
        self.states.clear();
        self.states.extend(views.iter().map(state_of));
        self.name(views);
        self.grid.rebuild(views);
        Scene { views, states: &self.states, handles: &self.handles, grid: &self.grid }
    }

    /// Gives every entity its handle, and takes back those of entities that are gone.
    fn name(&mut self, views: &[EntityView]) {
        self.built = self.built.wrapping_add(1);
        let Self { handles, given, free, next, built, .. } = self;
        let built = *built;
        handles.clear();
        handles.extend(views.iter().map(|view| {
            let given = given.entry(view.entity).or_insert_with(|| {
                let handle = free.pop().unwrap_or_else(|| {
                    *next += 1;
                    Handle(*next - 1)
                });
                Given { handle, seen: built }
            });
            given.seen = built;
            given.handle
        }));
        if built.is_multiple_of(SWEEP_TICKS) {
            given.retain(|_, given| {
                let is_gone = given.seen != built;
                if is_gone {
                    free.push(given.handle);
                }
                !is_gone
            });
        }
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

#[cfg(test)]
mod tests {
    use darkages_topology::ShardId;

    use super::*;

    fn views(numbers: std::ops::Range<u64>) -> Vec<EntityView> {
        let view = |number| EntityView { entity: EntityId::new(ShardId(1), number), ..EntityView::default() };
        numbers.map(view).collect()
    }

    #[test]
    fn an_entity_keeps_its_handle_and_no_two_share_one() {
        let mut builder = SceneBuilder::default();
        let first = builder.build(&views(0..50)).handles.to_vec();
        for _ in 0..3 * SWEEP_TICKS {
            assert_eq!(builder.build(&views(0..50)).handles, first);
        }
        let mut all: Vec<_> = builder.build(&views(25..75)).handles.iter().map(|handle| handle.0).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 50);
    }

    #[test]
    fn handles_of_the_gone_are_used_again() {
        let mut builder = SceneBuilder::default();
        for round in 0..100 {
            for _ in 0..=SWEEP_TICKS {
                builder.build(&views(round * 10..round * 10 + 10));
            }
        }
        assert!(builder.next <= 30, "{} handles for ten entities at a time", builder.next);
    }
}
