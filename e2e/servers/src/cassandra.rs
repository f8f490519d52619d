//! Cassandra: nodes that are started in a folder of its own, waited for with a deadline, gone with the test.
//!
//! Each node is the child of a shell that waits for the end of its input and then kills the node and removes its folder. The
//! other end of that pipe is the test's, so the node goes whatever becomes of the test: when it ends, panics or is killed.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait_for;

/// Ports of every node; nodes differ by address.
pub const CQL_PORT: u16 = 9_042;
const STORAGE_PORT: u16 = 7_000;

/// How long a node may take until it serves. It takes some 10 s on a machine that has nothing else to do.
const START_DEADLINE: Duration = Duration::from_secs(150);

/// Times that a node is started until it must serve.
const STARTS: u32 = 3;

/// Between two looks at a node that starts.
const LOOK: Duration = Duration::from_millis(100);

/// Kills the node, whose pid is in the file `pid`, and removes the folder when nobody holds the other end of its input.
const KEEPER: &str = r#"
"$@" </dev/null >"$FOLDER/out" 2>&1 &
echo $! >"$FOLDER/pid.new" && mv "$FOLDER/pid.new" "$FOLDER/pid"
cat >/dev/null
kill -KILL $! 2>/dev/null
wait
rm -rf "$FOLDER"
"#;

/// What Cassandra needs of a modern JVM, as in the options files that come with it.
const EXPORTS: &[&str] = &[
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.rmi/sun.rmi.transport.tcp",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
];
const OPENS: &[&str] = &[
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.math",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.management/com.sun.management.internal",
];

/// What a node is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The one that most tests share: who logs in must say who, it has room for many keyspaces, and is patient with itself
    /// on a busy machine.
    Alone,
    /// One of several: small, open to everybody, soon tired of waiting for the others.
    Member,
}

/// A running node.
pub struct Node {
    /// Where it listens.
    pub address: Ipv4Addr,
    keeper: Child,
    folder: PathBuf,
}

impl Node {
    /// Starts a node of its own cluster. Only `cassandra` with that password may log in.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let address = free_addresses(1)[0];
        Self::started(address, address, Role::Alone)
    }

    /// Starts a cluster of nodes, one after the other has joined. Everybody may log in: who may is kept in one copy only,
    /// which must not be the reason for what a test sees.
    ///
    /// # Panics
    /// When one of them does not start.
    pub fn cluster(count: u8) -> Vec<Self> {
        let addresses = free_addresses(count);
        addresses.iter().map(|address| Self::started(*address, addresses[0], Role::Member)).collect()
    }

    fn spawn(address: Ipv4Addr, seed: Ipv4Addr, role: Role) -> Self {
        let jars = jars();
        let folder = tempfile::Builder::new().prefix("darkages-cassandra-").tempdir().expect("a folder").keep();
        fs::write(folder.join("cassandra.yaml"), configuration(&folder, address, seed, role)).expect("written");
        fs::write(folder.join("logback.xml"), LOGBACK).expect("written");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "keeper", "java"]);
        let heap = if role == Role::Alone { ["-Xms1G", "-Xmx1G"] } else { ["-Xms512M", "-Xmx512M"] };
        keeper.args(heap);
        keeper.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k"]);
        keeper.args(EXPORTS.iter().map(|export| format!("--add-exports={export}=ALL-UNNAMED")));
        keeper.args(OPENS.iter().map(|open| format!("--add-opens={open}=ALL-UNNAMED")));
        let set = |name: &str, value: &dyn std::fmt::Display| format!("-D{name}={value}");
        keeper.args([
            set("cassandra.config", &format!("file://{}", folder.join("cassandra.yaml").display())),
            set("cassandra.storagedir", &folder.display()),
            set("logback.configurationFile", &folder.join("logback.xml").display()),
            // A node of its own waits for nobody; one that joins others must give them time to answer.
            set("cassandra.ring_delay_ms", &if address == seed { 1_000 } else { 4_000 }),
            set("cassandra.skip_wait_for_gossip_to_settle", &0),
            set("cassandra.superuser_setup_delay_ms", &0),
            // A node is never started again, so what it knows of tables need not be flushed with each of them.
            set("cassandra.unsafesystem", &true),
            // Weak hashes: a login must not cost more than what is tested.
            set("cassandra.auth_bcrypt_gensalt_log2_rounds", &4),
            set("java.io.tmpdir", &folder.display()),
            set("jdk.attach.allowAttachSelf", &true),
        ]);
        keeper.args(["-cp", &format!("{}/*", jars.display()), "org.apache.cassandra.service.CassandraDaemon"]);
        keeper.env("FOLDER", &folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let keeper = keeper.spawn().expect("a shell starts");
        Self { address, keeper, folder }
    }

    /// Waits until it serves; whether it does. One that finds the others too busy to answer it ends by itself.
    fn serves(&self) -> bool {
        let deadline = Instant::now() + START_DEADLINE;
        let address = SocketAddr::from((self.address, CQL_PORT));
        while TcpStream::connect_timeout(&address, LOOK).is_err() {
            if Instant::now() >= deadline || !self.runs() {
                return false;
            }
            thread::sleep(LOOK);
        }
        true
    }

    fn runs(&self) -> bool {
        // The keeper may not have got so far.
        let Ok(pid) = fs::read_to_string(self.folder.join("pid")) else { return true };
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // Pid, name in brackets, state: a zombie has ended.
        state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
    }

    /// Starts a node and waits until it serves; tries again where that helps.
    fn started(address: Ipv4Addr, seed: Ipv4Addr, role: Role) -> Self {
        for _ in 1..STARTS {
            let node = Self::spawn(address, seed, role);
            if node.serves() {
                return node;
            }
        }
        let node = Self::spawn(address, seed, role);
        assert!(node.serves(), "Cassandra does not start; its last words:\n{}", node.last_words());
        node
    }

    fn last_words(&self) -> String {
        let said = fs::read_to_string(self.folder.join("out")).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Sends the node a signal by its name. After `STOP` it stands still: on a busy machine its threads go on for a moment.
    ///
    /// # Panics
    /// When the node is gone.
    pub fn signal(&self, name: &str) {
        let pid = fs::read_to_string(self.folder.join("pid")).expect("the keeper has written it");
        let sent = Command::new("kill").args([&format!("-{name}"), pid.trim()]).status().expect("kill runs");
        assert!(sent.success(), "the node runs");
        if name == "STOP" {
            wait_for("the node stands still", || is_stopped(pid.trim()).then_some(()));
        }
    }
}

