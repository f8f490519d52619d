//! A zone: one thread that ticks the world of its shard, with its clients, its neighbours and the store around it.
//!
//! Between two ticks the thread waits for datagrams, commands and answers of the store, and handles them as they come; at the
//! tick's deadline it simulates and sends. Nothing here waits for anything else: the store is asked through a queue, and a
//! tick that could not be kept is counted, not made up for.

mod crash;
mod durable;
mod ghosts;
mod inbox;
mod keeper;
mod outbox;
mod publish;
mod refused;
mod replicate;
mod stored;
mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, bounded};
use darkages_protocol::{WorldKey, ZoneMessage};
use darkages_sim::Event as WorldEvent;
use darkages_store::{Fence, Store, Swap};
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, Tick, Topology};
use darkages_transport::{BindError, Channel, Endpoint, EndpointConfig, Limits, StaticKeypair};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::clients::Clients;
use crate::clock::{MAX_BEHIND_TICKS, TickClock};
use crate::config::ZoneConfig;
use crate::gate::Gate;
use crate::hall::Hall;
use crate::handle::{Command, MAX_COMMANDS, Shown, ZoneHandle};
use crate::handoff::{Action, CallId, Event, Moment, Players, Subject, ZoneMachine};
use crate::metrics::{Label, Metrics, ReasonLabel};
use crate::peers::Peers;
use crate::play::Play;
use crate::replication::scene::SceneBuilder;
use crate::stats::{SharedTotals, StageTimes, TickRing, ZoneState, ZoneStats};
use crate::storage::Storage;

pub use crash::CrashOrder;

use durable::Durables;
use ghosts::GhostBands;
use keeper::Keeper;

/// Shortest time between two looks at the socket, so that a crowd's datagrams are taken in batches and a handshake still
/// waits for no tick.
const COALESCE: Duration = Duration::from_millis(1);

/// Sessions that a zone's endpoint holds, at most: clients in mid-handoff on both sides, other zones, and room for a storm.
const MAX_SESSIONS: usize = 16_384;

