//! Hundreds of bots in one thread: seeded workloads over real sockets, and the players' side of a run's report.
//!
//! A swarm asks the directory for the world and for doors like any client, plays, and judges from what its clients see
//! whether inputs were lost, anybody was disconnected or an invariant broke. Its threads are named `swarm-…`, so that their
//! processor time can be told from the zones'.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use darkages_checker::History;
use darkages_transport::FaultPlan;
use serde::{Deserialize, Serialize};

pub mod gaps;
pub mod ground;
pub mod mind;
pub mod pairs;
pub mod report;
pub mod workload;

mod bot;
mod crew;
mod lines;
mod meter;

pub use report::{SwarmReport, Trades};
pub use workload::Workload;

/// Bots of one swarm, at most.
pub const MAX_PLAYERS: u32 = 10_000;
/// Longest run.
pub const MAX_SECONDS: u32 = 7 * 24 * 3_600;

/// What a swarm should do.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Where the directory answers, such as `http://127.0.0.1:8080`.
    pub directory_url: String,
    /// What the bots do.
    pub workload: Workload,
    /// How many there are, 1 to [`MAX_PLAYERS`].
    pub players: u32,
    /// Length of the run in seconds, 1 to [`MAX_SECONDS`]. Everybody has left when it is over.
    pub seconds: u32,
    /// Seed of every decision.
    pub seed: u64,
    /// Faults under the bots' sealing, on their way out and in.
    pub fault: Option<FaultPlan>,
    /// Whether zones are killed on purpose. What stood in one is gone until it is back, so flicker (I6) is not judged then.
    pub crashes: bool,
}

/// Why a swarm cannot run.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// A number out of range. The message names it and the fix.
    #[error("{field} is {given}: give 1 to {most}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it said.
        given: u32,
        /// The largest that works.
        most: u32,
    },
    /// The directory never told what the world looks like.
    #[error("the directory at {url} does not tell the world")]
    NoWorld {
        /// Where it was asked.
        url: String,
        /// The last failure.
        #[source]
        source: crate::directory::DirectoryError,
    },
    /// A socket cannot be opened.
    #[error("cannot open a socket for the bots")]
    Socket(#[source] darkages_transport::BindError),
    /// The system gave no randomness for a key.
    #[error("cannot make a key for the bots")]
    Key(#[source] darkages_transport::NoRandomness),
    /// A thread cannot be started.
    #[error("cannot start a thread for the bots")]
    Thread(#[source] std::io::Error),
    /// The swarm's thread ended without a report.
    #[error("the thread of the bots ended early")]
    Died,
}

impl SwarmError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "out_of_range",
            Self::NoWorld { .. } => "no_world",
            Self::Socket(_) => "socket",
            Self::Key(_) => "key",
            Self::Thread(_) => "thread",
            Self::Died => "died",
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SwarmProgress {
    /// Seconds since the start.
    pub seconds: f64,
    /// Bots in the world now.
    pub inside: u32,
    /// Joins so far.
    pub joins: u64,
    /// Inputs made so far.
    pub inputs_sent: u64,
    /// Changes of zone that clients followed.
    pub handoffs_seen: u64,
    /// Sessions in use that ended though the client did not want it.
    pub disconnects: u64,
    /// Joins made because a zone fell silent or closed the session.
    pub rejoins: u64,
    /// 95 % of the newest inputs were seen by others within so many milliseconds.
    pub latency_p95_ms: f64,
    /// Violations so far.
    pub violations: u64,
    /// Whether the run is over.
    pub over: bool,
}

/// What a swarm's thread and its handle share.
#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    progress: Mutex<SwarmProgress>,
}

impl Shared {
    fn publish(&self, progress: SwarmProgress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }
}

/// Starts swarms.
#[derive(Debug)]
pub struct Swarm;

impl Swarm {
    /// Starts a swarm in threads of its own.
    ///
    /// # Errors
    /// When a number is out of range or a thread cannot be started. What goes wrong later comes with
    /// [`SwarmHandle::join`].
    pub fn start(config: SwarmConfig) -> Result<SwarmHandle, SwarmError> {
        for (field, given, most) in [("players", config.players, MAX_PLAYERS), ("seconds", config.seconds, MAX_SECONDS)]
        {
            if given == 0 || given > most {
                return Err(SwarmError::OutOfRange { field, given, most });
            }
        }
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("swarm-0".to_owned())
            .spawn(move || {
                let result = crew::run(&config, &for_thread);
                let last = *for_thread.progress.lock().unwrap_or_else(PoisonError::into_inner);
                for_thread.publish(SwarmProgress { over: true, ..last });
                result
            })
            .map_err(SwarmError::Thread)?;
        Ok(SwarmHandle { shared, thread })
    }
}

/// What a swarm leaves behind.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What the bots lived through.
    pub report: SwarmReport,
    /// What they asked for, were told and saw, to be judged by what is there in the end.
    pub history: History,
}

/// A swarm that runs.
#[derive(Debug)]
pub struct SwarmHandle {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Ended, SwarmError>>,
}

impl SwarmHandle {
    /// How far it has come, at most a quarter of a second old.
    #[must_use]
    pub fn progress(&self) -> SwarmProgress {
        *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets all bots leave now.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Whether [`SwarmHandle::join`] would return at once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end and returns the report and the history.
    ///
    /// # Errors
    /// When the swarm could not run.
    pub fn join(self) -> Result<Ended, SwarmError> {
        self.thread.join().map_err(|_| SwarmError::Died)?
    }
}

/// How often progress is published.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);
