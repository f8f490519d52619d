//! What `kubectl` shows of a world, waits for and scales, by what an operator has written into its status.

use std::time::Duration;

use darkages_crds::ZoneServerStatus;
use darkages_crds::zone_server::{
    Hottest, MAX_OPERATIONS, Operation, OperationKind, OperationPhase, ShardMap, condition,
};
use darkages_topology::map::MAX_SHARDS;
use darkages_topology::{Rect, ShardId, Topology, ZoneEndpoint, ZoneId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use crate::world::World;

fn moment() -> Time {
    serde_json::from_value(json!("2026-11-24T20:54:00Z")).expect("it is a time")
}

fn ready(status: &str, reason: &str) -> Condition {
    Condition {
        type_: condition::READY.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: "every shard has a zone".to_owned(),
        last_transition_time: moment(),
        observed_generation: Some(1),
    }
}

/// A map with as many shards, each served by a zone whose names and addresses are as long as they can be.
fn map(shards: usize) -> Topology {
    let bounds = Rect::from_metres(-100_000.0, -100_000.0, 100_000.0, 100_000.0).expect("it is one");
    let mut map = Topology::grid(bounds, shards).expect("there is room");
    for id in 1..=u32::try_from(shards).expect("they are few") {
        let zone = ZoneEndpoint {
            zone: ZoneId(format!("{}-{id:06}", "a-world-with-a-name-of-forty-letters-and")),
            address: ([0xfd00, 0x1234, 0x5678, 0x9abc, 0xdef0, 0x1234, 0x5678, 0x9abc], 65_535).into(),
            public_key: [0xa5; 32],
        };
        map = map.assign(ShardId(id), zone).expect("it waits for a zone");
    }
    map
}

fn status() -> ZoneServerStatus {
    ZoneServerStatus {
        observed_generation: Some(1),
        replicas: 2,
        ready_replicas: 1,
        selector: Some("darkages.io/zone-server=midgard".to_owned()),
        players: Some(612),
        capacity: 2_000,
        hottest: Some(Hottest { shard: 2, players: 401 }),
        tick_p99: Some(Duration::from_micros(4_125).into()),
        topology: Some(ShardMap::from(&map(2))),
        operations: vec![Operation {
            kind: OperationKind::Split,
            phase: OperationPhase::HandingOver,
            shards: vec![1, 2],
            started_at: moment(),
            moved: 211,
            left: 12,
            message: Some("612 players are more than 500".to_owned()),
        }],
        conditions: vec![ready("True", "Serving")],
    }
}

fn write(world: &World, name: &str, status: &ZoneServerStatus) {
    let said = world.write_status(name, &serde_json::to_value(status).expect("it is plain data"));
    assert!(said.ok, "{}", said.err);
}

#[test]
#[ignore = "needs an API server: make api"]
fn a_status_comes_back_as_it_was_written() {
    let world = World::new();
    world.make("midgard", json!({}));
    write(&world, "midgard", &status());
    assert_eq!(world.get("midgard").status, Some(status()));
}

#[test]
#[ignore = "needs an API server: make api"]
fn get_shows_what_matters_in_columns() {
    let world = World::new();
    world.make("midgard", json!({}));
    let empty = world.must(&["get", "zs"], "");
    let row: Vec<_> = empty.lines().nth(1).expect("it has one").split_whitespace().collect();
    assert_eq!(row[..2], ["midgard", "midgard"], "{empty}");

    write(&world, "midgard", &status());
    // By category, as with everything of ours.
    let table = world.must(&["get", "darkages"], "");
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = ["NAME", "WORLD", "ZONES", "READY", "PLAYERS", "HOTTEST", "TICK-P99", "STATUS", "AGE"];
    assert_eq!(lines[0], head, "{table}");
    assert_eq!(lines[1][..8], ["midgard", "midgard", "2", "1", "612", "401", "4.125ms", "Serving"], "{table}");
    assert_eq!(lines.len(), 2, "{table}");
}

#[test]
#[ignore = "needs an API server: make api"]
fn wait_returns_when_the_world_is_ready() {
    let world = World::new();
    world.make("midgard", json!({}));
    let wait = |timeout| world.kubectl(&["wait", "--for=condition=Ready", "zs/midgard", timeout], "");
    let mut early = status();
    early.conditions = vec![ready("False", "WaitingForZones")];
    write(&world, "midgard", &early);
    let said = wait("--timeout=100ms");
    assert!(!said.ok && said.err.contains("timed out waiting for the condition"), "{said:?}");

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait("--timeout=60s"));
        write(&world, "midgard", &status());
        let said = waiting.join().expect("it returns");
        assert!(said.ok, "{said:?}");
        assert_eq!(said.out, "zoneserver.darkages.io/midgard condition met\n");
    });
}