/// How long a zone that shuts down waits for its players to be saved.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Why a zone does not start.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// Its socket or its keys.
    #[error("opening the zone's UDP socket")]
    Bind(#[from] BindError),
    /// No key could be made.
    #[error("making the zone's key")]
    Key(#[from] darkages_transport::NoRandomness),
    /// No thread could be started.
    #[error("starting the zone's thread")]
    Thread(#[from] std::io::Error),
}

/// One incarnation of a shard: who acts for players, and the world they stand in.
struct Life<G: Play> {
    machine: ZoneMachine,
    hall: Hall<G>,
    durables: Durables<G>,
    /// When it lets players in by handoffs, while it does not yet: once it can show them what its neighbours showed.
    ready_at: Option<Tick>,
    /// Whether a player was handed over to it.
    has_taken: bool,
    /// Subjects that were wanted elsewhere because of where they stand.
    wanted: BTreeSet<Subject>,
    /// Those of them who lost their ground to a change of the map.
    displaced: BTreeSet<Subject>,
}

/// What is asked of the store at the end of this round, in one call each.
#[derive(Default)]
struct Asked {
    looks: Vec<(CallId, PlayerId)>,
    swap_calls: Vec<(CallId, PlayerId)>,
    swaps: Vec<Swap>,
}

/// The thread's state.
struct Zone<G: Play> {
    config: ZoneConfig<G::Rules>,
    key: WorldKey,
    rng: StdRng,
    endpoint: Endpoint<Gate>,
    me: ZoneEndpoint,
    storage: Storage,
    commands: Receiver<Command>,
    shown: Arc<Shown>,
    metrics: Metrics,
    totals: SharedTotals,
    clock: TickClock,
    /// The tick that is simulated next.
    tick: Tick,
    /// The one that was simulated before it.
    ticked: Tick,
    started: Instant,
    topology: Option<Arc<Topology>>,
    keeper: Keeper,
    life: Option<Life<G>>,
    /// An incarnation that is over and remembers players who may not have arrived.
    past: Option<Life<G>>,
    clients: Clients,
    peers: Peers,
    bands: GhostBands,
    /// Since when players in the world have no client.
    absent: BTreeMap<PlayerId, Tick>,
    /// Cut ticks of releases that arrived, until their players act.
    cuts: BTreeMap<PlayerId, Tick>,
    /// Actions that wait to be carried out, and for which incarnation.
    actions: Vec<(Fence, Action)>,
    /// What the machine says in one step; kept for its memory.
    said: Vec<Action>,
    asked: BTreeMap<Fence, Asked>,
    scene: SceneBuilder,
    world_events: Vec<WorldEvent<G>>,
    buffer: Vec<u8>,
    block: Vec<u8>,
    ring: TickRing,
    stages: StageTimes,
    /// Processor time of this thread when the stage began.
    lap_from: Duration,
    views: usize,
    draining: bool,
    reaches_store: bool,
    stopping: Option<Instant>,
    /// Where it was told to crash.
    crash: Option<CrashOrder>,
}

/// Starts a zone. It waits unassigned until it is given a shard.
///
/// # Errors
/// When the socket cannot be bound or no thread can be started.
pub fn spawn<G: Play>(
    config: ZoneConfig<G::Rules>,
    store: Arc<dyn Store>,
    runtime: &tokio::runtime::Handle,
) -> Result<ZoneHandle, ZoneError>
where
    G::Rules: Send,
{
    let now = Instant::now();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let limits = Limits { max_sessions: MAX_SESSIONS, coalesce: COALESCE, ..Limits::default() };
    let transport = EndpointConfig {
        limits,
        fault: config.fault.clone(),
        ..EndpointConfig::new(config.listen, StaticKeypair::generate()?, unix.as_secs())
    };
    let endpoint = Endpoint::bind(transport, Gate::new(config.key()), now)?;
    let bound = endpoint.local_addr();
    let mut address = config.advertise.unwrap_or(bound);
    if address.port() == 0 {
        address.set_port(bound.port());
    }
    let me = ZoneEndpoint { zone: config.zone.clone(), address, public_key: endpoint.public_key() };
    let waker = endpoint.waker();
    let nudge = waker.clone();
    let (command, commands) = bounded(MAX_COMMANDS);
    let stats = ZoneStats { endpoint: Some(me.clone()), ..ZoneStats::default() };
    let shown = Arc::new(Shown { stats: Mutex::new(Arc::new(stats)), ticked_us: AtomicU64::new(0), started: now });
    let (metrics, totals) = (Metrics::new(), SharedTotals::default());
    let clock = TickClock::new(now, unix);
    let name = format!("zone-{}", config.zone);
    let allows_faults = config.allow_faults;
    let zone = Zone::<G> {
        key: config.key(),
        rng: StdRng::from_rng(&mut rand::rng()),
        endpoint,
        me: me.clone(),
        storage: Storage::new(store, runtime, move || nudge.wake()),
        commands,
        shown: shown.clone(),
        metrics: metrics.clone(),
        totals: totals.clone(),
        tick: clock.due(now).plus(1),
        ticked: clock.due(now),
        clock,
        started: now,
        topology: None,
        keeper: Keeper::default(),
        life: None,
        past: None,
        clients: Clients::default(),
        peers: Peers::default(),
        bands: GhostBands::default(),
        absent: BTreeMap::new(),
        cuts: BTreeMap::new(),
        actions: Vec::new(),
        said: Vec::new(),
        asked: BTreeMap::new(),
        scene: SceneBuilder::default(),
        world_events: Vec::new(),
        buffer: Vec::new(),
        block: Vec::new(),
        ring: TickRing::default(),
        stages: StageTimes::default(),
        lap_from: Duration::ZERO,
        views: 0,
        draining: false,
        reaches_store: true,
        stopping: None,
        crash: None,
        config,
    };
    let thread = std::thread::Builder::new().name(name).spawn(move || zone.run())?;
    let thread = Arc::new(Mutex::new(Some(thread)));
    Ok(ZoneHandle { endpoint: me, commands: command, waker, shown, metrics, totals, allows_faults, thread })
}

impl<G: Play> Zone<G> {
    fn run(mut self) {
        loop {
            let deadline = self.clock.deadline(self.tick);
            while Instant::now() < deadline {
                self.endpoint.wait(deadline);
                self.serve(Instant::now());
            }
            if self.is_done() {
                break;
            }
            self.keep_up(deadline);
            self.run_tick();
        }
        self.publish(ZoneState::Stopped);
    }

    /// Takes in everything that has come: datagrams, answers of the store, commands.
    fn serve(&mut self, now: Instant) {
        self.endpoint.poll(now);
        self.take_in();
        for answer in self.storage.answers() {
            self.stored(answer);
        }
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command, now);
        }
        self.carry_out();
        self.ask_store();
    }

    /// Counts a tick that begins late, and skips ticks when there are too many to make up for.
    fn keep_up(&mut self, deadline: Instant) {
        let now = Instant::now();
        let late = now.saturating_duration_since(deadline);
        let period = Duration::from_nanos(darkages_topology::world::TICK_NANOS);
        let (mut missed, mut skipped) = (u64::from(late > period / 2), 0);
        let due = self.clock.due(now);
        if due.since(self.tick) > MAX_BEHIND_TICKS {
            skipped = due.since(self.tick);
            missed = skipped;
            self.tick = due;
        }
        if missed > 0 {
            self.metrics.late_ticks.inc_by(missed);
            self.totals.update(|totals| {
                totals.late_ticks += missed;
                totals.skipped_ticks += skipped;
            });
        }
    }

    /// The moment of an event that is passed now.
    fn moment(&self) -> Moment {
        Moment { tick: self.tick, elapsed: self.started.elapsed() }
    }

    /// Lets one event happen to the current incarnation.
    fn step(&mut self, event: Event) {
        if let Some(life) = &self.life {
            self.step_of(life.machine.fence(), event);
        }
    }

    /// Lets an event happen to that incarnation, if this zone still has it.
    fn step_of(&mut self, fence: Fence, event: Event) {
        let now = self.moment();
        let lives = [self.life.as_mut(), self.past.as_mut()];
        let Some(life) = lives.into_iter().flatten().find(|life| life.machine.fence() == fence) else { return };
        life.machine.step(now, event, &mut life.hall, &mut self.said);
        self.actions.extend(self.said.drain(..).map(|action| (fence, action)));
    }

    /// Sends a message to a client; what does not fit closes it, because reliable means all or nothing.
    fn tell(&mut self, player: PlayerId, message: &ZoneMessage) {
        let Some(client) = self.clients.of_player(player) else { return };
        let session = client.session;
        let sent = self.endpoint.send(session, Channel::ReliableOrdered, &message.encode(), Instant::now());
        if let Err(error) = sent {
            tracing::debug!(%session, reason = error.label(), "a message could not be queued");
            self.count_closed(error.label());
            self.endpoint.close(session, darkages_transport::CloseReason::MemoryBound);
            self.lost(session);
        }
    }

    fn count_closed(&self, reason: &'static str) {
        self.metrics.sessions_closed.get_or_create(&ReasonLabel { reason: Label(reason) }).inc();
    }

    fn count_refused(&self, reason: &'static str) {
        self.metrics.messages_refused.get_or_create(&ReasonLabel { reason: Label(reason) }).inc();
    }

    /// Random bytes for keys and nonces, from a generator that was seeded by the system.
    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Seconds since the Unix epoch.
    fn unix_s() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// The shard that this zone acts for.
    fn shard(&self) -> Option<ShardId> {
        self.life.as_ref().map(|life| life.machine.fence().shard)
    }

    /// Whether this zone may act at this very moment.
    fn may_act(&self) -> bool {
        let elapsed = self.started.elapsed();
        self.life.as_ref().is_some_and(|life| life.machine.may_act(elapsed))
    }

    /// The owner epoch under which this zone acts for a player.
    fn acting(&self, player: PlayerId) -> Option<OwnerEpoch> {
        self.life.as_ref()?.machine.owner_epoch(player)
    }

    /// Whether a zone that shuts down has nothing left to do, or no time.
    fn is_done(&mut self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        if Instant::now() >= deadline {
            return true;
        }
        self.keeper.is_free() && self.life.is_none()
    }
}

impl<G: Play> Life<G> {
    /// Whether nobody needs this incarnation any more.
    fn is_empty(&self) -> bool {
        self.machine.is_empty() && self.hall.is_idle() && self.hall.world.players().is_empty()
    }

    /// Where a subject stands.
    fn position(&self, subject: Subject) -> Option<darkages_topology::Position> {
        match subject {
            Subject::Player(player) => self.hall.world.position_of(player),
            Subject::Npc(entity) => {
                let scene = self.hall.world.scene();
                scene.find(entity).map(|found| scene.position(found))
            }
        }
    }

    /// Whose ground a place is.
    fn owner_of(&self, place: darkages_topology::Position) -> Option<ShardId> {
        self.hall.owner_of(place)
    }
}
