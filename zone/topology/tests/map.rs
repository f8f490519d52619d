//! Invariant I8 for every map that can be written: whatever operations run in whatever order, and whatever text is decoded.

use std::collections::BTreeSet;

use darkages_topology::map::MAX_SHARDS;
use darkages_topology::{Axis, Position, Rect, ShardId, Side, Topology, TopologyError, ZoneEndpoint, ZoneId};
use proptest::prelude::*;

fn square(metres: i32) -> Rect {
    Rect::new(Position::from_metres(0, 0), Position::from_metres(metres, metres)).expect("a square is a rectangle")
}

fn zone(number: u16) -> ZoneEndpoint {
    let address = ([127, 0, 0, 1], 1024 + number).into();
    ZoneEndpoint { zone: ZoneId(format!("zone-{number}")), address, public_key: [number as u8; 32] }
}

/// I8 seen without the code under test: each cell between neighbouring edges has exactly one owner.
fn tiles_exactly(map: &Topology) -> bool {
    let edges = |axis: Axis| -> Vec<i32> {
        let all = map.shards().iter().flat_map(|shard| [axis.of(shard.bounds.min), axis.of(shard.bounds.max)]);
        let world = [axis.of(map.bounds().min), axis.of(map.bounds().max)];
        all.chain(world).collect::<BTreeSet<_>>().into_iter().collect()
    };
    let (xs, ys) = (edges(Axis::X), edges(Axis::Y));
    let reach = (xs.first(), ys.first(), xs.last(), ys.last());
    let Rect { min, max } = map.bounds();
    reach == (Some(&min.x), Some(&min.y), Some(&max.x), Some(&max.y))
        && xs[..xs.len() - 1].iter().all(|&x| {
            ys[..ys.len() - 1].iter().all(|&y| {
                let owners = map.shards().iter().filter(|shard| shard.bounds.contains(Position { x, y }));
                owners.count() == 1
            })
        })
}

/// An operation with indices instead of ids, so that most of what is drawn can be done and some cannot.
#[derive(Clone, Copy, Debug)]
enum Step {
    Split(usize, Axis, i32, Side, Option<u16>),
    Merge(usize, usize),
    MergeSiblings(usize),
    Slide(usize, i32),
    SlideAny(usize, usize, i32),
    Move(usize, u16),
    Assign(usize, u16),
    Retired(usize),
}

/// The index that names a shard that is not there.
const NOBODY: usize = 39;

fn step() -> impl Strategy<Value = Step> {
    let axis = prop_oneof![Just(Axis::X), Just(Axis::Y)];
    let side = prop_oneof![Just(Side::Low), Just(Side::High)];
    // Few distinct places, so that edges meet and pinwheels come about.
    let at = -1..=13_i32;
    prop_oneof![
        9 => (0..40_usize, axis, at.clone(), side, prop::option::of(0..60_u16))
            .prop_map(|(shard, axis, at, side, zone)| Step::Split(shard, axis, at, side, zone)),
        2 => (0..40_usize, 0..40_usize).prop_map(|(giver, taker)| Step::Merge(giver, taker)),
        1 => (0..40_usize).prop_map(Step::MergeSiblings),
        2 => (0..40_usize, at.clone()).prop_map(|(pair, at)| Step::Slide(pair, at)),
        1 => (0..40_usize, 0..40_usize, at).prop_map(|(a, b, at)| Step::SlideAny(a, b, at)),
        1 => (0..40_usize, 0..60_u16).prop_map(|(shard, zone)| Step::Move(shard, zone)),
        1 => (0..40_usize, 0..60_u16).prop_map(|(shard, zone)| Step::Assign(shard, zone)),
        1 => (0..40_usize).prop_map(Step::Retired),
    ]
}

fn run(map: &Topology, step: Step) -> Result<Topology, TopologyError> {
    let id = |index: usize| match (index, map.shards()) {
        (NOBODY, _) => ShardId(9_999),
        (_, shards) => shards[index % shards.len()].id,
    };
    let siblings = map.siblings();
    let pair = |index: usize| match siblings.len() {
        0 => (id(index), id(index + 1)),
        count => siblings[index % count],
    };
    let place = |at: i32| at * 64;
    match step {
        Step::Split(shard, axis, at, side, number) => {
            map.split(id(shard), axis, place(at), side, number.map(zone)).map(|(map, _)| map)
        }
        Step::Merge(giver, taker) => map.merge(id(giver), id(taker)),
        Step::MergeSiblings(index) => map.merge(pair(index).1, pair(index).0),
        Step::Slide(index, at) => map.slide(pair(index).0, pair(index).1, place(at)),
        Step::SlideAny(a, b, at) => map.slide(id(a), id(b), place(at)),
        Step::Move(shard, number) => map.move_to(id(shard), zone(number)).map(|(map, _)| map),
        Step::Assign(shard, number) => map.assign(id(shard), zone(number)),
        Step::Retired(index) => {
            let retiring = map.retiring().get(index % map.retiring().len().max(1));
            map.retired(retiring.map_or(ShardId(9_999), |retiring| retiring.id))
        }
    }
}

