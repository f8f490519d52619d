//! `zone-directory`: tells the players of one world on a cluster where to play.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use darkages_crds::ZoneServer;
use darkages_directory::cluster::ClusterWorld;
use darkages_directory::desk::{Desk, DeskConfig, SystemEntropy};
use darkages_directory::http::map_routes;
use darkages_directory::issuers::Issuers;
use darkages_directory::join::join_routes;
use darkages_directory::jwt::{Jwks, JwksError, MAX_JWKS_BYTES};
use darkages_directory::limit::Rate;
use darkages_directory::operator;
use darkages_directory::serve::serve;
use darkages_directory::shop::Shop;
use darkages_directory::spawn::scatter;
use darkages_directory::stream::Broadcast;
use darkages_directory::view::WorldView;
use darkages_protocol::{TicketKey, WorldKey};
use darkages_store::{Store, SystemClock};
use darkages_topology::Rect;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Bad input: something that the user can put right.
const BAD_INPUT: u8 = 2;

/// How often published keys are read again.
const READ_JWKS_EVERY: Duration = Duration::from_secs(30);

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Tells the players of one world where to play: checks tickets, picks the zone, gives out connect tokens.
#[derive(Parser, Debug)]
#[command(name = "zone-directory", version)]
struct Options {
    /// The ZoneServer whose world it is
    #[arg(long, value_name = "NAME", env = "DARKAGES_ZONE_SERVER")]
    zone_server: String,
    /// Its namespace
    #[arg(long, value_name = "NAMESPACE", env = "DARKAGES_POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// File with the key by which tickets are signed, which their issuer has too: 64 hexadecimal digits
    #[arg(long, value_name = "PATH", required_unless_present = "jwks_file")]
    ticket_key_file: Option<PathBuf>,
    /// File with the public keys of issuers whose JSON Web Tokens are tickets: a JWKS with Ed25519 or RSA keys. It is read again
    /// when it changes
    #[arg(long, value_name = "PATH")]
    jwks_file: Option<PathBuf>,
    /// Operator that says where players stand, for the live map; without it the map shows grounds alone
    #[arg(long, value_name = "URL", env = "DARKAGES_OPERATOR")]
    operator: Option<String>,
    /// Give a ticket to anybody who asks; for development
    #[arg(long, requires = "ticket_key_file")]
    issue_tickets: bool,
    /// Joins that one address may make in a second
    #[arg(long, value_name = "N", default_value_t = 20.0)]
    joins_per_second: f64,
    /// Joins that one address may make at once
    #[arg(long, value_name = "N", default_value_t = 200.0)]
    joins_at_once: f64,
    /// TCP address of the join API, the live map, /healthz and /readyz
    #[arg(long, default_value = "0.0.0.0:8080")]
    http: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zone-directory: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let Options {
        zone_server,
        namespace,
        ticket_key_file,
        jwks_file,
        operator,
        issue_tickets,
        joins_per_second,
        joins_at_once,
        http,
    } = options;
    if let Some(url) = &operator {
        anyhow::ensure!(
            url.starts_with("http://"),
            "--operator {url}: give one like http://zone-operator.darkages-system:8080"
        );
    }
    let good_rate = |rate: f64| rate.is_finite() && rate > 0.0;
    anyhow::ensure!(good_rate(joins_per_second), "--joins-per-second {joins_per_second}: give a number above 0");
    anyhow::ensure!(good_rate(joins_at_once), "--joins-at-once {joins_at_once}: give a number above 0");
    let shared = ticket_key_file.map(|file| read_key(&file)).transpose()?.map(|key| TicketKey::new(&key));
    let published = jwks_file.as_deref().map(read_jwks).transpose()?;
    let issuers = Arc::new(Issuers::new(shared, published));
    let config = Config::infer().await.context("finding the API server: run in a pod, or give KUBECONFIG")?;
    let client = Client::try_from(config).context("connecting to the API server")?;
    let listener = tokio::net::TcpListener::bind(http).await.with_context(|| format!("--http {http}"))?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (closing, closed) = watch::channel(false);
    let shop = Shop::default();
    let serving = tokio::spawn(serve(listener, shop.routes(), closed.clone()));
    let world = ClusterWorld::new(client, namespace.clone(), zone_server.clone());
    let key_secret = format!("{zone_server}-world-key");
    let Opened { found, world_key, store } = tokio::select! {
        opened = open(&world, &key_secret) => opened?,
        _ = term.recv() => return Ok(()),
        _ = int.recv() => return Ok(()),
    };
    let bounds = Rect::try_from(found.spec.bounds).context("spec.bounds")?;
    let (publish, watched) = watch::channel(Arc::new(WorldView::unknown(bounds)));
    let desk = Desk::new(DeskConfig {
        world_name: found.spec.world,
        world: watched.clone(),
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock::new()),
        entropy: Arc::new(SystemEntropy),
        issuers: Arc::clone(&issuers),
        world_key: WorldKey::new(&world_key),
        rate: Rate { per_second: joins_per_second, burst: joins_at_once },
        spawn: scatter,
        issues_tickets: issue_tickets,
    });
    let desk = Arc::new(desk);
    let routes = map_routes(Broadcast::new(watched, closed.clone())).merge(join_routes(Arc::clone(&desk)));
    let take_key = |text: &str| match key(text) {
        Some(key) => desk.set_world_key(WorldKey::new(&key)),
        None => tracing::warn!(secret = key_secret, "the key has no 64 hexadecimal digits: the old one is kept"),
    };
    let (tell, seen) = watch::channel(None);
    let asked = async {
        match &operator {
            Some(url) => operator::follow(url, &namespace, &zone_server, tell).await,
            None => drop(tell),
        }
        std::future::pending::<()>().await;
    };
    shop.open(routes);
    tokio::select! {
        () = asked => {}
        () = follow_jwks(jwks_file.as_deref(), &issuers) => {}
        () = world.follow(seen, publish) => anyhow::bail!("the watch of the ZoneServer has ended"),
        () = world.follow_secret(&key_secret, "key", take_key) => anyhow::bail!("the watch of the key has ended"),
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    closing.send_replace(true);
    serving.await.context("closing")?;
    store.close().await.context("closing the store")
}

