//! What others hold of a running zone: they ask, its thread answers between ticks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Revision, ShardEpoch, ShardId, Topology};
use darkages_transport::{FaultPlan, Waker};

use crate::metrics::Metrics;
use crate::stats::{SharedTotals, Totals, ZoneState, ZoneStats};
use crate::zone::CrashOrder;

/// Commands that wait for a zone's thread, at most. It takes all of them every tick.
pub const MAX_COMMANDS: usize = 256;

/// A zone whose newest tick is older than this does not tick.
const STILL_AFTER: Duration = Duration::from_secs(2);

/// What a zone's thread is told.
#[derive(Debug)]
pub(crate) enum Command {
    Assign { shard: ShardId, topology: Arc<Topology> },
    Topology(Arc<Topology>),
    Drain,
    StoreAnswer { epoch: ShardEpoch, round: u64, reached: bool },
    Fault(Option<FaultPlan>),
    Crash(Option<CrashOrder>),
    Shutdown,
}

/// What the thread shows of itself.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) stats: Mutex<Arc<ZoneStats>>,
    /// Microseconds from `started` to the newest tick.
    pub(crate) ticked_us: AtomicU64,
    pub(crate) started: Instant,
}

/// Why a zone cannot be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// Its thread has ended.
    #[error("the zone has stopped")]
    Stopped,
    /// [`MAX_COMMANDS`] wait.
    #[error("the zone is busy: {MAX_COMMANDS} commands wait already; try again")]
    Busy,
    /// It was started without [`allow_faults`](crate::ZoneConfig::allow_faults).
    #[error("the zone takes no faults: start it with --allow-faults")]
    FaultsRefused,
}

/// A running zone. Clones are handles of the same zone.
#[derive(Clone, Debug)]
pub struct ZoneHandle {
    pub(crate) endpoint: ZoneEndpoint,
    pub(crate) commands: Sender<Command>,
    pub(crate) waker: Waker,
    pub(crate) shown: Arc<Shown>,
    pub(crate) metrics: Metrics,
    pub(crate) totals: SharedTotals,
    pub(crate) allows_faults: bool,
    pub(crate) thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl ZoneHandle {
    /// Where clients and other zones reach it.
    #[must_use]
    pub const fn endpoint(&self) -> &ZoneEndpoint {
        &self.endpoint
    }

    /// Its UDP address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Lets it serve `shard` of this map. It answers by its stats.
    ///
    /// # Errors
    /// When the zone has stopped or is busy.
    pub fn assign(&self, shard: ShardId, topology: Arc<Topology>) -> Result<(), HandleError> {
        self.tell(Command::Assign { shard, topology })
    }

    /// Lets it know a map. Returns the newest revision that it is known to know.
    ///
    /// # Errors
    /// When the zone has stopped or is busy.
    pub fn push_topology(&self, topology: Arc<Topology>) -> Result<Revision, HandleError> {
        self.tell(Command::Topology(topology))?;
        Ok(self.stats().revision)
    }

    /// Lets it say that it wants to go.
    ///
    /// # Errors
    /// When the zone has stopped or is busy.
    pub fn drain(&self) -> Result<(), HandleError> {
        self.tell(Command::Drain)
    }

    /// Answers [`ZoneStats::store_question`] of the incarnation `epoch`: whether the operator reaches the store. "No" is a
    /// promise to give the zone's shard to nobody else for one second.
    ///
    /// # Errors
    /// When the zone has stopped or is busy.
    pub fn answer_store(&self, epoch: ShardEpoch, round: u64, reached: bool) -> Result<(), HandleError> {
        self.tell(Command::StoreAnswer { epoch, round, reached })
    }

    /// Sets the faults that its transport injects; `None` for none.
    ///
    /// # Errors
    /// When the zone has stopped or is busy.
    pub fn set_fault(&self, fault: Option<FaultPlan>) -> Result<(), HandleError> {
        self.tell(Command::Fault(fault))
    }

    /// Lets it crash: its process kills itself at the point that the order names. `None` calls the order off.
    ///
    /// # Errors
    /// When the zone takes no faults, has stopped or is busy.
    pub fn crash_at(&self, order: Option<CrashOrder>) -> Result<(), HandleError> {
        if !self.allows_faults {
            return Err(HandleError::FaultsRefused);
        }
        self.tell(Command::Crash(order))
    }

    /// How it is, as of a tick ago or so.
    #[must_use]
    pub fn stats(&self) -> Arc<ZoneStats> {
        self.shown.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has done in its life.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals.get()
    }

    /// What Prometheus scrapes.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether it has ticked of late.
    #[must_use]
    pub fn is_ticking(&self) -> bool {
        let ticked = self.shown.started + Duration::from_micros(self.shown.ticked_us.load(Ordering::Relaxed));
        self.stats().state != ZoneState::Stopped && ticked.elapsed() < STILL_AFTER
    }

    /// Saves its players, lets go of its shard and ends its thread. Blocks until that is done, for some seconds at most when
    /// the store does not answer.
    pub fn shutdown(&self) {
        // A zone that has stopped by itself has nothing left to do.
        let _ = self.tell(Command::Shutdown);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(zone = %self.endpoint.zone, "the zone's thread panicked");
        }
    }

    fn tell(&self, command: Command) -> Result<(), HandleError> {
        use crossbeam_channel::TrySendError::{Disconnected, Full};
        let sent = self.commands.try_send(command).map_err(|error| match error {
            Full(_) => HandleError::Busy,
            Disconnected(_) => HandleError::Stopped,
        });
        self.waker.wake();
        sent
    }
}