fn scale_of(world: &World) -> Value {
    let text = world.must(&["get", "zs/midgard", "--subresource", "scale", "--output", "json"], "");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
#[ignore = "needs an API server: make api"]
fn scale_changes_the_least_number_of_shards() {
    let world = World::new();
    world.make("midgard", json!({}));
    write(&world, "midgard", &status());
    let scale = scale_of(&world);
    assert_eq!(scale["spec"]["replicas"], 1);
    assert_eq!(scale["status"], json!({"replicas": 2, "selector": "darkages.io/zone-server=midgard"}));

    world.must(&["scale", "zs/midgard", "--current-replicas", "1", "--replicas", "4"], "");
    assert_eq!(world.get("midgard").spec.replicas, 4);
    // The manifest leaves the number to whoever scales, so applying it again changes nothing.
    world.make("midgard", json!({}));
    assert_eq!(world.get("midgard").spec.replicas, 4);
    assert_eq!(world.get("midgard").status, Some(status()));

    for (replicas, why) in [("0", "should be greater than or equal to 1"), ("1025", "less than or equal to 1024")] {
        let said = world.kubectl(&["scale", "zs/midgard", "--replicas", replicas], "");
        assert!(!said.ok && said.err.contains(why), "{said:?}");
    }
}

#[test]
#[ignore = "needs an API server: make api"]
fn nobody_writes_the_status_with_the_spec() {
    let world = World::new();
    world.make("midgard", json!({}));
    world.must(&["patch", "zs", "midgard", "--type", "merge", "--patch", r#"{"status": {"players": 7}}"#], "");
    assert_eq!(world.get("midgard").status, None);
}

#[test]
#[ignore = "needs an API server: make api"]
fn the_largest_status_fits_into_a_resource() {
    let world = World::new();
    world.make("midgard", json!({}));
    let mut largest = status();
    let mut full = map(MAX_SHARDS);
    // Every zone retires but the first, and nobody has taken its place yet.
    for id in 2..=u32::try_from(MAX_SHARDS).expect("they are few") {
        let mut zone = full.endpoint(ShardId(id)).expect("it has one").clone();
        zone.zone.0 += "-next";
        full = full.move_to(ShardId(id), zone).expect("the zone is new").0;
    }
    assert_eq!(full.retiring().len(), MAX_SHARDS - 1);
    largest.topology = Some(ShardMap::from(&full));
    largest.operations = vec![largest.operations[0].clone(); MAX_OPERATIONS];
    write(&world, "midgard", &largest);
    let kept = world.get("midgard").status.expect("it was written");
    let map = Topology::try_from(&kept.topology.expect("it was written")).expect("it is a map");
    assert_eq!(map, full);
}

#[test]
#[ignore = "needs an API server: make api"]
fn a_status_that_breaks_its_schema_is_refused() {
    let world = World::new();
    world.make("midgard", json!({}));
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut broken = serde_json::to_value(status()).expect("it is plain data");
        change(&mut broken);
        let said = world.write_status("midgard", &broken);
        assert!(!said.ok, "it was taken");
        said.err
    };
    let key = refused(&|status| status["topology"]["shards"][0]["zone"]["publicKey"] = json!("00"));
    assert!(key.contains("status.topology.shards[0].zone.publicKey"), "{key}");
    let twice = refused(&|status| status["conditions"] = json!([status["conditions"][0], status["conditions"][0]]));
    assert!(twice.contains("Duplicate value"), "{twice}");
    let shard = refused(&|status| status["hottest"]["shard"] = json!(1 << 24));
    assert!(shard.contains("status.hottest.shard"), "{shard}");
}
