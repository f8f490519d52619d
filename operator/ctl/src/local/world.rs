//! Brings a world up and down: store, map, zones, directory. In that order, so that everything that can be refused is
//! refused before anything is written.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use darkages_directory::desk::{Desk, DeskConfig, Entropy as _, SystemEntropy};
use darkages_directory::http::map_routes;
use darkages_directory::issuers::Issuers;
use darkages_directory::join::join_routes;
use darkages_directory::limit::Rate;
use darkages_directory::serve::serve;
use darkages_directory::spawn::scatter;
use darkages_directory::stream::Broadcast;
use darkages_directory::view::{WorldView, WorldWatch};
use darkages_protocol::{TicketKey, WorldKey};
use darkages_store::{Store, SystemClock, TopologyDocument, TopologySwapped};
use darkages_topology::{ShardId, Topology, ZoneId};
use darkages_transport::fault::{FaultPlan, LinkFaults};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::home::{Home, WORLD_NAME};
use super::options::{MAX_PLAYERS, Options, default_bounds};
use super::pool::{Pool, PoolConfig, Program};
use crate::exit::BadInput;
use crate::store_flags::Told;

/// Threads for the store's callers and the directory. Zones and bots have their own.
const IO_THREADS: usize = 2;

/// Joins of one address: all bots come from one, each with two calls, so this only stops a client that has gone wild.
const RATE: Rate = Rate { per_second: 1_000.0, burst: 4.0 * MAX_PLAYERS as f64 };

/// How long the store may take to answer a map that is written. Meanwhile nobody looks at the zones.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);

/// How long the store may take to say who holds a lease. Meanwhile nobody looks at the zones either.
const LEASE_ANSWER: Duration = Duration::from_millis(100);

/// A world that is open.
pub struct World {
    /// What its store and directory run on.
    pub runtime: Runtime,
    /// Its store.
    pub store: Arc<dyn Store>,
    /// Its zones.
    pub pool: Pool,
    /// Where pictures of it go.
    pub publish: watch::Sender<Arc<WorldView>>,
    /// Where the directory answers.
    pub url: String,
    closing: watch::Sender<bool>,
    directory: JoinHandle<()>,
    /// Where it is kept. Last, because fields are dropped in their order and the store has its file open until then.
    pub home: Home,
}

/// Brings a world up with the map that it had, or its first.
///
/// # Errors
/// [`BadInput`] when a port is in use, or a file cannot be used or holds another world; nothing has been overwritten then.
pub fn open(options: &Options) -> anyhow::Result<(World, Topology)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("world-io")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let listener = runtime.block_on(listen(options.http))?;
    let address = listener.local_addr().context("asking for the directory's address")?;
    let home = Home::open(options.data.as_deref(), u64::from_le_bytes(random()))?;
    let store: Arc<dyn Store> = match &options.store {
        Some(Told { by, url }) => runtime
            .block_on(darkages_store::open(url.reveal(), WORLD_NAME))
            .map_err(|error| BadInput::new(format!("{by}: {error}")))?,
        None => Arc::new(home.store()?),
    };
    let map = runtime.block_on(first_map(&*store, options))?;
    let world_key = random();
    let pool = PoolConfig {
        world_key,
        seed: options.seed,
        capacity: capacity(options),
        fault: fault_plan(options),
        first: next_zone_number(&map),
        program: options.processes.then(|| program(options, &home, &world_key)).transpose()?,
    };
    let pool = Pool::new(pool, Arc::clone(&store), runtime.handle().clone());
    let (publish, world) = watch::channel(Arc::new(WorldView::unknown(map.bounds())));
    let (closing, closed) = watch::channel(false);
    let desk = desk(&store, world.clone(), world_key);
    let routes = map_routes(Broadcast::new(world, closed.clone())).merge(join_routes(Arc::new(desk)));
    let directory = runtime.spawn(serve(listener, routes, closed));
    let url = format!("http://{address}");
    Ok((World { runtime, store, pool, publish, url, closing, directory, home }, map))
}

/// What became of a map that was to be written.
#[derive(Debug)]
pub enum Written {
    /// It is the map now.
    Done,
    /// Another one is.
    Overtaken(Topology),
    /// The store did not say.
    Unanswered,
}

impl World {
    /// Writes a map if the store still has `expected`.
    ///
    /// # Errors
    /// When the store holds no readable map.
    pub fn write_map(&self, expected: &Topology, next: &Topology) -> anyhow::Result<Written> {
        let document = document(next)?;
        let swap = self.store.compare_and_swap_topology(Some(expected.revision()), document);
        let written = self.runtime.block_on(async { tokio::time::timeout(WRITTEN_WITHIN, swap).await });
        match written {
            Ok(Ok(TopologySwapped::Done)) => Ok(Written::Done),
            Ok(Ok(TopologySwapped::Conflict(Some(found)))) => {
                Ok(Written::Overtaken(serde_json::from_slice(&found.bytes).context("reading the shard map")?))
            }
            Ok(Ok(TopologySwapped::Conflict(None))) => anyhow::bail!("the store has lost its shard map"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the shard map was not written");
                Ok(Written::Unanswered)
            }
            Err(_) => Ok(Written::Unanswered),
        }
    }

