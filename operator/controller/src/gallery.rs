//! The newest picture of each world, hung up by its steward, for whoever asks the acting operator.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use darkages_crds::ZoneServer;
use darkages_crds::picture::{WorldEvent, WorldPicture, ZoneLife, ZonePicture};
use darkages_plan::{Life, Look};
use darkages_topology::Topology;
use kube::runtime::reflector::ObjectRef;

/// What a steward sees at one moment.
#[derive(Clone, Debug)]
pub struct Scene {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The shard map.
    pub map: Topology,
    /// Players that the world takes in, at most.
    pub capacity: u32,
    /// What zones say.
    pub looks: Vec<Look>,
    /// What was done to the map lately.
    pub events: Arc<Vec<WorldEvent>>,
}

/// The newest picture of each world.
#[derive(Clone, Debug, Default)]
pub struct Gallery(Arc<Mutex<HashMap<ObjectRef<ZoneServer>, Arc<Scene>>>>);

impl Gallery {
    /// Hangs up a picture in place of the last one.
    pub fn show(&self, world: &ObjectRef<ZoneServer>, scene: Scene) {
        self.pictures().insert(world.clone(), Arc::new(scene));
    }

    /// Takes a world's picture down.
    pub fn remove(&self, world: &ObjectRef<ZoneServer>) {
        self.pictures().remove(world);
    }

    /// The newest picture of a world, if there is one.
    #[must_use]
    pub fn picture(&self, world: &ObjectRef<ZoneServer>) -> Option<WorldPicture> {
        let scene = self.pictures().get(world).cloned()?;
        let Scene { unix_ms, map, capacity, looks, events } = &*scene;
        Some(picture(*unix_ms, map, *capacity, looks, events))
    }

    fn pictures(&self) -> MutexGuard<'_, HashMap<ObjectRef<ZoneServer>, Arc<Scene>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is seen at one moment, in the words of whoever asks for it.
#[must_use]
pub fn picture(unix_ms: u64, map: &Topology, capacity: u32, looks: &[Look], events: &[WorldEvent]) -> WorldPicture {
    let zones = looks.iter().map(zone).collect();
    WorldPicture { unix_ms, map: map.clone(), capacity, zones, events: events.to_vec() }
}

fn zone(look: &Look) -> ZonePicture {
    let micros = |time: std::time::Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    ZonePicture {
        zone: look.endpoint.zone.0.clone(),
        shard: look.shard.map(|shard| shard.0),
        state: match look.life {
            Life::Standby => ZoneLife::Standby,
            Life::Acquiring => ZoneLife::Acquiring,
            Life::Serving => ZoneLife::Serving,
            Life::Retiring => ZoneLife::Retiring,
            Life::Over => ZoneLife::Over,
        },
        draining: look.draining,
        tick_work_p95_us: micros(look.tick_p95),
        tick_p99_us: micros(look.tick_p99),
        ghosts: look.costs.ghosts,
        open_handoffs: look.open_handoffs,
        silent_for_ms: u64::try_from(look.silent_for.as_millis()).unwrap_or(u64::MAX),
        positions: look.positions.iter().map(|place| [place.x, place.y]).collect(),
        handles: look.handles.clone(),
    }
}
