//! A zone as a process: the real `zone-server` binary, told over its control API what to serve.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use crate::client::TestClient;
use crate::server::{Control, Server, json, runtime};
use crate::world::STILL;
use darkages_topology::control::{AssignRequest, CrashRequest, DrainRequest, PushTopologyRequest, StopRequest};
use darkages_topology::{PlayerId, Position, Rect, ShardId, Topology, ZoneEndpoint, ZoneId};
use rustix::process::Signal;
use tokio::runtime::Runtime;

fn whole() -> Topology {
    let bounds = Rect::from_metres(0.0, 0.0, 500.0, 500.0).expect("bounds");
    Topology::whole(bounds).expect("a map")
}

#[test]
fn a_process_is_assigned_serves_a_player_and_saves_it_on_sigterm() {
    let data = tempfile::tempdir().expect("a folder");
    let data_flags = ["--data", data.path().to_str().expect("a plain name")];
    let runtime = runtime();
    let mut server = Server::start(data.path(), "zone-0", &data_flags);
    let mut control = server.control(&runtime);
    let first = control.stats();
    assert_eq!((first.state.as_str(), first.shard), ("unassigned", 0));
    let endpoint = control.endpoint();
    let map = whole().assign(ShardId(1), endpoint.clone()).expect("assigned");
    let bad = AssignRequest { shard: 0, topology: json(&map) };
    let refused = runtime.block_on(control.client.assign(bad)).expect_err("there is no shard 0");
    assert!(refused.message().contains("shard 0 is out of range"), "{refused}");
    runtime.block_on(control.client.assign(AssignRequest { shard: 1, topology: json(&map) })).expect("assigned");
    let serving = control.await_state("serving");
    assert_eq!((serving.shard, serving.epoch), (1, 1));

    let spawn = Position::from_metres(50, 60);
    let mut client = TestClient::dial(&endpoint, ShardId(1), PlayerId(1), spawn);
    client.play_until(STILL, "snapshots and applied inputs", |client| client.applied.0 > 10);
    let shown = control.await_stats("the player is counted", |stats| stats.players == 1);
    assert_eq!(shown.positions, [spawn.x, spawn.y]);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
    let metrics = server.get("/metrics");
    assert!(metrics.contains("darkages_players 1\n"), "{metrics}");
    assert!(metrics.contains("darkages_tick_duration_seconds_bucket{le=\"0.0166\"}"), "{metrics}");
    let push = PushTopologyRequest { topology: json(&map) };
    runtime.block_on(control.client.push_topology(push)).expect("pushed");
    runtime.block_on(control.client.drain(DrainRequest {})).expect("told");
    server.signal(Signal::TERM);
    let status = server.ended();
    assert!(status.success(), "{status}");

    // The player is in the store: the next process finds it, under the next incarnation of its shard.
    let server = Server::start(data.path(), "zone-0", &data_flags);
    let mut control = server.control(&runtime);
    let endpoint = control.endpoint();
    let map = map.assign(ShardId(1), endpoint.clone()).expect("assigned");
    runtime.block_on(control.client.assign(AssignRequest { shard: 1, topology: json(&map) })).expect("assigned");
    let serving = control.await_state("serving");
    assert_eq!(serving.epoch, 2);
    let mut client = TestClient::dial(&endpoint, ShardId(1), PlayerId(1), Position::from_metres(400, 400));
    client.play_until(STILL, "being shown", |client| client.entity().is_some_and(|me| client.sees(me).is_some()));
    let me = client.entity().expect("welcomed");
    assert_eq!(client.sees(me).expect("shown").position, spawn);
}

/// A zone with time to be taken over, once it serves the whole world.
fn serving<'a>(folder: &Path, runtime: &'a Runtime) -> (Server, Control<'a>, Topology) {
    let data = folder.to_str().expect("a plain name");
    let server = Server::start(folder, "zone-0", &["--data", data, "--drain-seconds", "600"]);
    let mut control = server.control(runtime);
    let map = whole().assign(ShardId(1), control.endpoint()).expect("assigned");
    runtime.block_on(control.client.assign(AssignRequest { shard: 1, topology: json(&map) })).expect("assigned");
    control.await_state("serving");
    (server, control, map)
}

