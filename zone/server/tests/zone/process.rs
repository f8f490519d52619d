//! A zone as a process: the real `zone-server` binary, told over its control API what to serve.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{DEADLINE, TestClient, WORLD_KEY};
use darkages_protocol::InputValue;
use darkages_topology::control::zone_control_client::ZoneControlClient;
use darkages_topology::control::{AssignRequest, DrainRequest, PushTopologyRequest, StatsRequest, StatsResponse};
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{PlayerId, Position, Rect, ShardId, Topology, ZoneId};
use tonic::transport::Channel;

const STILL: InputValue = InputValue { heading: 0, moving: false, sprinting: false };

/// A running `zone-server`; killed when the test ends in any way.
struct Server {
    process: Child,
    control: SocketAddr,
    http: SocketAddr,
}

impl Server {
    fn start(data: &Path) -> Self {
        let key = data.join("world.key");
        let digits: String = WORLD_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(&key, digits).expect("a key file");
        let mut process = Command::new(env!("CARGO_BIN_EXE_zone-server"))
            .args(["--zone", "zone-0", "--data"])
            .arg(data)
            .arg("--world-key-file")
            .arg(&key)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let place = |name: &str| {
            let value = line.split_whitespace().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.expect("the address is there").parse().expect("an address")
        };
        Self { control: place("control"), http: place("http"), process }
    }

    fn get(&self, path: &str) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(self.http).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: zone\r\nConnection: close\r\n\r\n").expect("asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    }

    /// Asks it to end and waits until it has.
    fn stop(&mut self) -> std::process::ExitStatus {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it is ours");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return status;
            }
            assert!(begun.elapsed() < DEADLINE, "it did not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn stats(control: &mut ZoneControlClient<Channel>) -> StatsResponse {
    control.stats(StatsRequest { positions: true, totals: true }).await.expect("stats").into_inner()
}

async fn await_state(control: &mut ZoneControlClient<Channel>, wanted: &str) -> StatsResponse {
    let begun = Instant::now();
    loop {
        let stats = stats(control).await;
        if stats.state == wanted {
            return stats;
        }
        assert!(begun.elapsed() < DEADLINE, "{wanted} did not come about: {stats:?}");
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_process_is_assigned_serves_a_player_and_saves_it_on_sigterm() {
    let data = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut server = Server::start(data.path());
    let address = format!("http://{}", server.control);
    let mut control = runtime.block_on(ZoneControlClient::connect(address)).expect("the control API");
    let first = runtime.block_on(stats(&mut control));
    assert_eq!((first.state.as_str(), first.shard), ("unassigned", 0));
    let endpoint = ZoneEndpoint {
        zone: ZoneId(first.zone),
        address: first.address.parse().expect("an address"),
        public_key: first.public_key.try_into().expect("32 bytes"),
    };
    let bounds = Rect::from_metres(0.0, 0.0, 500.0, 500.0).expect("bounds");
    let map = Topology::whole(bounds).expect("a map").assign(ShardId(1), endpoint.clone()).expect("assigned");
    let json = serde_json::to_vec(&map).expect("a map is JSON");
    let bad = AssignRequest { shard: 0, topology: json.clone() };
    let refused = runtime.block_on(control.assign(bad)).expect_err("there is no shard 0");
    assert!(refused.message().contains("shard 0 is out of range"), "{refused}");
    runtime.block_on(control.assign(AssignRequest { shard: 1, topology: json.clone() })).expect("assigned");
    let serving = runtime.block_on(await_state(&mut control, "serving"));
    assert_eq!((serving.shard, serving.epoch), (1, 1));

    let spawn = Position::from_metres(50, 60);
    let mut client = TestClient::dial(&endpoint, ShardId(1), PlayerId(1), spawn);
    client.play_until(STILL, "snapshots and applied inputs", |client| client.applied.0 > 10);
    let begun = Instant::now();
    let shown = loop {
        let shown = runtime.block_on(stats(&mut control));
        if shown.players == 1 {
            break shown;
        }
        assert!(begun.elapsed() < DEADLINE, "the player is not counted");
    };
    assert_eq!(shown.positions, [spawn.x, spawn.y]);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
    let metrics = server.get("/metrics");
    assert!(metrics.contains("darkages_players 1\n"), "{metrics}");
    assert!(metrics.contains("darkages_tick_duration_seconds_bucket{le=\"0.0166\"}"), "{metrics}");
    runtime.block_on(control.push_topology(PushTopologyRequest { topology: json })).expect("pushed");
    runtime.block_on(control.drain(DrainRequest {})).expect("told");
    let status = server.stop();
    assert!(status.success(), "{status}");

    // The player is in the store: the next process finds it, under the next incarnation of its shard.
    let server = Server::start(data.path());
    let address = format!("http://{}", server.control);
    let mut control = runtime.block_on(ZoneControlClient::connect(address)).expect("the control API");
    let again = runtime.block_on(stats(&mut control));
    let endpoint = ZoneEndpoint {
        zone: ZoneId(again.zone),
        address: again.address.parse().expect("an address"),
        public_key: again.public_key.try_into().expect("32 bytes"),
    };
    let map = map.assign(ShardId(1), endpoint.clone()).expect("assigned");
    let topology = serde_json::to_vec(&map).expect("a map is JSON");
    runtime.block_on(control.assign(AssignRequest { shard: 1, topology })).expect("assigned");
    let serving = runtime.block_on(await_state(&mut control, "serving"));
    assert_eq!(serving.epoch, 2);
    let mut client = TestClient::dial(&endpoint, ShardId(1), PlayerId(1), Position::from_metres(400, 400));
    client.play_until(STILL, "being shown", |client| client.entity().is_some_and(|me| client.sees(me).is_some()));
    let me = client.entity().expect("welcomed");
    assert_eq!(client.sees(me).expect("shown").position, spawn);
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
