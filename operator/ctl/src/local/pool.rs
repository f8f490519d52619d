//! The zones of a run: as many as the map needs, and one more that waits. Each is a thread of this process or a process of
//! its own.

mod process;
mod totals;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use darkages_controller::Reach;
use darkages_plan::{Life, Look, Order, TickBreakdown, behind};
use darkages_server::handle::{HandleError, ZoneHandle};
use darkages_server::stats::{Stage, Totals, ZoneState, ZoneStats};
use darkages_server::zone::CrashOrder;
use darkages_server::{ZoneConfig, zone};
use darkages_sim::DefaultGame;
use darkages_store::Store;
use darkages_topology::{ShardId, Topology, ZoneEndpoint, ZoneId};
use darkages_transport::FaultPlan;

use self::process::Process;
pub use self::process::Program;

/// Zones that one run has at a time, at most: each is a thread or a process and a socket, and those that are over are used
/// again.
const MAX_ZONES: usize = 256;

/// Zone processes in a row that may fail to start before the run is given up. Each takes its time.
const MAX_FAILED: u32 = 10;

/// What all zones of a run have in common.
pub struct PoolConfig {
    /// The key that tokens are sealed with.
    pub world_key: [u8; 32],
    /// Seed of the worlds' randomness.
    pub seed: u64,
    /// Players that one zone takes in, at most.
    pub capacity: usize,
    /// What happens to datagrams.
    pub fault: Option<FaultPlan>,
    /// Number of the first zone. Higher than any that the stored map names, so that a name stands for one process only.
    pub first: u32,
    /// How a zone is started as a process; `None` for threads.
    pub program: Option<Program>,
}

/// A zone.
enum Zone {
    Thread(ZoneHandle),
    Process(Process),
}

/// The zones.
pub struct Pool {
    config: PoolConfig,
    store: Arc<dyn Store>,
    reach: Arc<Reach>,
    runtime: tokio::runtime::Handle,
    zones: Vec<Zone>,
    started: u32,
    /// Processes in a row that could not be started.
    failed: u32,
    /// What zones have done whose processes have ended.
    ended: Vec<Totals>,
    /// Processes that have ended and nobody has asked about.
    gone: Vec<ZoneId>,
}

impl Pool {
    /// No zones yet.
    pub fn new(config: PoolConfig, store: Arc<dyn Store>, runtime: tokio::runtime::Handle) -> Self {
        let reach = Arc::new(Reach::watch(Arc::clone(&store), &runtime));
        let (zones, ended, gone) = (Vec::new(), Vec::new(), Vec::new());
        Self { config, store, reach, runtime, zones, started: 0, failed: 0, ended, gone }
    }

