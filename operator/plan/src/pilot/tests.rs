//! The pilot steers made-up zones that do what they are told.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::{CutConfig, MergeConfig, SlideConfig, SplitConfig};
use darkages_topology::{Position, Rect, ZoneId};

use super::*;

const STEP: Duration = Duration::from_millis(100);

fn config() -> PlanConfig {
    PlanConfig {
        split: SplitConfig {
            max_players: 50,
            sustained: Duration::from_millis(250),
            tick_budget: Duration::from_millis(10),
            tick_sustained: Duration::from_secs(5),
            cut: CutConfig::default(),
        },
        merge: MergeConfig { max_players: 25, sustained: Duration::from_secs(3) },
        slide: SlideConfig { differ_percent: 25, sustained: Duration::from_secs(500) },
        cooldown: Duration::from_secs(6),
    }
}

/// Zones that take the shards they are given and hand over a few players a step.
struct MadeUp {
    pilot: Pilot,
    now: Duration,
    zones: Vec<Look>,
    started: u16,
    players: BTreeMap<u32, (usize, Position)>,
    /// Shards whose lease is over.
    lapsed: BTreeSet<ShardId>,
    events: Vec<&'static str>,
    /// How long splits took.
    took: Vec<Duration>,
}

impl MadeUp {
    fn new(map: Topology) -> Self {
        let pilot = Pilot::new(config(), 1, map).expect("the configuration is good");
        let (zones, players) = (Vec::new(), BTreeMap::new());
        let (events, took) = (Vec::new(), Vec::new());
        let lapsed = BTreeSet::new();
        let mut world = Self { pilot, now: Duration::ZERO, zones, started: 10, players, lapsed, events, took };
        world.start();
        world.start();
        world
    }

    fn start(&mut self) {
        self.started += 1;
        self.zones.push(Look::standby(endpoint(&format!("zone-{}", self.started), self.started)));
    }

