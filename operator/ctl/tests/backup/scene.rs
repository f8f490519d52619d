//! Worlds on disk, the built command, and children that end with the test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use darkages_store::{
    Acquired, Embedded, Expect, OwnerRecord, PlayerData, Store as _, Swap, Swapped, TopologyDocument,
};
use darkages_topology::{PlayerId, Position, Rect, ShardId, Topology, ZoneId};
use serde_json::Value;

pub const DEADLINE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(600);

pub fn darkages(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkages"));
    command.arg("backup").args(arguments);
    command
}

pub fn run(arguments: &[&str]) -> Output {
    darkages(arguments).output().expect("the built command starts")
}

pub fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?} said {err}{out}");
    out
}

pub fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(&[arguments, &["--json"]].concat())).expect("--json prints JSON")
}

pub fn complaint(arguments: &[&str], code: i32) -> String {
    let output = run(arguments);
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?} said {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?} must say one line, not {said}");
    said
}

pub fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("messages are text")
}

/// A folder with a world, and names for places beside it.
pub struct Scene {
    folder: tempfile::TempDir,
}

impl Scene {
    pub fn new(players: u64) -> Self {
        let scene = Self { folder: tempfile::tempdir().expect("a folder for the test") };
        scene.fill("world", 1..=players);
        scene
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn at(&self, name: &str) -> String {
        self.path(name).to_str().expect("a plain name").to_owned()
    }

    /// Adds players to a world, which is made when it is not there. They must be new to it.
    pub fn fill(&self, name: &str, players: std::ops::RangeInclusive<u64>) {
        fs::create_dir_all(self.path(name)).expect("a folder");
        block_on(async {
            let store = self.open(name);
            let Acquired::Granted(lease) =
                store.acquire(ShardId(1), &ZoneId("z".into()), LEASE).await.expect("acquire")
            else {
                panic!("leases end with the process")
            };
            let births: Vec<Swap> = players.map(born).collect();
            for births in births.chunks(4_000) {
                let answers = store.swap(lease.fence, births.to_vec()).await.expect("swap");
                assert!(answers.iter().all(|answer| *answer == Swapped::Done));
            }
            let ground = Rect::new(Position::from_metres(0, 0), Position::from_metres(1_000, 1_000));
            let map = Topology::whole(ground.expect("an area")).expect("a map");
            let bytes = serde_json::to_vec(&map).expect("it is JSON");
            let map = TopologyDocument { revision: map.revision(), bytes };
            // A world that was there has its map already.
            store.compare_and_swap_topology(None, map).await.expect("the map");
            store.close().await.expect("close");
        });
    }

    pub fn open(&self, name: &str) -> Embedded {
        Embedded::open(&self.path(name).join("world.redb"), "local").expect("the world opens")
    }

    /// Players in a world.
    pub fn players(&self, name: &str) -> u64 {
        block_on(async {
            let (store, mut after, mut players) = (self.open(name), None, 0);
            loop {
                let page = store.scan_owners(after, 1_000).await.expect("scan");
                let Some((last, _)) = page.last() else { return players };
                (after, players) = (Some(*last), players + page.len() as u64);
            }
        })
    }

    pub fn folders(&self, name: &str) -> Vec<PathBuf> {
        let listed = fs::read_dir(self.path(name)).into_iter().flatten();
        listed.map(|entry| entry.expect("listed").path()).filter(|path| path.is_dir()).collect()
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

pub fn born(player: u64) -> Swap {
    // What a hash makes of a number cannot be compressed, so that files fill up and a kill finds something to interrupt.
    let state = (0..50_u64).flat_map(|at| (player * 64 + at).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    let data = PlayerData { state: state.collect(), ..PlayerData::default() };
    Swap { player: PlayerId(player), expect: Expect::Absent, next: OwnerRecord::created(ShardId(1), data) }
}

/// A child that does not outlive the test.
pub struct Running(pub Child);

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        let child = darkages(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self(child.expect("the built command starts"))
    }

    /// Waits until `holds`, and fails when the child ends first.
    pub fn until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds() {
            assert!(Instant::now() < deadline, "still not: {what}");
            assert!(self.0.try_wait().expect("its state").is_none(), "it ended before: {what}");
            std::thread::yield_now();
        }
    }

    pub fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ended");
    }

    pub fn terminate(mut self) -> (Option<i32>, String) {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
        let status = self.0.wait().expect("it ended");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().expect("piped"), &mut said).expect("text");
        (status.code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