/// A world, once it is there.
struct Opened {
    found: ZoneServer,
    world_key: [u8; KEY_BYTES],
    store: Arc<dyn Store>,
}

/// Waits until the world is there and opens its store.
async fn open(world: &ClusterWorld, key_secret: &str) -> anyhow::Result<Opened> {
    let found = world.found().await?;
    let world_key = world.secret(key_secret, "key").await?;
    let world_key =
        key(&world_key).with_context(|| format!("secret {key_secret} has no key of 64 hexadecimal digits"))?;
    let reference = &found.spec.storage.url_secret_ref;
    let url = world.secret(&reference.name, &reference.key).await?;
    let store = darkages_store::open(url.trim(), &found.spec.world).await?;
    Ok(Opened { found, world_key, store })
}

fn read_jwks(path: &Path) -> anyhow::Result<Jwks> {
    let problem = || format!("--jwks-file {}", path.display());
    let length = std::fs::metadata(path).with_context(problem)?.len();
    anyhow::ensure!(length <= MAX_JWKS_BYTES, "{}: it has more than {MAX_JWKS_BYTES} bytes", problem());
    let text = std::fs::read_to_string(path).with_context(problem)?;
    Jwks::parse(&text).with_context(problem)
}

/// Reads the keys again and again: whoever rotates them replaces the file. One that cannot be read changes nothing.
async fn follow_jwks(path: Option<&Path>, issuers: &Issuers) {
    let Some(path) = path else { return std::future::pending().await };
    loop {
        tokio::time::sleep(READ_JWKS_EVERY).await;
        match read_jwks(path) {
            Ok(keys) => issuers.set_published(keys),
            Err(error) if matches!(error.downcast_ref(), Some(JwksError::NoKey)) => {
                tracing::warn!("the file has no keys any more: no web token is taken");
                issuers.set_published(Jwks::none());
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the keys that are known stay"),
        }
    }
}

fn read_key(path: &Path) -> anyhow::Result<[u8; KEY_BYTES]> {
    let problem = || format!("--ticket-key-file {}: give a file with 64 hexadecimal digits", path.display());
    let text = std::fs::read_to_string(path).with_context(problem)?;
    key(&text).with_context(problem)
}

fn key(text: &str) -> Option<[u8; KEY_BYTES]> {
    let text = text.trim();
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(key)
}