/// Whether no thread of a process runs any more. The state of each follows its name, which is in brackets.
fn is_stopped(pid: &str) -> bool {
    let is_stopped = |thread: fs::DirEntry| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    };
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|threads| threads.flatten().all(is_stopped))
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The node that all tests of this binary share. It goes with the process.
///
/// # Panics
/// When it does not start.
pub fn shared() -> &'static Node {
    static NODE: OnceLock<Node> = OnceLock::new();
    NODE.get_or_init(Node::start)
}

/// A keyspace that nobody has used in this run.
pub fn new_keyspace() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed))
}

/// The URL of a keyspace at the shared node; `rest` are further options, each after a `&`.
///
/// # Panics
/// When the shared node does not start.
pub fn url(keyspace: &str, rest: &str) -> String {
    format!("cql://cassandra:cassandra@{}:{CQL_PORT}/{keyspace}?replication=1&timeout=20s{rest}", shared().address)
}

/// Loopback addresses on which nobody listens to our ports.
fn free_addresses(count: u8) -> Vec<Ipv4Addr> {
    let is_free =
        |address: &Ipv4Addr| [CQL_PORT, STORAGE_PORT].iter().all(|port| TcpListener::bind((*address, *port)).is_ok());
    let seed = std::process::id();
    let mut sets = (0..64).map(|shift: u32| {
        let number = seed.wrapping_mul(64).wrapping_add(shift);
        let [_, _, high, low] = number.to_be_bytes();
        (1..=count).map(|last| Ipv4Addr::new(127, 1 + high % 200, low, last)).collect::<Vec<_>>()
    });
    sets.find(|set| set.iter().all(is_free)).expect("there are free loopback addresses")
}

/// The folder with Cassandra and what it needs.
fn jars() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here.join("../../.cache/cassandra/lib");
    assert!(folder.join("cassandra-all-5.0.5.jar").exists(), "Cassandra is missing: run `make cassandra` once");
    folder.canonicalize().expect("it exists")
}

const LOGBACK: &str = r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%date{ISO8601} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"#;

fn configuration(folder: &Path, address: Ipv4Addr, seed: Ipv4Addr, role: Role) -> String {
    let mut yaml = String::new();
    let mut line = |text: &dyn std::fmt::Display| writeln!(yaml, "{text}").expect("memory");
    line(&"cluster_name: darkages-tests");
    line(&"num_tokens: 4");
    line(&"partitioner: org.apache.cassandra.dht.Murmur3Partitioner");
    line(&"endpoint_snitch: SimpleSnitch");
    let (authenticator, timeout) = match role {
        Role::Alone => ("PasswordAuthenticator", "10s"),
        Role::Member => ("AllowAllAuthenticator", "2s"),
    };
    line(&format!("authenticator: {authenticator}"));
    line(&"role_manager: CassandraRoleManager");
    line(&format!("listen_address: {address}"));
    line(&format!("rpc_address: {address}"));
    line(&format!("storage_port: {STORAGE_PORT}"));
    line(&format!("native_transport_port: {CQL_PORT}"));
    line(&"seed_provider:");
    line(&"  - class_name: org.apache.cassandra.locator.SimpleSeedProvider");
    line(&"    parameters:");
    line(&format!("      - seeds: \"{seed}\""));
    for (name, place) in
        [("commitlog_directory", "commitlog"), ("hints_directory", "hints"), ("saved_caches_directory", "caches")]
    {
        line(&format!("{name}: {}", folder.join(place).display()));
    }
    line(&format!("cdc_raw_directory: {}", folder.join("cdc").display()));
    line(&format!("data_file_directories: [{}]", folder.join("data").display()));
    line(&"commitlog_sync: periodic");
    line(&"commitlog_sync_period: 1000ms");
    line(&"commitlog_segment_size: 32MiB");
    line(&"concurrent_reads: 8");
    line(&"concurrent_writes: 8");
    line(&"auto_snapshot: false");
    line(&"memtable_heap_space: 64MiB");
    line(&"memtable_offheap_space: 64MiB");
    line(&format!("cas_contention_timeout: {timeout}"));
    line(&format!("read_request_timeout: {timeout}"));
    line(&format!("write_request_timeout: {timeout}"));
    line(&"dynamic_snitch: false");
    line(&"paxos_variant: v2");
    yaml
}
