//! The operator against a real API server: who leads, and what it makes and says before any pod runs.

mod leader;
mod metrics_api;
mod scaler;
mod steward;

use std::sync::Arc;
use std::time::Duration;

use darkages_controller::census::Census;
use darkages_controller::fleet::Fleet;
use darkages_controller::leader::{Leadership, Stand};
use darkages_controller::operator::LEASE;
use darkages_crds::ZoneServer;
use darkages_servers::kubernetes::Cluster;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, CustomResourceExt as _};
use tokio::time::Instant;

/// How long anything may take on a machine that has other things to do.
const WITHIN: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A client of the server that all tests share.
async fn client() -> Client {
    let kubeconfig = Kubeconfig::read_from(Cluster::shared().kubeconfig()).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("it names a server")).expect("a client")
}

/// Stands for the lease of operators in this namespace.
fn stand(client: &Client, namespace: &str, identity: &str) -> Leadership {
    let (namespace, identity) = (namespace.to_owned(), identity.to_owned());
    Leadership::stand(client.clone(), Stand { namespace, lease: LEASE, identity, address: None })
}

/// An operator that leads in this namespace, and the players that it counts there.
async fn leading(client: &Client, namespace: &str) -> (Leadership, Census) {
    define(client).await;
    let mut leadership = stand(client, namespace, "operator");
    leadership.won().await;
    let fleet = Arc::new(Fleet::watch(client, Some(namespace)));
    fleet.is_known().await;
    let census = Census::new(fleet, leadership.witness());
    (leadership, census)
}

/// Installs the definition of `ZoneServer`, unless that is done.
async fn define(client: &Client) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let definition = ZoneServer::crd();
    let params = PatchParams::apply("test").force();
    let name = definition.metadata.name.clone().expect("it has a name");
    definitions.patch(&name, &params, &Patch::Apply(&definition)).await.expect("the definition is taken");
    let all = Api::<ZoneServer>::all(client.clone());
    until("the definition is served", async || all.list(&ListParams::default()).await.ok().map(drop)).await;
}

/// Waits until a look finds something.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + WITHIN;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {WITHIN:?}");
        tokio::time::sleep(LOOK).await;
    }
}
