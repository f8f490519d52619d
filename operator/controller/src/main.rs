//! `zone-operator`: looks after the `ZoneServer`s of a cluster.

#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use darkages_controller::census::Census;
use darkages_controller::fleet::Fleet;
use darkages_controller::gallery::Gallery;
use darkages_controller::http::{Desk, routes};
use darkages_controller::leader::{Leadership, Stand};
use darkages_controller::metrics::Metrics;
use darkages_controller::metrics_api::MetricsApi;
use darkages_controller::operator::{self, Ended, OperatorConfig};
use darkages_controller::scaler;
use kube::{Client, Config};
use tokio::net::TcpListener;
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
    /// TCP address of /healthz, /readyz, /metrics and pictures of worlds
    #[arg(long, default_value = "0.0.0.0:8080")]
    http: SocketAddr,
    /// Own address, at which the other operators send whoever asks for pictures while this one acts
    #[arg(long, value_name = "ADDRESS", env = "DARKAGES_POD_IP")]
    address: Option<IpAddr>,
    /// TCP address of the metrics API, from which a HorizontalPodAutoscaler takes players; none is served when left out
    #[arg(long, value_name = "ADDRESS", requires = "metrics_service")]
    metrics_api: Option<SocketAddr>,
    /// Service, in the operator's own namespace, by which the API server reaches the metrics API
    #[arg(long, value_name = "NAME", requires = "metrics_api")]
    metrics_service: Option<String>,
    /// TCP address of the external scaler, from which KEDA takes players; none is served when left out
    #[arg(long, value_name = "ADDRESS")]
    external_scaler: Option<SocketAddr>,
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
    let Options {
        watch_namespace,
        namespace,
        identity,
        zone_image,
        http,
        address,
        metrics_api,
        metrics_service,
        external_scaler,
    } = options;
    let mut config = Config::infer().await.context("finding the API server: run in a pod, or give KUBECONFIG")?;
    // A call that was refused because there are too many is made again at the next look, which knows more by then.
    config.default_retry = false;
    let client = Client::try_from(config).context("connecting to the API server")?;
    let port = http.port();
    let http = bind("--http", http).await?;
    let metrics_api = match metrics_api {
        Some(address) => Some(bind("--metrics-api", address).await?),
        None => None,
    };
    let external_scaler = match external_scaler {
        Some(address) => Some(bind("--external-scaler", address).await?),
        None => None,
    };
    let address = address.map(|address| SocketAddr::new(address, port));
    let stand = Stand { namespace: namespace.clone(), lease: operator::LEASE, identity: identity.clone(), address };
    let mut leadership = Leadership::stand(client.clone(), stand);
    let fleet = Arc::new(Fleet::watch(&client, watch_namespace.as_deref()));
    let metrics = Metrics::new(Arc::clone(&fleet), leadership.mandate());
    let census = Census::new(Arc::clone(&fleet), leadership.witness());
    let service = metrics_service.unwrap_or_default();
    let api = MetricsApi {
        client: client.clone(),
        namespace,
        service,
        census: census.clone(),
        mandate: leadership.mandate(),
    };
    let gallery = Gallery::default();
    let desk = Desk {
        metrics: metrics.clone(),
        gallery: gallery.clone(),
        mandate: leadership.mandate(),
        witness: leadership.witness(),
    };
    let config = OperatorConfig { identity, zone_image, metrics, gallery };
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told = async {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    let ended = tokio::select! {
        ended = operator::run(client, config, fleet, &mut leadership, told) => Ok(match ended {
            // Another one leads. This one begins anew, and by then has forgotten what it planned.
            Ended::LeadsNoMore => ExitCode::FAILURE,
            Ended::Stopped => ExitCode::SUCCESS,
        }),
        result = axum::serve(http, routes(desk)).into_future() => result.map(|()| ExitCode::SUCCESS).context("serving HTTP"),
        () = served(metrics_api, |listener| api.run(listener)) => Ok(ExitCode::FAILURE),
        result = served(external_scaler, |listener| scaler::serve(listener, census)) => {
            result.map(|()| ExitCode::SUCCESS).context("serving KEDA")
        }
    };
    leadership.resign().await;
    ended
}

async fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}"))
}

/// What is served on a listener; waits for ever when there is none.
async fn served<F: Future>(listener: Option<TcpListener>, serve: impl FnOnce(TcpListener) -> F) -> F::Output {
    match listener {
        Some(listener) => serve(listener).await,
        None => std::future::pending().await,
    }
}