    fn join(&mut self, players: impl Iterator<Item = (u32, Position)>) {
        for (player, position) in players {
            let shard = self.pilot.map().owner_of(position).expect("it stands in the world").id;
            let zone = self.zones.iter().position(|zone| zone.shard == Some(shard)).expect("the shard is served");
            self.players.insert(player, (zone, position));
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        for (index, zone) in self.zones.iter_mut().enumerate() {
            let here = self.players.iter().filter(|(_, (zone, _))| *zone == index);
            (zone.handles, zone.positions) = here.map(|(player, (_, position))| (*player, *position)).unzip();
        }
        let step = self.pilot.step(self.now, &self.zones, &self.lapsed);
        if let Some((map, operations)) = step.write {
            map.validate().expect("every map that is written tiles its bounds");
            self.events.extend(operations.iter().map(|operation| operation.change.label()));
            self.pilot.written(self.now, map, operations, &self.zones);
        }
        for (operation, took) in step.done {
            if matches!(operation.change, Change::Split { .. }) {
                self.events.push("split done");
                self.took.push(took);
            }
        }
        self.obey();
        self.hand_over();
        let spare = self.zones.iter().filter(|zone| zone.life == Life::Standby).count();
        if spare == 0 {
            self.start();
        }
    }

    fn obey(&mut self) {
        let map = self.pilot.map().clone();
        let index_of = |zones: &[Look], look: &Look| zones.iter().position(|zone| zone.endpoint == look.endpoint);
        let looks = self.zones.clone();
        for order in behind(&map, &looks) {
            let (look, shard) = match order {
                Order::Assign(look, shard) => (look, Some(shard)),
                Order::Push(look) => (look, look.shard),
            };
            let zone = &mut self.zones[index_of(&looks, look).expect("it was just looked at")];
            zone.revision = map.revision();
            let gone = shard.is_none_or(|shard| map.endpoint(shard).is_none());
            (zone.shard, zone.life) = match shard {
                Some(shard) if map.is_retiring(shard) => (Some(shard), Life::Retiring),
                Some(shard) if !gone => (Some(shard), Life::Serving),
                _ => (None, Life::Standby),
            };
        }
    }

    fn hand_over(&mut self) {
        const A_STEP: usize = 5;
        let map = self.pilot.map();
        let owner = |position| map.owner_of(position).map(|shard| shard.id);
        let astray = self.players.values_mut().filter(|(zone, at)| owner(*at) != self.zones[*zone].shard);
        for (zone, at) in astray.take(A_STEP) {
            if let Some(next) = self.zones.iter().position(|look| look.shard == owner(*at)) {
                *zone = next;
            }
        }
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..(time.as_millis() / STEP.as_millis()) {
            self.step();
        }
    }
}

fn endpoint(name: &str, port: u16) -> ZoneEndpoint {
    ZoneEndpoint { zone: ZoneId(name.into()), address: SocketAddr::from(([127, 0, 0, 1], port)), public_key: [0; 32] }
}

fn ground() -> Rect {
    Rect::new(Position::from_metres(0, 0), Position::from_metres(1_000, 1_000)).expect("it has an area")
}

fn spread(players: u32) -> impl Iterator<Item = (u32, Position)> {
    (0..players)
        .map(|player| (player, Position::from_metres((player * 397 % 1_000) as i32, (player * 211 % 1_000) as i32)))
}

#[test]
fn a_new_world_gets_zones_and_splits_when_it_is_full() {
    let mut world = MadeUp::new(Topology::whole(ground()).expect("it is large enough"));
    world.run(Duration::from_secs(1));
    assert_eq!(world.events, ["assign"]);
    world.join(spread(50));
    world.run(Duration::from_secs(3));
    assert_eq!(world.events, ["assign"], "fifty is the limit, not above it");
    world.join(spread(60));
    world.run(Duration::from_secs(3));
    assert_eq!(world.events, ["assign", "split", "split done"]);
    let times = &world.took;
    assert!(times[0] >= Duration::from_millis(250) && times[0] < Duration::from_secs(2), "{times:?}");
    assert!(world.pilot.is_settled());
}

#[test]
fn a_silent_zone_is_replaced_once_its_lease_is_over() {
    let mut world = MadeUp::new(Topology::whole(ground()).expect("it is large enough"));
    world.run(Duration::from_secs(1));
    let zone = world.pilot.map().endpoint(ShardId(1)).expect("it is served").clone();
    let serving = world.zones.iter().position(|look| look.endpoint == zone).expect("it is here");
    world.lapsed.insert(ShardId(1));
    world.run(Duration::from_secs(3));
    assert_eq!(world.events, ["assign"], "it answers, whatever the store says");
    world.lapsed.clear();
    world.zones[serving].silent_for = Duration::from_secs(9);
    world.run(Duration::from_secs(3));
    assert_eq!(world.events, ["assign"], "it may be busy");
    world.lapsed.insert(ShardId(1));
    world.step();
    assert_ne!(world.pilot.map().endpoint(ShardId(1)), Some(&zone), "{:?}", world.events);
}

#[test]
fn when_the_crowd_has_gone_zones_merge_and_stand_by() {
    let mut world = MadeUp::new(Topology::whole(ground()).expect("it is large enough"));
    world.run(Duration::from_secs(1));
    world.join(spread(200));
    world.run(Duration::from_secs(30));
    assert!(world.pilot.map().shards().len() >= 4, "{:?}", world.events);
    world.players.retain(|player, _| *player < 4);
    world.run(Duration::from_secs(60));
    assert_eq!(world.pilot.map().shards().len(), 1, "{:?}", world.events);
    assert!(world.pilot.is_settled());
    let count = |label: &str| world.events.iter().filter(|event| **event == label).count();
    assert_eq!(count("split"), count("merge"));
    let serving = world.zones.iter().filter(|zone| zone.life != Life::Standby).count();
    assert_eq!(serving, 1, "all others wait again");
}

#[test]
fn a_world_that_is_opened_again_gives_its_shards_to_zones_that_live() {
    let old = |number: u16| endpoint(&format!("old-{number}"), number);
    let mut map = Topology::grid(ground(), 3).expect("it is large enough");
    for shard in 1..=3 {
        map = map.assign(ShardId(shard), old(shard as u16)).expect("the shard is there");
    }
    // One of them was being moved when the world was closed.
    let (map, moved) = map.move_to(ShardId(2), old(9)).expect("the shard is served");
    let mut world = MadeUp::new(map);
    world.pilot.at_least = 3;
    world.run(Duration::from_secs(3));
    let map = world.pilot.map();
    assert!(map.retiring().is_empty());
    let lives =
        |zone: &ZoneEndpoint| world.zones.iter().any(|look| look.endpoint == *zone && look.life == Life::Serving);
    assert!(map.shards().iter().all(|shard| shard.zone.as_ref().is_some_and(lives)), "{map:?}");
    assert!(map.shard(moved).is_some());
}

#[test]
fn a_zone_that_wants_to_go_is_replaced() {
    let mut world = MadeUp::new(Topology::whole(ground()).expect("it is large enough"));
    world.run(Duration::from_secs(1));
    world.join(spread(20));
    let going = world.zones.iter().position(|zone| zone.life == Life::Serving).expect("one serves");
    world.zones[going].draining = true;
    world.run(Duration::from_secs(5));
    assert_eq!(world.events, ["assign", "move", "forget"]);
    assert!(world.players.values().all(|(zone, _)| *zone != going));
}

#[test]
fn a_pilot_that_was_overtaken_goes_on_from_the_other_map() {
    let mut world = MadeUp::new(Topology::whole(ground()).expect("it is large enough"));
    world.run(Duration::from_secs(1));
    let (other, _) = world
        .pilot
        .map()
        .split(ShardId(1), darkages_topology::Axis::X, 500 * 64, darkages_topology::Side::High, None)
        .expect("the cut is inside");
    world.pilot.overtaken(other);
    world.run(Duration::from_secs(2));
    assert!(world.pilot.map().shards().iter().all(|shard| shard.zone.is_some()));
}