#[test]
fn a_zone_that_is_told_to_go_waits_until_its_shard_has_moved_and_ends_then() {
    let (data, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let (mut server, mut control, map) = serving(data.path(), &runtime);
    server.signal(Signal::TERM);
    let waiting = control.await_stats("it says that it wants to go", |stats| stats.draining);
    assert_eq!((waiting.state.as_str(), waiting.shard), ("serving", 1));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 503"));
    let other = ZoneEndpoint { zone: ZoneId("zone-1".into()), public_key: [7; 32], ..control.endpoint() };
    let (moved, _) = map.move_to(ShardId(1), other).expect("moved");
    for map in [&moved, &moved.retired(ShardId(1)).expect("nobody was on it")] {
        let push = PushTopologyRequest { topology: json(map) };
        runtime.block_on(control.client.push_topology(push)).expect("pushed");
    }
    assert!(server.ended().success());
}

#[test]
fn a_zone_that_is_told_twice_to_go_or_once_to_stop_waits_for_nobody() {
    let (data, runtime) = (tempfile::tempdir().expect("a folder"), runtime());
    let (mut server, mut control, _) = serving(data.path(), &runtime);
    server.signal(Signal::TERM);
    control.await_stats("it says that it wants to go", |stats| stats.draining);
    server.signal(Signal::TERM);
    assert!(server.ended().success());

    let data = tempfile::tempdir().expect("a folder");
    let (mut server, mut control, _) = serving(data.path(), &runtime);
    runtime.block_on(control.client.stop(StopRequest {})).expect("told");
    assert!(server.ended().success());
}

#[test]
fn a_zone_crashes_where_it_is_told_to_and_only_if_it_allows_faults() {
    let data = tempfile::tempdir().expect("a folder");
    let data_flags = ["--data", data.path().to_str().expect("a plain name")];
    let runtime = runtime();
    let order = |point: &str, visit| CrashRequest { point: point.to_owned(), visit, with_shard: 0 };

    let server = Server::start(data.path(), "zone-0", &data_flags);
    let mut control = server.control(&runtime);
    let refused = runtime.block_on(control.client.crash(order("assigned", 1))).expect_err("it allows no faults");
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("start it with --allow-faults"), "{refused}");
    drop(server);

    let mut server = Server::start(data.path(), "zone-0", &[&data_flags[..], &["--allow-faults"]].concat());
    let mut control = server.control(&runtime);
    let mut crash = |order| runtime.block_on(control.client.crash(order));
    let refused = crash(order("lunch", 1)).expect_err("there is no such point");
    assert!(refused.message().contains("lunch") && refused.message().contains("lease-acquired"), "{refused}");
    let refused = crash(order("assigned", 0)).expect_err("it cannot crash at no time");
    assert!(refused.message().contains("visit is 0"), "{refused}");
    crash(order("assigned", 1)).expect("told");
    crash(order("", 0)).expect("the order is called off");
    crash(order("lease-acquired", 1)).expect("told");
    let map = whole().assign(ShardId(1), control.endpoint()).expect("assigned");
    runtime.block_on(control.client.assign(AssignRequest { shard: 1, topology: json(&map) })).expect("assigned");
    assert_eq!(server.ended().signal(), Some(Signal::KILL.as_raw()));
}

#[test]
fn bad_input_is_one_clear_line_and_exit_code_2() {
    let data = tempfile::tempdir().expect("a folder");
    let key = data.path().join("world.key");
    std::fs::write(&key, "not a key").expect("a key file");
    let output = Command::new(env!("CARGO_BIN_EXE_zone-server"))
        .args(["--zone", "z", "--data"])
        .arg(data.path())
        .arg("--world-key-file")
        .arg(&key)
        .output()
        .expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--world-key-file") && text.contains("64 hexadecimal digits"), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