    /// Sees to it that `wanted` zones are on standby, unless there are as many as may be.
    pub fn keep_standby(&mut self, looks: &[Look], wanted: usize) -> anyhow::Result<()> {
        let standby = looks.iter().filter(|look| look.life == Life::Standby).count();
        if self.config.program.is_some() && !self.reach.now() {
            // A process that cannot open its store ends.
            return Ok(());
        }
        for _ in standby..wanted {
            if self.zones.len() >= MAX_ZONES {
                tracing::warn!(zones = self.zones.len(), "no more zones are started");
                break;
            }
            match self.start() {
                Ok(()) => self.failed = 0,
                // The store may be slow, or away, for a moment: the next look tries again.
                Err(error) if self.config.program.is_some() && self.failed < MAX_FAILED => {
                    self.failed += 1;
                    tracing::warn!(error = format!("{error:#}"), "a zone could not be started");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let number = self.config.first.checked_add(self.started).context("counting zones")?;
        self.started += 1;
        let id = ZoneId(format!("zone-{number}"));
        let seed = self.config.seed.wrapping_add(u64::from(number));
        // Each zone draws its own faults, or all of them would lose the same datagrams.
        let fault = self.config.fault.clone();
        let fault = fault.map(|fault| FaultPlan { seed: fault.seed ^ u64::from(number), ..fault });
        let zone = match &self.config.program {
            Some(program) => {
                let reach = Arc::clone(&self.reach);
                Zone::Process(Process::start(program, &id, seed, fault.as_ref(), reach, &self.runtime)?)
            }
            None => {
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let capacity = self.config.capacity;
                let config = ZoneConfig::new(id, listen, self.config.world_key);
                let config = ZoneConfig { seed, capacity, fault, has_operator: true, ..config };
                let handle = zone::spawn::<DefaultGame>(config, Arc::clone(&self.store), &self.runtime)
                    .with_context(|| format!("starting zone-{number}"))?;
                Zone::Thread(handle)
            }
        };
        self.zones.push(zone);
        Ok(())
    }

    /// What all zones say of themselves. Processes that have ended are here no more.
    pub fn looks(&mut self) -> Vec<Look> {
        for zone in self.zones.extract_if(.., Zone::has_ended) {
            self.ended.push(zone.totals());
            self.gone.push(zone.endpoint().zone.clone());
        }
        for zone in &self.zones {
            zone.answer(&self.reach);
        }
        self.zones.iter().map(Zone::look).collect()
    }

    /// Tells zones what the map wants of them and they do not know yet. A zone that is too busy to listen is told again at
    /// the next look.
    pub fn obey(&self, map: &Arc<Topology>, looks: &[Look]) {
        for order in behind(map, looks) {
            match order {
                Order::Assign(look, shard) => self.find(look, |zone| zone.assign(shard, map)),
                Order::Push(look) => self.find(look, |zone| zone.push_topology(map)),
            }
        }
    }

    fn find(&self, look: &Look, order: impl FnOnce(&Zone)) {
        if let Some(zone) = self.zones.iter().find(|zone| *zone.endpoint() == look.endpoint) {
            order(zone);
        }
    }

    /// Ends a process in the middle of whatever it does. Says whether there was one.
    pub fn kill(&mut self, endpoint: &ZoneEndpoint) -> bool {
        let victim = self.zones.iter_mut().find(|zone| zone.endpoint() == endpoint);
        let Some(Zone::Process(process)) = victim else { return false };
        process.kill();
        true
    }

    /// The processes that have ended since this was asked last.
    pub fn take_ended(&mut self) -> Vec<ZoneId> {
        std::mem::take(&mut self.gone)
    }

    /// Lets a process crash at a point, and `partner` in the same moment. Those that have ended hear nothing.
    pub fn order(&self, zone: &ZoneEndpoint, order: CrashOrder, partner: Option<&ZoneEndpoint>) {
        let Some(process) = self.process(zone) else { return };
        if let Err(error) = process.take_along(partner.and_then(|partner| self.process(partner))) {
            return tracing::warn!(zone = %zone.zone, error = format!("{error:#}"), "the zone is not told to crash");
        }
        process.crash_at(Some(order));
    }

    /// Lets a process not crash any more.
    pub fn call_off(&self, zone: &ZoneEndpoint) {
        if let Some(process) = self.process(zone) {
            process.crash_at(None);
        }
    }

    /// Stops a process in the middle of whatever it does, until it is thawed. Says whether there was one.
    pub fn freeze(&self, zone: &ZoneEndpoint) -> bool {
        self.process(zone).is_some_and(Process::freeze)
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self, zone: &ZoneEndpoint) {
        if let Some(process) = self.process(zone) {
            process.thaw();
        }
    }

    fn process(&self, endpoint: &ZoneEndpoint) -> Option<&Process> {
        self.zones.iter().find_map(|zone| match zone {
            Zone::Process(process) if process.endpoint() == endpoint => Some(process),
            _ => None,
        })
    }

    /// The processes that zones run in, besides this one.
    pub fn processes(&self) -> impl Iterator<Item = u32> + '_ {
        self.zones.iter().filter_map(|zone| match zone {
            Zone::Process(process) => Some(process.id()),
            Zone::Thread(_) => None,
        })
    }

    /// What all zones have done in their lives.
    pub fn totals(&self) -> Vec<Totals> {
        self.zones.iter().map(Zone::totals).chain(self.ended.iter().cloned()).collect()
    }

    /// Lets all zones save their players and end, at the same time.
    pub fn shutdown(&mut self) {
        std::thread::scope(|scope| {
            for zone in &mut self.zones {
                scope.spawn(|| zone.shutdown());
            }
        });
    }
}

impl Zone {
    /// Whether its process has ended. A thread that has is still asked for what it did.
    fn has_ended(&mut self) -> bool {
        match self {
            Self::Thread(_) => false,
            Self::Process(process) => process.is_over(),
        }
    }

    fn endpoint(&self) -> &ZoneEndpoint {
        match self {
            Self::Thread(zone) => zone.endpoint(),
            Self::Process(process) => process.endpoint(),
        }
    }

    fn look(&self) -> Look {
        match self {
            Self::Thread(zone) => look(zone.endpoint(), &zone.stats()),
            Self::Process(process) => process.look(),
        }
    }

    fn assign(&self, shard: ShardId, map: &Arc<Topology>) {
        match self {
            Self::Thread(zone) => was_told(zone, zone.assign(shard, Arc::clone(map))),
            Self::Process(process) => process.link().assign(shard, map),
        }
    }

    /// Answers whether the store is reached, if the zone asks. A process is answered by the task that watches it.
    fn answer(&self, reach: &Reach) {
        let Self::Thread(zone) = self else { return };
        let stats = zone.stats();
        if let (Some(epoch), Some(round)) = (stats.epoch, stats.store_question) {
            was_told(zone, zone.answer_store(epoch, round, reach.now()));
        }
    }

    fn push_topology(&self, map: &Arc<Topology>) {
        match self {
            Self::Thread(zone) => was_told(zone, zone.push_topology(Arc::clone(map)).map(|_| ())),
            Self::Process(process) => process.link().push_topology(map),
        }
    }

    fn totals(&self) -> Totals {
        match self {
            Self::Thread(zone) => zone.totals(),
            Self::Process(process) => process.totals(),
        }
    }

    fn shutdown(&mut self) {
        match self {
            Self::Thread(zone) => zone.shutdown(),
            Self::Process(process) => process.shutdown(),
        }
    }
}

fn was_told(zone: &ZoneHandle, told: Result<(), HandleError>) {
    if told == Err(HandleError::Busy) {
        tracing::debug!(zone = %zone.endpoint().zone, "the zone is busy");
    }
}

fn look(endpoint: &ZoneEndpoint, stats: &ZoneStats) -> Look {
    let (handles, positions): (Vec<_>, Vec<_>) = stats.positions.iter().copied().unzip();
    Look {
        endpoint: endpoint.clone(),
        shard: stats.shard,
        life: match stats.state {
            ZoneState::Unassigned => Life::Standby,
            ZoneState::Acquiring => Life::Acquiring,
            ZoneState::Serving => Life::Serving,
            ZoneState::Retiring => Life::Retiring,
            ZoneState::Stopped => Life::Over,
        },
        draining: stats.draining,
        store_away: stats.store_away.iter().map(|tier| (*tier).to_owned()).collect(),
        tick: stats.tick,
        revision: stats.revision,
        open_handoffs: count(stats.handoffs),
        tick_p95: stats.ticks.work_p95,
        tick_p99: stats.ticks.p99,
        costs: TickBreakdown::of_stages(count(stats.players), stats.views as u64, count(stats.ghosts), |label| {
            Stage::ALL
                .into_iter()
                .zip(stats.ticks.stages.0)
                .filter(|(stage, _)| stage.label() == label)
                .map(|(_, time)| time)
                .sum()
        }),
        positions,
        handles,
        silent_for: Duration::ZERO,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
