//! `zone-server`: one zone in a process of its own, told what to serve over its control API.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use darkages_server::config::DEFAULT_CAPACITY;
use darkages_server::control::ControlService;
use darkages_server::drain::drain;
use darkages_server::{ZoneConfig, ZoneHandle, control_tls, http, spawn};
use darkages_sim::DefaultGame;
use darkages_store::source::{STORE_VARIABLE, store_url};
use darkages_store::{Embedded, Store};
use darkages_topology::ZoneId;
use darkages_topology::control::zone_control_server::ZoneControlServer;
use darkages_transport::fault::{FaultPlan, LinkFaults};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tracing_subscriber::EnvFilter;

/// Bad input: something that the user can put right.
const BAD_INPUT: u8 = 2;

/// Serves one zone of a DarkAges world until SIGTERM, which saves its players, or hands them over first.
#[derive(Parser, Debug)]
#[command(name = "zone-server", version)]
struct Options {
    /// Name of this zone, unique in its world
    #[arg(long)]
    zone: String,
    /// Name of the world that the store must hold
    #[arg(long, default_value = "world")]
    world: String,
    /// UDP address for clients and other zones; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// UDP address that others are told, when it is not the one above
    #[arg(long)]
    advertise: Option<SocketAddr>,
    /// TCP address of the control API
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// Folder with tls.crt, tls.key and ca.crt, as a Secret of type kubernetes.io/tls is mounted: the control API listens to whoever has a
    /// client certificate of ca.crt. Needed where others than this machine reach it
    #[arg(long, value_name = "DIR")]
    control_tls: Option<PathBuf>,
    /// TCP address of /metrics, /healthz and /readyz
    #[arg(long, default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Folder of the embedded store, which one process has open at a time
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the world is kept instead, as a URL that several processes can use: redis://…, cql://…, or redis://…,cql://…
    /// for copies in Redis of what CQL keeps. Every user of a machine can read the command lines on it: where the URL has a
    /// password, give it by the variable DARKAGES_STORE or by --store-file
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    store: Option<String>,
    /// File with that URL, read once
    #[arg(long, value_name = "PATH", conflicts_with_all = ["data", "store"])]
    store_file: Option<PathBuf>,
    /// File with the world's key: 64 hexadecimal digits
    #[arg(long)]
    world_key_file: PathBuf,
    /// Seed of the world's randomness
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Players that it takes in, at most
    #[arg(long, default_value_t = DEFAULT_CAPACITY, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    capacity: usize,
    /// On SIGTERM, wait so many seconds at most for the operator to move the shard to another zone, players on board. A second
    /// SIGTERM, and SIGINT, end the zone at once: its players are saved, and their clients join again
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    drain_seconds: u64,
    /// End as on SIGINT when standard input is closed, so that it never outlives whoever started it
    #[arg(long)]
    exit_on_stdin_close: bool,
    /// Crash when the control API says so, at the point that it names; for tests
    #[arg(long)]
    allow_faults: bool,
    /// Seed of the faults that follow
    #[arg(long, default_value_t = 0)]
    fault_seed: u64,
    /// Share of its datagrams to lose, 0 to 1; for tests
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    fault_loss: f64,
    /// Delay of each of its datagrams, in milliseconds; for tests
    #[arg(long, value_name = "MS", default_value_t = 0)]
    fault_delay_ms: u64,
    /// Further delay, random between 0 and this; for tests
    #[arg(long, value_name = "MS", default_value_t = 0)]
    fault_jitter_ms: u64,
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zone-server: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    use anyhow::Context as _;
    if !options.control.ip().is_loopback() && options.control_tls.is_none() {
        anyhow::bail!(
            "--control {}: others reach this address: give --control-tls, or a loopback address",
            options.control
        );
    }
    let world_key = read_key(&options.world_key_file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let fault = fault(&options)?;
    let store = runtime.block_on(open_store(&options))?;
    let config = ZoneConfig {
        advertise: options.advertise,
        seed: options.seed,
        capacity: options.capacity,
        fault,
        has_operator: true,
        allow_faults: options.allow_faults,
        ..ZoneConfig::new(ZoneId(options.zone.clone()), options.listen, world_key)
    };
    let zone = spawn::<DefaultGame>(config, store.clone(), runtime.handle())
        .with_context(|| format!("--listen {}", options.listen))?;
    let served = runtime.block_on(serve(&options, &zone));
    zone.shutdown();
    runtime.block_on(store.close())?;
    served
}

async fn open_store(options: &Options) -> anyhow::Result<Arc<dyn Store>> {
    use anyhow::Context as _;
    let Options { data, store, store_file, world, .. } = options;
    if let Some(data) = data {
        std::fs::create_dir_all(data).with_context(|| format!("--data {}", data.display()))?;
        return Ok(Arc::new(Embedded::open(&data.join("world.redb"), world)?));
    }
    let variable = std::env::var_os(STORE_VARIABLE);
    let name = match (store, store_file) {
        (Some(_), _) => "--store",
        (None, Some(_)) => "--store-file",
        (None, None) => STORE_VARIABLE,
    };
    match store_url(store.as_deref(), store_file.as_deref(), variable)? {
        Some(url) => darkages_store::open(url.reveal(), world).await.context(name),
        None => anyhow::bail!("--data, --store, --store-file or {STORE_VARIABLE}: say where the world is kept"),
    }
}

fn fault(options: &Options) -> anyhow::Result<Option<FaultPlan>> {
    let Options { fault_seed, fault_loss, fault_delay_ms, fault_jitter_ms, .. } = *options;
    let (delay, jitter) = (Duration::from_millis(fault_delay_ms), Duration::from_millis(fault_jitter_ms));
    let egress = LinkFaults { loss: fault_loss, delay, jitter, ..LinkFaults::default() };
    if egress == LinkFaults::default() {
        return Ok(None);
    }
    let plan = FaultPlan { seed: fault_seed, egress, ..FaultPlan::default() };
    plan.validate().map_err(|error| anyhow::anyhow!("--fault-loss, --fault-delay-ms or --fault-jitter-ms: {error}"))?;
    Ok(Some(plan))
}

/// Serves until a signal comes. Says on standard output where, so that whoever started it can find it.
async fn serve(options: &Options, zone: &ZoneHandle) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let control = tokio::net::TcpListener::bind(options.control).await;
    let control = control.with_context(|| format!("--control {}", options.control))?;
    let web = tokio::net::TcpListener::bind(options.http).await.with_context(|| format!("--http {}", options.http))?;
    println!("udp={} control={} http={}", zone.address(), control.local_addr()?, web.local_addr()?);
    let stop = Arc::new(Notify::new());
    let service = ZoneControlServer::new(ControlService::new(zone.clone(), Arc::clone(&stop)));
    let server = tonic::transport::Server::builder().add_service(service);
    let control = async {
        match &options.control_tls {
            Some(folder) => {
                let incoming = control_tls::accept(control, folder)
                    .with_context(|| format!("--control-tls {}", folder.display()))?;
                server.serve_with_incoming(incoming).await?;
            }
            None => server.serve_with_incoming(TcpListenerStream::new(control)).await?,
        }
        Ok(())
    };
    let web = axum::serve(web, http::router(zone.clone())).into_future();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        result = control => result,
        result = web => Ok(result?),
        () = terminated(&mut term, zone, Duration::from_secs(options.drain_seconds)) => Ok(()),
        _ = int.recv() => Ok(()),
        () = stop.notified() => Ok(()),
        () = stdin_closed(), if options.exit_on_stdin_close => Ok(()),
    }
}

/// Waits for SIGTERM, then until everybody is handed over, the time for it is up, or it comes again.
async fn terminated(term: &mut Signal, zone: &ZoneHandle, within: Duration) {
    term.recv().await;
    if within.is_zero() {
        return;
    }
    tracing::info!(within_s = within.as_secs(), "waits until its players are handed over");
    tokio::select! {
        idle = drain(zone, within) => tracing::info!(idle, "goes"),
        _ = term.recv() => tracing::info!("goes at once"),
    }
}

/// Waits until standard input is closed; what comes on it is dropped.
async fn stdin_closed() {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own: a read of standard input cannot be called off, and the runtime would wait for it at the end.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(tell);
    });
    // It is never sent to, only dropped.
    let _ = told.await;
}

fn read_key(path: &std::path::Path) -> anyhow::Result<[u8; 32]> {
    let problem = || format!("--world-key-file {}: give a file with 64 hexadecimal digits", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{} ({error})", problem()))?;
    let text = text.trim();
    let mut key = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        anyhow::bail!(problem());
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| anyhow::anyhow!(problem()))?;
    }
    Ok(key)
}
