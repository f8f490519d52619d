//! A zone in a process of its own: the real `zone-server`, told over its control API and watched by a task.
//!
//! What flows in are orders, what flows out is the newest thing that the process said of itself. It is killed when this is
//! dropped, and ends by itself when this program dies, so that nothing outlives a run.

mod harm;

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use darkages_controller::{Link, Reach};
use darkages_plan::Look;
use darkages_server::stats::Totals;
use darkages_store::source::{STORE_VARIABLE, UrlText};
use darkages_topology::{ZoneEndpoint, ZoneId};
use darkages_transport::FaultPlan;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tonic::transport::Endpoint;

/// How long a process may take to say where it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// How long a process may take to save its players and end.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

/// How a zone is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The `zone-server` binary.
    pub binary: PathBuf,
    /// Where the world is kept.
    pub store: UrlText,
    /// Name of the world.
    pub world: String,
    /// File with the world's key.
    pub world_key_file: PathBuf,
    /// Players that it takes in, at most.
    pub capacity: usize,
    /// Whether it crashes when it is told to.
    pub allow_faults: bool,
}

/// A zone process.
pub struct Process {
    child: Child,
    link: Link,
    runtime: Handle,
    /// Spares the process that dies with this one, once it is set.
    along: Mutex<Option<Arc<AtomicBool>>>,
}

impl Process {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer in time.
    pub fn start(
        program: &Program,
        name: &ZoneId,
        seed: u64,
        fault: Option<&FaultPlan>,
        reach: Arc<Reach>,
        runtime: &Handle,
    ) -> anyhow::Result<Self> {
        let Program { binary, store, world, world_key_file, capacity, allow_faults } = program;
        let mut command = Command::new(binary);
        command.args(["--zone", &name.0, "--world", world]);
        // Not as a flag: it may hold a password, and command lines are read by everybody on the machine.
        command.env(STORE_VARIABLE, store.reveal());
        command.arg("--world-key-file").arg(world_key_file);
        command.args(["--seed", &seed.to_string(), "--capacity", &capacity.to_string()]);
        if *allow_faults {
            command.arg("--allow-faults");
        }
        if let Some(fault) = fault {
            command.args(fault_flags(fault));
        }
        // What it says goes to the terminal of the run, where only trouble is of interest; the user's own wish goes first.
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        command.arg("--exit-on-stdin-close");
        // In a group of its own, so that Ctrl-C reaches this program only, which then lets the zones save everybody.
        command.process_group(0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let begun = child.stdout.take().context("its output is piped").and_then(first_line);
        let linked = begun.and_then(|line| runtime.block_on(link(&line, reach)));
        match linked {
            Ok(link) => Ok(Self { child, link, runtime: runtime.clone(), along: Mutex::default() }),
            Err(error) => {
                stop(&mut child);
                Err(error.context(format!("starting {name} as a process")))
            }
        }
    }

    /// Its name, address and key.
    pub const fn endpoint(&self) -> &ZoneEndpoint {
        self.link.endpoint()
    }

    /// The way to it, for orders.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// What it said last of itself.
    pub fn look(&self) -> Look {
        self.link.look()
    }

    /// What it has done in its life, as far as it came to say so.
    pub fn totals(&self) -> Totals {
        super::totals::totals(&self.link.totals())
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id, for the meter.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Lets it save its players and end, and takes its last word on its life.
    pub fn shutdown(&mut self) {
        self.spare(None);
        self.thaw();
        self.runtime.block_on(self.link.ask_totals());
        let ended = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + ENDS_WITHIN;
        while ended.is_ok() && !self.is_over() && Instant::now() < deadline {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        stop(&mut self.child);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// The way to the process that says that it listens there.
async fn link(line: &str, reach: Arc<Reach>) -> anyhow::Result<Link> {
    let place = line.split_whitespace().find_map(|pair| pair.strip_prefix("control="));
    let place: SocketAddr =
        place.with_context(|| format!("it said {line:?}"))?.parse().context("its control address")?;
    let endpoint = Endpoint::from_shared(format!("http://{place}"))?;
    Ok(Link::open(endpoint, reach).await?)
}

/// The first line that a process says, which tells where it listens. What it says later is read and dropped, so that it
/// never waits for a reader.
fn first_line(out: ChildStdout) -> anyhow::Result<String> {
    let (tell, told) = sync_channel(1);
    std::thread::Builder::new().name("zone-output".into()).spawn(move || {
        let mut reader = BufReader::new(out);
        let mut line = String::new();
        let read = reader.read_line(&mut line);
        // Nobody waits any more when this comes too late.
        let _ = tell.send(read.map(|_| line));
        let _ = std::io::copy(&mut reader.by_ref(), &mut std::io::sink());
    })?;
    match told.recv_timeout(STARTS_WITHIN) {
        Ok(Ok(line)) if !line.is_empty() => Ok(line),
        Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => {
            anyhow::bail!("it ended before it listened: see what it said")
        }
        Ok(Err(error)) => Err(error).context("reading where it listens"),
        Err(RecvTimeoutError::Timeout) => anyhow::bail!("it did not say where it listens within {STARTS_WITHIN:?}"),
    }
}

fn fault_flags(fault: &FaultPlan) -> [String; 8] {
    let egress = &fault.egress;
    let ms = |time: Duration| time.as_millis().to_string();
    [
        "--fault-seed".into(),
        fault.seed.to_string(),
        "--fault-loss".into(),
        egress.loss.to_string(),
        "--fault-delay-ms".into(),
        ms(egress.delay),
        "--fault-jitter-ms".into(),
        ms(egress.jitter),
    ]
}

/// Ends a process for certain. It may have ended by itself.
fn stop(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}