proptest! {
    #[test]
    fn every_reachable_map_tiles_its_bounds(start in 1..16_usize, steps in prop::collection::vec(step(), 1..80)) {
        let mut map = Topology::grid(square(12), start).unwrap();
        for step in steps {
            let before = map.clone();
            match run(&map, step) {
                Ok(next) => {
                    prop_assert_eq!(next.revision().0, before.revision().0 + 1);
                    prop_assert!(next.next_shard() >= before.next_shard(), "ids are never given out twice");
                    prop_assert_eq!(next.validate(), Ok(()));
                    prop_assert!(tiles_exactly(&next), "{:?} broke {:?}", step, next);
                    map = next;
                }
                Err(_) => prop_assert_eq!(&map, &before, "a refused operation changes nothing"),
            }
        }
        let decoded: Topology = serde_json::from_str(&serde_json::to_string(&map).unwrap()).unwrap();
        prop_assert_eq!(decoded, map);
    }

    #[test]
    fn every_decoded_map_tiles_its_bounds(
        start in 1..8_usize,
        shard in 0..8_usize,
        corner in prop_oneof![Just("min"), Just("max")],
        axis in prop_oneof![Just("x"), Just("y")],
        value in prop_oneof![-800..1600_i64, Just(i64::from(i32::MIN)), Just(i64::from(i32::MAX)), Just(1_i64 << 40)],
    ) {
        let map = Topology::grid(square(12), start).unwrap();
        let mut document = serde_json::to_value(&map).unwrap();
        document["shards"][shard % start]["bounds"][corner][axis] = value.into();
        if let Ok(decoded) = serde_json::from_value::<Topology>(document) {
            prop_assert!(tiles_exactly(&decoded));
        }
    }

    #[test]
    fn a_grid_has_as_many_shards_as_asked_and_none_much_larger(count in 1..200_usize) {
        let map = Topology::grid(square(1000), count).unwrap();
        prop_assert_eq!(map.shards().len(), count);
        prop_assert!(tiles_exactly(&map));
        let areas = || map.shards().iter().map(|shard| shard.bounds.area());
        prop_assert!(areas().max().unwrap() < 2 * areas().min().unwrap());
    }

    #[test]
    fn the_owner_is_the_shard_that_contains_the_position(count in 1..40_usize, x in -10..800_i32, y in -10..800_i32) {
        let map = Topology::grid(square(12), count).unwrap();
        let position = Position { x, y };
        let owner = map.owner_of(position);
        prop_assert_eq!(owner.is_some(), map.bounds().contains(position));
        prop_assert!(owner.is_none_or(|shard| shard.bounds.contains(position)));
    }
}

#[test]
fn a_split_gives_the_moved_side_to_a_new_shard() {
    let map = Topology::whole(square(100)).unwrap().assign(ShardId(1), zone(1)).unwrap();
    let (split, id) = map.split(ShardId(1), Axis::X, 40 * 64, Side::Low, Some(zone(2))).unwrap();
    assert_eq!(id, ShardId(2));
    assert_eq!(split.owner_of(Position::from_metres(39, 5)).unwrap().id, ShardId(2));
    assert_eq!(
        split.owner_of(Position::from_metres(40, 5)).unwrap().id,
        ShardId(1),
        "the line belongs to the high side"
    );
    assert_eq!(split.served_by(&ZoneId("zone-2".to_owned())), Some(ShardId(2)));
}

#[test]
fn a_merge_undoes_a_split_and_the_giver_retires_until_its_players_are_over() {
    let map = Topology::whole(square(100)).unwrap().assign(ShardId(1), zone(1)).unwrap();
    let (split, id) = map.split(ShardId(1), Axis::Y, 64, Side::High, Some(zone(2))).unwrap();
    let merged = split.merge(id, ShardId(1)).unwrap();
    assert_eq!(merged.shards(), map.shards());
    assert!(merged.is_retiring(id));
    assert_eq!(merged.endpoint(id), Some(&zone(2)));
    assert_eq!(
        merged.assign(ShardId(1), zone(2)),
        Err(TopologyError::ZoneBusy { zone: ZoneId("zone-2".to_owned()), shard: ShardId(1) })
    );
    let over = merged.retired(id).unwrap();
    assert!(over.retiring().is_empty());
    assert_eq!(over.retired(id), Err(TopologyError::NotRetiring { shard: id }));
}

