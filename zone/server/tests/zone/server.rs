//! The real `zone-server` as a process, told over its control API.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use darkages_topology::control::zone_control_client::ZoneControlClient;
use darkages_topology::control::{StatsRequest, StatsResponse};
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Topology, ZoneId};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;
use tonic::transport::Channel;

use crate::client::{DEADLINE, WORLD_KEY};

/// For a test that waits for each answer.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// How one of this name is started. `folder` keeps the world's key.
pub fn command(folder: &Path, zone: &str) -> Command {
    let key = folder.join("world.key");
    let digits: String = WORLD_KEY.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&key, digits).expect("a key file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_zone-server"));
    command.args(["--zone", zone, "--world-key-file"]).arg(&key);
    command
}

/// A running `zone-server`; killed when the test ends in any way.
pub struct Server {
    process: Child,
    control: SocketAddr,
    http: SocketAddr,
}

impl Server {
    /// One of this name, with these further arguments. `folder` keeps the world's key.
    pub fn start(folder: &Path, zone: &str, arguments: &[&str]) -> Self {
        let mut command = command(folder, zone);
        command.args(arguments);
        Self::run(&mut command)
    }

    /// One of this command.
    pub fn run(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("it says where it listens");
        let place = |name: &str| {
            let value = line.split_whitespace().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.expect("the address is there").parse().expect("an address")
        };
        Self { control: place("control"), http: place("http"), process }
    }

    /// Its number among the processes of the machine.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it says to a GET.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.http).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: zone\r\nConnection: close\r\n\r\n").expect("asks");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    }

    /// Where its control API listens.
    pub const fn control_address(&self) -> SocketAddr {
        self.control
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("it is ours");
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return status;
            }
            assert!(begun.elapsed() < DEADLINE, "it did not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Its control API.
    pub fn control<'a>(&self, runtime: &'a Runtime) -> Control<'a> {
        let address = format!("http://{}", self.control);
        let client = runtime.block_on(ZoneControlClient::connect(address)).expect("the control API");
        Control { runtime, client }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The control API of a process, for a test that waits for each answer.
pub struct Control<'a> {
    runtime: &'a Runtime,
    pub client: ZoneControlClient<Channel>,
}

impl Control<'_> {
    pub fn stats(&mut self) -> StatsResponse {
        let request = StatsRequest { positions: true, totals: true };
        self.runtime.block_on(self.client.stats(request)).expect("stats").into_inner()
    }

    /// Where clients and other zones reach it.
    pub fn endpoint(&mut self) -> ZoneEndpoint {
        let stats = self.stats();
        ZoneEndpoint {
            zone: ZoneId(stats.zone),
            address: stats.address.parse().expect("an address"),
            public_key: stats.public_key.try_into().expect("32 bytes"),
        }
    }

    /// Waits until the zone says that it is in this state.
    pub fn await_state(&mut self, wanted: &str) -> StatsResponse {
        self.await_stats(wanted, |stats| stats.state == wanted)
    }

    pub fn await_stats(&mut self, what: &str, holds: impl Fn(&StatsResponse) -> bool) -> StatsResponse {
        let begun = Instant::now();
        loop {
            let stats = self.stats();
            if holds(&stats) {
                return stats;
            }
            assert!(begun.elapsed() < DEADLINE, "{what} did not come about: {stats:?}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

/// A map as the control API takes it.
pub fn json(map: &Topology) -> Vec<u8> {
    serde_json::to_vec(map).expect("a map is JSON")
}
