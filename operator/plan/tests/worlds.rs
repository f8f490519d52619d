//! Whole worlds under the planner: players walk, zones hand over, and the map follows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkages_plan::{Change, Condition, Observed, Plan, PlanConfig, Planner, Report};
use darkages_topology::{Position, Rect, ShardId, Topology, ZoneEndpoint, ZoneId};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

fn zone(number: u16) -> ZoneEndpoint {
    ZoneEndpoint {
        zone: ZoneId(format!("zone-{number}")),
        address: ([127, 0, 0, 1], 7000 + number).into(),
        public_key: [number as u8; 32],
    }
}

fn square(metres: i32) -> Rect {
    Rect::new(Position::default(), Position::from_metres(metres, metres)).expect("a square is a rectangle")
}

/// A world whose zones hand over a part of what stands on foreign ground between two looks of the planner.
struct World {
    planner: Planner,
    observed: Observed,
    /// Where each player stands and the shard that owns it.
    players: Vec<(Position, ShardId)>,
    changes: BTreeMap<&'static str, u32>,
    random: Pcg64Mcg,
}

impl World {
    fn new(seed: u64) -> Self {
        let map = Topology::whole(square(1000)).and_then(|map| map.assign(ShardId(1), zone(0))).unwrap();
        let observed = Observed {
            now: Duration::ZERO,
            map,
            reports: BTreeMap::new(),
            conditions: BTreeMap::new(),
            standby: (1..20).map(zone).collect(),
            desired_shards: None,
        };
        let planner = Planner::new(PlanConfig::default()).unwrap();
        Self { planner, observed, players: vec![], changes: BTreeMap::new(), random: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// One second: players are handed over, zones report, the planner looks and its plan is written.
    fn second(&mut self) -> Plan {
        self.observed.now += Duration::from_secs(1);
        let map = &self.observed.map;
        for (position, owner) in &mut self.players {
            let belongs = map.owner_of(*position).expect("players stay in the world").id;
            if *owner != belongs && self.random.random_range(0..10) < 7 {
                *owner = belongs;
            }
        }
        let shards = map.shards().iter().map(|shard| shard.id).chain(map.retiring().iter().map(|retiring| retiring.id));
        let of = |shard| self.players.iter().filter(move |(_, owner)| *owner == shard).map(|(position, _)| *position);
        let report = |shard| Report { revision: map.revision(), positions: of(shard).collect(), ..Report::default() };
        self.observed.reports = shards.map(|shard| (shard, report(shard))).collect();
        let plan = self.planner.plan(&self.observed);
        for operation in &plan.operations {
            *self.changes.entry(operation.change.label()).or_default() += 1;
            let before = self.observed.map.clone();
            self.observed.map = operation.change.apply(&before).expect("what is planned can be done");
            match &operation.change {
                Change::Split { zone, .. } => self.observed.standby.retain(|other| other != zone),
                Change::Forget { shard } => self.observed.standby.extend(before.endpoint(*shard).cloned()),
                _ => {}
            }
        }
        plan
    }

    fn count(&self, shard: ShardId) -> usize {
        self.players.iter().filter(|(_, owner)| *owner == shard).count()
    }

    fn place(&mut self, spread: i32) -> Position {
        let near = |random: &mut Pcg64Mcg| 32_000 + random.random_range(-spread * 32..spread * 32);
        Position { x: near(&mut self.random), y: near(&mut self.random) }
    }
}

#[test]
fn a_gathering_is_split_until_every_shard_fits_and_merged_again_when_all_have_left() {
    for seed in 0..5 {
        let mut world = World::new(seed);
        for _ in 0..1200 {
            let position = world.place(900);
            let owner = world.observed.map.owner_of(position).unwrap().id;
            world.players.push((position, owner));
        }
        for second in 0..120 {
            // All walk towards the middle, the farthest at 11 m/s, until they stand within 50 m of each other. About 20 a second
            // come into the shard in the middle, and a split takes 3 s: 2 s of waiting and a look a second.
            for (position, _) in &mut world.players {
                position.x += (32_000 - position.x) / 40;
                position.y += (32_000 - position.y) / 40;
            }
            world.second();
            let fullest = world.observed.map.shards().iter().map(|shard| world.count(shard.id)).max().unwrap();
            assert!(second < 20 || fullest <= 600, "seed {seed}: {fullest} players in one shard after {second} s");
        }
        let after_gathering = world.changes.clone();
        assert!(after_gathering["split"] <= 15, "seed {seed}: {after_gathering:?}");
        // The last merge waits for the ones before it, each of them for a minute and a rest.
        for _ in 0..1200 {
            world.players.truncate(world.players.len().saturating_sub(10));
            world.second();
        }
        assert_eq!(world.observed.map.shards().len(), 1, "seed {seed}: {:?}", world.changes);
        assert_eq!(world.observed.map.retiring(), [], "seed {seed}: {:?}", world.changes);
        assert_eq!(world.observed.standby.len(), 19, "every other zone is on standby again");
    }
}

#[test]
fn a_steady_crowd_is_left_alone_once_it_is_served() {
    let mut world = World::new(7);
    for _ in 0..900 {
        let position = world.place(1000);
        let owner = world.observed.map.owner_of(position).unwrap().id;
        world.players.push((position, owner));
    }
    for _ in 0..120 {
        world.second();
    }
    let settled = world.changes.clone();
    for _ in 0..600 {
        for index in 0..world.players.len() {
            let step = Position { x: world.random.random_range(-300..=300), y: world.random.random_range(-300..=300) };
            let (position, _) = &mut world.players[index];
            position.x = (position.x + step.x).clamp(0, 63_999);
            position.y = (position.y + step.y).clamp(0, 63_999);
        }
        world.second();
    }
    let changed = |kind| world.changes.get(kind).copied().unwrap_or(0) - settled.get(kind).copied().unwrap_or(0);
    assert_eq!((changed("split"), changed("merge")), (0, 0), "{settled:?} {:?}", world.changes);
    assert!(changed("slide") <= 10, "{settled:?} {:?}", world.changes);
}

fn any_world() -> impl Strategy<Value = Observed> {
    (1..12_usize, any::<u64>(), prop::option::of(1..16_usize), 0..8_u16).prop_map(|(shards, seed, desired, standby)| {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut map = Topology::grid(square(1000), shards).unwrap();
        for (number, shard) in map.clone().shards().iter().enumerate() {
            if random.random_range(0..8) > 0 {
                map = map.assign(shard.id, zone(100 + number as u16)).unwrap();
            }
        }
        if let Some(&(giver, taker)) = map.siblings().first() {
            map = map.merge(giver, taker).unwrap();
        }
        let ids: Vec<_> =
            map.shards().iter().map(|shard| shard.id).chain(map.retiring().iter().map(|r| r.id)).collect();
        let mut reports = BTreeMap::new();
        let mut conditions = BTreeMap::new();
        for shard in ids {
            match random.random_range(0..12) {
                0 => conditions.insert(shard, Condition::Dead),
                1 => conditions.insert(shard, Condition::Draining),
                _ => None,
            };
            let ground = map.shard(shard).map_or(map.bounds(), |shard| shard.bounds);
            let count = [0, 3, 60, 120, 300, 700][random.random_range(0..6)];
            let stray = random.random_range(0..20) == 0;
            let within = if stray { map.bounds() } else { ground };
            let positions = (0..count).map(|_| Position {
                x: random.random_range(within.min.x..within.max.x),
                y: random.random_range(within.min.y..within.max.y),
            });
            let positions = positions.collect();
            let tick_p95 = Duration::from_micros(random.random_range(0..14_000));
            reports.insert(shard, Report { revision: map.revision(), positions, tick_p95, ..Report::default() });
        }
        Observed {
            now: Duration::ZERO,
            map,
            reports,
            conditions,
            standby: (0..standby).map(zone).collect(),
            desired_shards: desired,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_plan_can_be_applied_and_changes_each_shard_at_most_once(mut observed in any_world()) {
        let mut planner = Planner::new(PlanConfig::default()).unwrap();
        planner.plan(&observed);
        // Long enough for everything that holds to be due, and for every rest to be over.
        observed.now += Duration::from_secs(100);
        let mut twin = planner.clone();
        let plan = planner.plan(&observed);
        prop_assert_eq!(&twin.plan(&observed), &plan, "the same world gives the same plan");

        let (mut map, mut changed) = (observed.map.clone(), BTreeSet::new());
        for operation in &plan.operations {
            let next = operation.change.apply(&map);
            prop_assert!(next.is_ok(), "{:?}: {:?}", operation, next);
            map = next.unwrap();
            for shard in operation.change.shards() {
                prop_assert!(changed.insert(shard), "{} is changed twice in {:?}", shard, plan);
            }
        }
        let at_least = observed.desired_shards.unwrap_or(1).min(observed.map.shards().len());
        prop_assert!(map.shards().len() >= at_least, "merging stops where somebody wants more");
    }
}
