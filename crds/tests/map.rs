//! A status holds every shard map, and nothing that is none.

use darkages_crds::zone_server::{Bounds, ShardMap};
use darkages_topology::map::MAX_SHARDS;
use darkages_topology::{Axis, Rect, ShardId, Side, Topology, ZoneEndpoint, ZoneId};
use proptest::prelude::*;

fn endpoint(number: u32) -> ZoneEndpoint {
    let [_, a, b, c] = number.to_be_bytes();
    ZoneEndpoint {
        zone: ZoneId(format!("world-{number}")),
        address: if number.is_multiple_of(2) {
            ([10, a, b, c], 7_777).into()
        } else {
            ([0xfd00, 0, 0, 0, 0, 0, u16::from(b), u16::from(c)], 7_777).into()
        },
        public_key: std::array::from_fn(|at| number.to_be_bytes()[at % 4]),
    }
}

/// A map after whatever of these steps could be made.
fn map(steps: &[(u8, prop::sample::Index, i32)]) -> Topology {
    let bounds = Rect::from_metres(-1_000.0, -500.0, 1_000.0, 500.0).expect("it is one");
    let mut map = Topology::whole(bounds).expect("there is room");
    for (number, (step, index, at)) in steps.iter().enumerate() {
        let zone = endpoint(u32::try_from(number).expect("they are few"));
        let shard = map.shards()[index.index(map.shards().len())].id;
        let next = match step {
            0 => map.split(shard, Axis::X, *at, Side::High, Some(zone)).map(|(map, _)| map),
            1 => map.split(shard, Axis::Y, *at / 2, Side::Low, None).map(|(map, _)| map),
            2 => map.assign(shard, zone),
            3 => map.move_to(shard, zone).map(|(map, _)| map),
            _ => match map.siblings().first() {
                Some((giver, taker)) => map.merge(*giver, *taker),
                None => continue,
            },
        };
        map = next.unwrap_or(map);
    }
    map
}

proptest! {
    #[test]
    fn every_map_comes_back_from_a_status_as_it_was(
        steps in prop::collection::vec((0_u8..5, any::<prop::sample::Index>(), -64_000..64_000), 0..40)
    ) {
        let map = map(&steps);
        let json = serde_json::to_string(&ShardMap::from(&map)).expect("it is plain data");
        let back: ShardMap = serde_json::from_str(&json).expect("it can be read");
        prop_assert_eq!(Topology::try_from(&back).expect("it is a map"), map);
    }
}

fn served() -> ShardMap {
    let bounds = Rect::from_metres(0.0, 0.0, 100.0, 100.0).expect("it is one");
    let mut map = Topology::grid(bounds, 2).expect("there is room");
    for id in [1, 2] {
        map = map.assign(ShardId(id), endpoint(id)).expect("it waits for a zone");
    }
    ShardMap::from(&map)
}

fn complaint(change: impl FnOnce(&mut ShardMap)) -> String {
    let mut map = served();
    change(&mut map);
    Topology::try_from(&map).expect_err("it is no map").to_string()
}

#[test]
fn what_is_no_map_is_refused_by_the_name_of_its_field() {
    let zone = |map: &mut ShardMap, change: fn(&mut darkages_crds::zone_server::Zone)| {
        change(map.shards[0].zone.as_mut().expect("it has one"));
    };
    assert_eq!(
        complaint(|map| zone(map, |zone| zone.address = "somewhere".to_owned())),
        "status.topology: address of zone world-1: give an IP address and a port, like 10.0.0.7:7777"
    );
    for key in ["12", &"x".repeat(64), &"ä".repeat(32)] {
        let refused = complaint(|map| map.shards[0].zone.as_mut().expect("it has one").public_key = key.to_owned());
        assert_eq!(refused, "status.topology: publicKey of zone world-1: give 64 hexadecimal digits");
    }
    let hole = complaint(|map| map.shards[0].bounds.max_x -= 1);
    assert!(hole.starts_with("status.topology: shards"), "{hole}");
    let reused = complaint(|map| map.next_shard = 1);
    assert!(reused.starts_with("status.topology: next_shard"), "{reused}");
}

#[test]
fn the_largest_map_has_as_many_shards_as_a_status_may() {
    let bounds = Bounds { min_x: -100_000, min_y: -100_000, max_x: 100_000, max_y: 100_000 };
    let bounds = Rect::try_from(bounds).expect("it is the widest world");
    let map = Topology::grid(bounds, MAX_SHARDS).expect("there is room");
    assert_eq!(ShardMap::from(&map).shards.len(), MAX_SHARDS);
}
