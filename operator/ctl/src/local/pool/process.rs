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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use darkages_plan::Look;
use darkages_server::stats::Totals;
use darkages_topology::control::zone_control_client::ZoneControlClient;
use darkages_topology::control::{AnswerStoreRequest, AssignRequest, PushTopologyRequest, StatsRequest, StatsResponse};
use darkages_topology::{ShardId, Topology, ZoneEndpoint, ZoneId};
use darkages_transport::FaultPlan;
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use super::said;
use crate::local::reach::Reach;

/// How long a process may take to say where it listens, and then to answer for the first time.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// Time between two questions how the zone is: twice for each look of the run.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Every how many questions the zone is asked for its whole life: about once a second.
const TOTALS_EVERY: u32 = 20;

/// How long one call may take.
const CALL_DEADLINE: Duration = Duration::from_millis(500);

/// How long a process may take to save its players and end.
const ENDS_WITHIN: Duration = Duration::from_secs(8);

/// How a zone is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The `zone-server` binary.
    pub binary: PathBuf,
    /// Where the world is kept, as its `--store` takes it.
    pub store: String,
    /// Name of the world.
    pub world: String,
    /// File with the world's key.
    pub world_key_file: PathBuf,
    /// Players that it takes in, at most.
    pub capacity: usize,
    /// Whether it crashes when it is told to.
    pub allow_faults: bool,
}

/// What a process said last.
#[derive(Debug)]
struct Said {
    at: Instant,
    stats: StatsResponse,
    totals: Totals,
}

/// A zone process.
pub struct Process {
    child: Child,
    endpoint: ZoneEndpoint,
    control: ZoneControlClient<Channel>,
    runtime: Handle,
    said: Arc<Mutex<Said>>,
    watch: JoinHandle<()>,
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
        command.args(["--zone", &name.0, "--world", world, "--store", store]);
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
        let connected = begun.and_then(|line| runtime.block_on(connect(&line)));
        let (control, first) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                stop(&mut child);
                return Err(error.context(format!("starting {name} as a process")));
            }
        };
        let endpoint = said::endpoint(&first).context("reading the zone's address")?;
        let said = Arc::new(Mutex::new(Said { at: Instant::now(), stats: first, totals: Totals::default() }));
        let watch = runtime.spawn(watch(control.clone(), Arc::clone(&said), reach));
        Ok(Self { child, endpoint, control, runtime: runtime.clone(), said, watch, along: Mutex::default() })
    }

    /// Its name, address and key.
    pub const fn endpoint(&self) -> &ZoneEndpoint {
        &self.endpoint
    }

    /// What it said last of itself.
    pub fn look(&self) -> Look {
        let said = self.said();
        said::look(&self.endpoint, &said.stats, said.at.elapsed())
    }

    /// What it has done in its life, as far as it came to say so.
    pub fn totals(&self) -> Totals {
        self.said().totals.clone()
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Its process id, for the meter.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Tells it to serve a shard. It is told again at the next look when it did not hear.
    pub fn assign(&self, shard: ShardId, map: &Topology) {
        let Ok(topology) = serde_json::to_vec(map) else { return };
        let mut control = self.control.clone();
        self.runtime.spawn(async move {
            let request = AssignRequest { shard: shard.0, topology };
            if let Err(error) = within(control.assign(request)).await {
                tracing::debug!(%shard, %error, "the zone did not take its shard");
            }
        });
    }

    /// Tells it a map. It is told again at the next look when it did not hear.
    pub fn push_topology(&self, map: &Topology) {
        let Ok(topology) = serde_json::to_vec(map) else { return };
        let mut control = self.control.clone();
        self.runtime.spawn(async move {
            if let Err(error) = within(control.push_topology(PushTopologyRequest { topology })).await {
                tracing::debug!(%error, "the zone did not take the map");
            }
        });
    }

    /// Lets it save its players and end, and takes its last word on its life.
    pub fn shutdown(&mut self) {
        self.spare(None);
        self.thaw();
        let mut control = self.control.clone();
        let last = StatsRequest { positions: false, totals: true };
        if let Ok(stats) = self.runtime.block_on(within(control.stats(last))) {
            self.said().take(stats);
        }
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
        self.watch.abort();
        stop(&mut self.child);
    }
}

impl Said {
    fn take(&mut self, mut stats: StatsResponse) {
        if let Some(totals) = stats.totals.take() {
            self.totals = said::totals(&totals);
        }
        self.stats = stats;
        self.at = Instant::now();
    }
}

/// Asks a zone how it is until it is gone, and answers what it asks.
async fn watch(mut control: ZoneControlClient<Channel>, said: Arc<Mutex<Said>>, reach: Arc<Reach>) {
    let mut clock = tokio::time::interval(ASK_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in (0..TOTALS_EVERY).cycle() {
        clock.tick().await;
        let request = StatsRequest { positions: true, totals: round == 0 };
        // One that does not answer is seen by its tick, which stands still, and by its end.
        if let Ok(stats) = within(control.stats(request)).await {
            if stats.store_question != 0 {
                let (epoch, round) = (stats.epoch, stats.store_question);
                let answer = AnswerStoreRequest { epoch, round, reached: reach.now() };
                // A zone that did not hear asks again.
                let _ = within(control.answer_store(answer)).await;
            }
            said.lock().unwrap_or_else(PoisonError::into_inner).take(stats);
        }
    }
}

async fn connect(line: &str) -> anyhow::Result<(ZoneControlClient<Channel>, StatsResponse)> {
    let place = line.split_whitespace().find_map(|pair| pair.strip_prefix("control="));
    let place: SocketAddr =
        place.with_context(|| format!("it said {line:?}"))?.parse().context("its control address")?;
    let endpoint = Endpoint::from_shared(format!("http://{place}"))?.connect_timeout(STARTS_WITHIN);
    let mut control = ZoneControlClient::new(endpoint.connect().await.context("connecting to its control API")?)
        .max_decoding_message_size(said::MAX_ANSWER_BYTES);
    let first = StatsRequest { positions: false, totals: false };
    let stats =
        tokio::time::timeout(STARTS_WITHIN, control.stats(first)).await.context("its first answer is late")??;
    Ok((control, stats.into_inner()))
}

/// One call with its deadline.
async fn within<T>(call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Result<T, tonic::Status> {
    match tokio::time::timeout(CALL_DEADLINE, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(tonic::Status::deadline_exceeded("no answer within the call's deadline")),
    }
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
