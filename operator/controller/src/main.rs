//! `zone-operator`: looks after the `ZoneServer`s of a cluster.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use clap::Parser;
use darkages_controller::operator::{self, OperatorConfig};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Bad input: something that the user can put right.
const BAD_INPUT: u8 = 2;

/// Splits, merges and moves the zones of DarkAges worlds on Kubernetes, players on board.
#[derive(Parser, Debug)]
#[command(name = "zone-operator", version)]
struct Options {
    /// Namespace to look after; all when left out
    #[arg(long, value_name = "NAMESPACE", env = "DARKAGES_WATCH_NAMESPACE")]
    watch_namespace: Option<String>,
    /// Namespace of the lease by which one of several operators acts
    #[arg(long, value_name = "NAMESPACE", env = "DARKAGES_POD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Own name in the lease, unique among the operators of a cluster
    #[arg(long, value_name = "NAME", env = "DARKAGES_POD_NAME")]
    identity: String,
    /// Image of zones whose ZoneServer names none
    #[arg(long, value_name = "IMAGE", env = "DARKAGES_ZONE_IMAGE")]
    zone_image: String,
    /// TCP address of /healthz and /readyz
    #[arg(long, default_value = "0.0.0.0:8080")]
    http: SocketAddr,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("zone-operator: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let mut config = Config::infer().await.context("finding the API server: run in a pod, or give KUBECONFIG")?;
    // A call that was refused because there are too many is made again at the next look, which knows more by then.
    config.default_retry = false;
    let client = Client::try_from(config).context("connecting to the API server")?;
    let http = tokio::net::TcpListener::bind(options.http).await.with_context(|| format!("--http {}", options.http))?;
    // Ready whether or not it leads: a second one that waits is as it should be.
    let routes = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(|| async { "ok\n" }));
    let config = OperatorConfig {
        watched: options.watch_namespace,
        namespace: options.namespace,
        identity: options.identity,
        zone_image: options.zone_image,
    };
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        // Another one leads. This one begins anew, and by then has forgotten what it planned.
        () = operator::run(client, config) => Ok(ExitCode::FAILURE),
        result = axum::serve(http, routes).into_future() => result.map(|()| ExitCode::SUCCESS).context("serving HTTP"),
        _ = term.recv() => Ok(ExitCode::SUCCESS),
        _ = int.recv() => Ok(ExitCode::SUCCESS),
    }
}