    /// Whether nobody holds the lease of this shard, or another zone than `zone` does. `false` while the store does not say.
    pub fn has_lost_lease(&self, shard: ShardId, zone: &ZoneId) -> bool {
        let _runtime = self.runtime.enter();
        let look = tokio::time::timeout(LEASE_ANSWER, self.store.look(shard));
        let Ok(Ok(lease)) = self.runtime.block_on(look) else { return false };
        lease.is_none_or(|lease| !lease.is_live() || lease.zone != *zone)
    }

    /// Lets the zones save everybody and end, then closes the directory. The store stays open for a last look.
    pub fn stop(&mut self) {
        self.pool.shutdown();
        self.closing.send_replace(true);
        // It closes by itself within its own bound; a panic in it was logged.
        let _ = self.runtime.block_on(&mut self.directory);
    }

    /// Closes the store, with everything durable.
    ///
    /// # Errors
    /// When the last writes fail.
    pub fn close(self) -> anyhow::Result<()> {
        self.runtime.block_on(self.store.close()).context("closing the store")
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::AddrInUse => "is in use: stop what listens there, or give another address".to_owned(),
            _ => format!("cannot be listened on ({error}): give an address of this machine"),
        };
        BadInput::new(format!("--http {address} {why}")).into()
    })
}

async fn first_map(store: &dyn Store, options: &Options) -> anyhow::Result<Topology> {
    if let Some(found) = store.load_topology().await.context("reading the shard map")? {
        let map: Topology = serde_json::from_slice(&found.bytes).map_err(|error| {
            BadInput::new(format!(
                "--data: the shard map in the store is damaged ({error}): restore a backup or choose another directory"
            ))
        })?;
        if let Some(wanted) = options.bounds.filter(|wanted| *wanted != map.bounds()) {
            let is = map.bounds();
            return Err(BadInput::new(format!(
                "--bounds {wanted}: the stored world is {is}: leave --bounds out or choose another --data"
            ))
            .into());
        }
        return Ok(map);
    }
    let bounds = options.bounds.unwrap_or_else(default_bounds);
    let map = Topology::grid(bounds, options.zones)
        .map_err(|error| BadInput::new(format!("--bounds {bounds} with --zones {}: {error}", options.zones)))?;
    let swap = store.compare_and_swap_topology(None, document(&map)?).await.context("writing the first shard map")?;
    anyhow::ensure!(swap == TopologySwapped::Done, "another process has just written a shard map");
    Ok(map)
}

fn document(map: &Topology) -> anyhow::Result<TopologyDocument> {
    let bytes = serde_json::to_vec(map).context("encoding the shard map")?;
    Ok(TopologyDocument { revision: map.revision(), bytes })
}

/// One more than the highest number of a zone that the map names, so that a zone of this run is never taken for one of
/// another.
fn next_zone_number(map: &Topology) -> u32 {
    let served = map.shards().iter().filter_map(|shard| shard.zone.as_ref());
    let retiring = map.retiring().iter().map(|retiring| &retiring.zone);
    let number = |name: &str| name.strip_prefix("zone-")?.parse::<u32>().ok();
    served.chain(retiring).filter_map(|zone| number(&zone.zone.0)).max().unwrap_or(0).saturating_add(1)
}

/// How a zone is started as a process: the `zone-server` beside this program, with the world's key in a file.
fn program(options: &Options, home: &Home, world_key: &[u8; 32]) -> anyhow::Result<Program> {
    let own = std::env::current_exe().context("asking for the path of this program")?;
    let binary = own.with_file_name("zone-server");
    if !binary.is_file() {
        let binary = binary.display();
        return Err(BadInput::new(format!("--processes: {binary} is not there: build it with make release")).into());
    }
    let store = options.store.clone().context("--processes needs --store")?.url;
    let world_key_file = home.write_key(world_key)?;
    Ok(Program {
        binary,
        store,
        world: WORLD_NAME.to_owned(),
        world_key_file,
        capacity: capacity(options),
        allow_faults: options.aims(),
    })
}

/// Players that one zone takes in, at most.
fn capacity(options: &Options) -> usize {
    darkages_server::config::DEFAULT_CAPACITY.max(2 * options.plan.split.max_players as usize)
}

/// What happens to datagrams on their way out of each socket, so that every datagram suffers once.
pub fn fault_plan(options: &Options) -> Option<FaultPlan> {
    let faults = options.faults;
    (!faults.none()).then(|| FaultPlan {
        seed: options.seed,
        egress: LinkFaults { loss: faults.loss, delay: faults.delay, jitter: faults.jitter, ..LinkFaults::default() },
        ..FaultPlan::default()
    })
}

fn desk(store: &Arc<dyn Store>, world: WorldWatch, world_key: [u8; 32]) -> Desk {
    Desk::new(DeskConfig {
        world_name: WORLD_NAME.to_owned(),
        world,
        store: Arc::clone(store),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy),
        issuers: Arc::new(Issuers::new(Some(TicketKey::new(&random())), None)),
        world_key: WorldKey::new(&world_key),
        rate: RATE,
        spawn: scatter,
        issues_tickets: true,
    })
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}