#[test]
fn a_move_keeps_the_ground_and_changes_the_shard() {
    let map = Topology::whole(square(100)).unwrap();
    assert_eq!(map.move_to(ShardId(1), zone(2)), Err(TopologyError::Unassigned { shard: ShardId(1) }));
    let map = map.assign(ShardId(1), zone(1)).unwrap();
    let (moved, id) = map.move_to(ShardId(1), zone(2)).unwrap();
    assert_eq!(moved.shard(id).unwrap().bounds, map.bounds());
    assert_eq!(moved.shard(ShardId(1)), None);
    assert!(moved.is_retiring(ShardId(1)));
}

#[test]
fn neighbours_are_the_shards_within_reach() {
    // Four columns of 25 m; the border of 50 m reaches over one of them whole and touches the next.
    let mut map = Topology::whole(square(100)).unwrap();
    for at in [75, 50, 25] {
        map = map.split(ShardId(1), Axis::X, at * 64, Side::High, None).unwrap().0;
    }
    let ids = |within| map.neighbours(ShardId(1), within).iter().map(|shard| shard.id.0).collect::<Vec<_>>();
    assert_eq!(ids(0), Vec::<u32>::new(), "the nearest positions are 1/64 m apart");
    assert_eq!(ids(1), [4]);
    assert_eq!(ids(50), [3, 4]);
    assert_eq!(ids(51), [2, 3, 4]);
}

#[test]
fn a_pinwheel_is_refused() {
    let rect = |x0, y0, x1, y1| serde_json::json!({"min": {"x": x0, "y": y0}, "max": {"x": x1, "y": y1}});
    let wheel = [rect(0, 0, 2, 1), rect(2, 0, 3, 2), rect(1, 2, 3, 3), rect(0, 1, 1, 3), rect(1, 1, 2, 2)];
    let shards: Vec<_> =
        wheel.iter().enumerate().map(|(id, bounds)| serde_json::json!({"id": id, "bounds": bounds})).collect();
    let text = serde_json::json!({"revision": 1, "bounds": rect(0, 0, 3, 3), "shards": shards, "next_shard": 9});
    let error = serde_json::from_value::<Topology>(text).unwrap_err().to_string();
    assert!(error.contains("k-d tree"), "{error}");
}

#[test]
fn a_document_that_is_no_map_is_refused_with_the_field() {
    let map = Topology::grid(square(100), 2).unwrap().assign(ShardId(1), zone(1)).unwrap();
    let good = serde_json::to_value(&map).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = good.clone();
        change(&mut document);
        serde_json::from_value::<Topology>(document).unwrap_err().to_string()
    };
    assert!(refused(&|map| map["shards"][1]["id"] = 1.into()).contains("s1 appears twice"));
    assert!(refused(&|map| map["shards"] = serde_json::json!([])).contains("shards: 0 are asked for"));
    assert!(refused(&|map| map["next_shard"] = 2.into()).contains("next_shard: s2 exists"));
    assert!(refused(&|map| map["next_shard"] = (1_u32 << 30).into()).contains("shard ids"));
    assert!(refused(&|map| map["bounds"]["min"]["x"] = 64_000_000.into()).contains("minX lies beyond"));
    assert!(refused(&|map| map["shards"][0]["zone"]["public_key"] = "c0ffee".into()).contains("64 hexadecimal digits"));
    assert!(refused(&|map| map["shards"][0]["zone"]["zone"] = "".into()).contains("zone of s1 is empty"));
    assert!(refused(&|map| map["shards"][1]["zone"] = map["shards"][0]["zone"].clone()).contains("already serves s1"));
    assert!(refused(&|map| map["shards"][1]["bounds"]["min"]["x"] = 3300.into()).contains("belong to no shard"));
    assert!(refused(&|map| map["shards"][1]["bounds"]["min"]["x"] = 3100.into()).contains("overlaps"));
}

#[test]
fn limits_are_kept() {
    let error = Topology::grid(square(100), 0).unwrap_err();
    assert_eq!((error.label(), error), ("count", TopologyError::Count { count: 0 }));
    assert!(matches!(Topology::grid(square(100), MAX_SHARDS + 1), Err(TopologyError::Count { .. })));
    let speck = Rect { min: Position { x: 0, y: 0 }, max: Position { x: 1, y: 2 } };
    assert!(matches!(Topology::grid(speck, 3), Err(TopologyError::TooSmall { .. })));
    let full = Topology::grid(square(10_000), MAX_SHARDS).unwrap();
    let refused = full.split(ShardId(1), Axis::X, full.shards()[0].bounds.min.x + 1, Side::Low, None);
    assert_eq!(refused.unwrap_err(), TopologyError::Count { count: MAX_SHARDS + 1 });
}

#[test]
fn the_json_form_stays_as_documented() {
    let map = Topology::grid(square(1000), 2).unwrap().assign(ShardId(1), zone(1)).unwrap();
    insta::assert_json_snapshot!(map.move_to(ShardId(1), zone(2)).unwrap().0);
}
