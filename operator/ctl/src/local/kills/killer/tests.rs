//! The killer aims at made-up zones.

use darkages_topology::{Axis, Position, Side as Half, Tick, ZoneId};

use super::*;

const STEP: Duration = Duration::from_millis(100);

fn standby(number: u16) -> Look {
    Look::standby(endpoint(number))
}

fn endpoint(number: u16) -> ZoneEndpoint {
    let address = ([127, 0, 0, 1], number).into();
    ZoneEndpoint { zone: ZoneId(format!("zone-{number}")), address, public_key: [0; 32] }
}

/// Two zones with players on either side of a border, and one that waits.
struct Scene {
    killer: Killer,
    now: Duration,
    looks: Vec<Look>,
    map: Topology,
}

impl Scene {
    fn new(text: &str) -> Self {
        let bounds = Rect::from_metres(0.0, 0.0, 1_000.0, 1_000.0).expect("it has an area");
        let map = Topology::whole(bounds).and_then(|map| map.assign(ShardId(1), endpoint(1))).expect("a map");
        let at = Position::from_metres(500, 0).x;
        let (map, other) = map.split(ShardId(1), Axis::X, at, Half::High, Some(endpoint(2))).expect("a cut");
        let serving = |number, shard| Look {
            shard: Some(shard),
            life: Life::Serving,
            handles: vec![7],
            positions: vec![Position::default()],
            tick: Tick(1),
            ..standby(number)
        };
        let looks = vec![serving(1, ShardId(1)), serving(2, other), standby(3)];
        let killer = Killer::new(KillPlan::parse(text).expect("good terms"), 1, Duration::ZERO);
        Self { killer, now: Duration::from_secs(1), looks, map }
    }

    fn step(&mut self) -> Vec<Deed> {
        self.now += STEP;
        self.killer.step(self.now, &self.looks, &self.map)
    }

    fn die(&mut self, zone: &ZoneEndpoint) {
        self.looks.retain(|look| look.endpoint != *zone);
    }
}

fn ordered(deeds: &[Deed]) -> Vec<(ZoneEndpoint, CrashPoint, Option<ZoneEndpoint>)> {
    let order = |deed: &Deed| match deed {
        Deed::Order { zone, order, partner } => Some((zone.clone(), order.point, partner.clone())),
        _ => None,
    };
    deeds.iter().filter_map(order).collect()
}

#[test]
fn at_random_one_of_those_who_serve_is_killed_each_time() {
    let mut scene = Scene::new("zone:every=1s");
    let deeds: Vec<_> = (0..30).flat_map(|_| scene.step()).collect();
    assert_eq!(deeds.len(), 3, "{deeds:?}");
    assert!(deeds.iter().all(|deed| matches!(deed, Deed::Kill(zone) if *zone != endpoint(3))));
}

#[test]
fn a_kill_at_a_point_has_landed_when_the_zone_is_gone() {
    let mut scene = Scene::new("zone:every=1s,at=committed");
    let orders = ordered(&scene.step());
    let [(victim, CrashPoint::Committed, None)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(scene.step(), []);
    scene.die(victim);
    let shot = Shot { point: CrashPoint::Committed, both: false };
    assert_eq!(scene.step(), [Deed::Landed(shot)]);
    assert!((0..100).all(|_| scene.step().is_empty()), "a shard that nobody serves is waited for");
}

#[test]
fn after_the_last_round_nobody_is_killed() {
    let mut scene = Scene::new("zone:every=1s,at=assigned,rounds=1");
    scene.step();
    assert_eq!(scene.killer.done_since(), None, "it has not landed");
    scene.die(&endpoint(3));
    assert!(matches!(scene.step()[..], [Deed::Landed(_)]));
    assert_eq!(scene.killer.done_since(), Some(scene.now));
    scene.looks.push(standby(5));
    assert!((0..100).all(|_| scene.step().is_empty()));
}

#[test]
fn both_sides_have_to_die() {
    let mut scene = Scene::new("zone:every=1s,at=released,side=both");
    let orders = ordered(&scene.step());
    let [(victim, CrashPoint::Released, Some(partner))] = &orders[..] else { panic!("{orders:?}") };
    scene.die(victim);
    assert_eq!(scene.step(), []);
    scene.die(partner);
    assert_eq!(scene.step(), [Deed::Landed(Shot { point: CrashPoint::Released, both: true })]);
}

#[test]
fn a_giver_dies_before_a_taker_that_needs_it_dead() {
    let mut scene = Scene::new("zone:every=1s,at=commit-known");
    let orders = ordered(&scene.step());
    let [(taker, CrashPoint::CommitKnown, None), (giver, CrashPoint::Committed, None)] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_ne!(taker, giver);
}

#[test]
fn a_point_that_nobody_comes_to_is_missed_and_called_off() {
    let mut scene = Scene::new("zone:every=1s,at=done");
    let deeds: Vec<_> = (0..310).flat_map(|_| scene.step()).collect();
    assert_eq!(ordered(&deeds).len(), 5, "others are told again and again: {deeds:?}");
    let shot = Shot { point: CrashPoint::Done, both: false };
    let [.., Deed::CallOff(_), last] = &deeds[..] else { panic!("{deeds:?}") };
    assert_eq!(*last, Deed::Missed(shot));
}

#[test]
fn every_zone_that_may_be_given_a_shard_is_told() {
    let mut scene = Scene::new("zone:every=1s,at=assigned");
    assert_eq!(ordered(&scene.step()), [(endpoint(3), CrashPoint::Assigned, None)]);
    scene.looks.push(standby(4));
    assert_eq!(ordered(&scene.step()), [(endpoint(4), CrashPoint::Assigned, None)]);
    scene.die(&endpoint(3));
    let landed = scene.step();
    assert_eq!(landed[0], Deed::CallOff(endpoint(4)));
    assert!(matches!(landed[1], Deed::Landed(_)));
}
