//! A small world for tests.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use darkages_protocol::InputValue;
use darkages_server::{ZoneConfig, ZoneHandle, ZoneState, spawn};
use darkages_sim::{DefaultGame, default_game::Rules};
use darkages_store::faulty::{Faults, Faulty};
use darkages_store::{Embedded, Store};
use darkages_topology::{Axis, Position, Rect, ShardId, Side, Topology, ZoneId};
use tokio::runtime::Runtime;

use crate::client::{DEADLINE, WORLD_KEY};

pub const EAST: InputValue = InputValue { heading: 0, moving: true, sprinting: false };
pub const STILL: InputValue = InputValue { heading: 0, moving: false, sprinting: false };

/// A world of some zones in this process, with a store in a folder.
pub struct World {
    runtime: Runtime,
    store: Arc<dyn Store>,
    pub zones: Vec<ZoneHandle>,
    /// What befalls the calls to the store.
    pub faults: Faults,
    topology: Topology,
}

impl World {
    pub fn open(data: &Path, zones: usize) -> Self {
        Self::open_with(data, zones, |_| {})
    }

    /// With another configuration of its zones.
    pub fn open_with(data: &Path, zones: usize, change: impl Fn(&mut ZoneConfig<Rules>)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let embedded = Arc::new(Embedded::open(&data.join("world.redb"), "test").expect("a store"));
        let faults = Faults::new(1);
        let store: Arc<dyn Store> = Arc::new(Faulty::new(embedded, faults.clone()));
        let bounds = Rect::from_metres(0.0, 0.0, 1_000.0, 1_000.0).expect("bounds");
        let mut topology = Topology::whole(bounds).expect("a map");
        let start = |number: usize| {
            let zone = ZoneId(format!("zone-{number}"));
            let mut config = ZoneConfig {
                rules: Rules { npcs_per_square_km: 0, ..Rules::default() },
                ..ZoneConfig::new(zone, "127.0.0.1:0".parse().expect("an address"), WORLD_KEY)
            };
            change(&mut config);
            spawn::<DefaultGame>(config, store.clone(), runtime.handle()).expect("a zone")
        };
        let zones: Vec<_> = (0..zones).map(start).collect();
        topology = topology.assign(ShardId(1), zones[0].endpoint().clone()).expect("assigned");
        zones[0].assign(ShardId(1), Arc::new(topology.clone())).expect("told");
        await_that("the zone serves", || zones[0].stats().state == ZoneState::Serving);
        Self { runtime, store, zones, faults, topology }
    }

    /// Cuts the only shard at `x` metres; the eastern side goes to the second zone.
    pub fn split_at(&mut self, x: i32) -> ShardId {
        let there = self.zones[1].endpoint().clone();
        let at = Position::from_metres(x, 0).x;
        let (map, id) = self.topology.split(ShardId(1), Axis::X, at, Side::High, Some(there)).expect("a cut");
        self.topology = map;
        self.zones[1].assign(id, Arc::new(self.topology.clone())).expect("told");
        self.push();
        id
    }

    /// Gives the ground of the second zone back to the first, and takes it off the map once it is empty.
    pub fn merge_back(&mut self, id: ShardId) {
        self.topology = self.topology.merge(id, ShardId(1)).expect("siblings");
        self.push();
        let is_empty = || self.zones[1].stats().state == ZoneState::Retiring && self.zones[1].stats().empty;
        await_that("the zone is empty", is_empty);
        self.topology = self.topology.retired(id).expect("it is retiring");
        self.push();
    }

    fn push(&self) {
        let map = Arc::new(self.topology.clone());
        for zone in &self.zones {
            zone.push_topology(map.clone()).expect("told");
        }
    }

    pub fn close(self) {
        for zone in &self.zones {
            zone.shutdown();
            assert_eq!(zone.totals().faults, 0, "the store found no fault in the handoffs");
        }
        self.runtime.block_on(self.store.close()).expect("the store closes");
    }
}

pub fn await_that(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

pub fn metres(x: i32, y: i32) -> Position {
    Position::from_metres(x, y)
}
