//! Worlds on a cluster: `kubectl darkages …`, which is this command under the name by which kubectl finds it.
//!
//! What is known flows in from the API server: `ZoneServer`s, pods, and, through its proxy, pictures of the operator that
//! acts. What flows out are tables and pictures, and evictions, at which zones hand their players over and end.

pub mod drain;
pub mod map;
pub mod moves;
pub mod plan;
pub mod top;
pub mod tree;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use darkages_crds::picture::{self, MAX_PICTURE_BYTES, WorldPicture};
use darkages_crds::{ZoneServer, ZoneServerSpec};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::time::Instant;

use crate::exit::BadInput;

/// Name of the lease that the acting operator holds, and the port at which it answers.
const LEASE: &str = "darkages-operator";
const PORT: u16 = 8080;

/// How long the API server may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks at something that is to become true.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which cluster, and where on it
#[derive(clap::Args, Clone, Debug)]
pub struct ClusterFlags {
    /// Namespace of the ZoneServer; that of the kubeconfig's context when left out
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Namespace of the operator
    #[arg(long, value_name = "NAMESPACE", default_value = "darkages-system")]
    operator_namespace: String,

    /// Context of the kubeconfig; the current one when left out
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Kubeconfig; the one that KUBECONFIG names, or ~/.kube/config, when left out
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

/// A cluster.
pub struct Cluster {
    client: Client,
    namespace: String,
    operator_namespace: String,
}

/// Runs what is to be done on a cluster.
pub fn on<T>(flags: ClusterFlags, work: impl AsyncFnOnce(Cluster) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async { work(Cluster::of(flags).await?).await })
}

impl Cluster {
    async fn of(flags: ClusterFlags) -> anyhow::Result<Self> {
        let ClusterFlags { namespace, operator_namespace, context, kubeconfig } = flags;
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let mut config = match kubeconfig {
            Some(file) => {
                let complain =
                    |error: &dyn std::fmt::Display| BadInput::new(format!("--kubeconfig {}: {error}", file.display()));
                let read = Kubeconfig::read_from(&file).map_err(|error| complain(&error))?;
                Config::from_custom_kubeconfig(read, &options).await.map_err(|error| complain(&error))?
            }
            None if options.context.is_some() => {
                Config::from_kubeconfig(&options).await.map_err(|error| BadInput::new(format!("--context: {error}")))?
            }
            None => Config::infer().await.map_err(|error| {
                BadInput::new(format!("no cluster is known: give --kubeconfig, or set KUBECONFIG ({error})"))
            })?,
        };
        // A refused eviction is asked for again by whoever wants it, who also knows for how long.
        config.default_retry = false;
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("connecting to the API server")?;
        Ok(Self { client, namespace, operator_namespace })
    }

    /// A `ZoneServer`.
    pub async fn zone_server(&self, name: &str) -> anyhow::Result<ZoneServer> {
        let api = Api::<ZoneServer>::namespaced(self.client.clone(), &self.namespace);
        let found = answer(&format!("ZoneServer {name}"), api.get_opt(name)).await?;
        let missing = || {
            let namespace = &self.namespace;
            BadInput::new(format!(
                "there is no ZoneServer {name} in namespace {namespace}: give another name, or --namespace"
            ))
        };
        Ok(found.ok_or_else(missing)?)
    }

    /// All `ZoneServer`s of the namespace, by name.
    pub async fn zone_servers(&self) -> anyhow::Result<Vec<ZoneServer>> {
        let api = Api::<ZoneServer>::namespaced(self.client.clone(), &self.namespace);
        let mut found = answer("ZoneServers", api.list(&kube::api::ListParams::default())).await?.items;
        found.sort_by_key(kube::ResourceExt::name_any);
        Ok(found)
    }

    /// The named `ZoneServer`, or all of the namespace.
    pub async fn named_or_all(&self, name: Option<&str>) -> anyhow::Result<Vec<ZoneServer>> {
        let found = match name {
            Some(name) => vec![self.zone_server(name).await?],
            None => self.zone_servers().await?,
        };
        if found.is_empty() {
            let namespace = &self.namespace;
            return Err(
                BadInput::new(format!("there is no ZoneServer in namespace {namespace}: give --namespace")).into()
            );
        }
        Ok(found)
    }

    /// The zone pods of a `ZoneServer`, by name.
    pub async fn pods(&self, zone_server: &str) -> anyhow::Result<Vec<Pod>> {
        let labels = format!("darkages.io/zone-server={zone_server}");
        let params = kube::api::ListParams::default().labels(&labels);
        let mut found = answer("pods", self.pod_api().list(&params)).await?.items;
        found.sort_by_key(kube::ResourceExt::name_any);
        Ok(found)
    }

    fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// What the acting operator sees of a world now.
    pub async fn picture(&self, zone_server: &str) -> anyhow::Result<WorldPicture> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), &self.operator_namespace);
        let lease = answer(&format!("lease {LEASE}"), leases.get_opt(LEASE)).await?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity).filter(|holder| !holder.is_empty());
        let nobody = || {
            let namespace = &self.operator_namespace;
            BadInput::new(format!(
                "no operator acts in namespace {namespace}: see that it runs, or give --operator-namespace"
            ))
        };
        let holder = holder.ok_or_else(nobody)?;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{holder}:{PORT}/proxy{}",
            self.operator_namespace,
            picture::path(&self.namespace, zone_server)
        );
        let request = http::Request::get(path).body(Vec::new()).context("asking the operator")?;
        let text = answer(&format!("operator {holder}"), self.client.request_text(request)).await?;
        anyhow::ensure!(
            text.len() <= MAX_PICTURE_BYTES,
            "the operator's answer has more than {MAX_PICTURE_BYTES} bytes"
        );
        serde_json::from_str(&text)
            .with_context(|| format!("operator {holder} answered with something else: is it of this version?"))
    }

    /// Lets a pod go. While its budget allows none to go it is asked again.
    pub async fn evict(&self, pod: &str, deadline: Instant) -> anyhow::Result<()> {
        loop {
            match answer(&format!("evicting pod {pod}"), self.pod_api().evict(pod, &EvictParams::default())).await {
                Ok(_) => return Ok(()),
                Err(error) => match error.downcast_ref::<kube::Error>() {
                    Some(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                    Some(kube::Error::Api(status)) if status.code == 429 && Instant::now() < deadline => {}
                    _ => return Err(error),
                },
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What the API server says, in time.
async fn answer<T>(what: &str, call: impl Future<Output = kube::Result<T>>) -> anyhow::Result<T> {
    match tokio::time::timeout(ANSWERS_WITHIN, call).await {
        Ok(answer) => answer.with_context(|| what.to_owned()),
        Err(_) => anyhow::bail!("{what}: the API server did not answer within {ANSWERS_WITHIN:?}"),
    }
}

/// Waits until a look finds something.
async fn until<T>(
    what: &str,
    deadline: Instant,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "{what}: not in time; see kubectl describe zoneserver");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Players at which a shard of this world is cut.
fn split_at(spec: &ZoneServerSpec) -> u32 {
    spec.split.max_players
}

/// A shard of a world, as it is given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardName {
    /// The `ZoneServer`.
    pub zone_server: String,
    /// The shard; the one with most players when left out.
    pub shard: Option<u32>,
}

impl std::str::FromStr for ShardName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (zone_server, shard) = match text.split_once('/') {
            Some((zone_server, shard)) => {
                let number = shard.strip_prefix("shard-").unwrap_or(shard).parse();
                (
                    zone_server,
                    Some(
                        number
                            .map_err(|_| format!("{shard} is no number of a shard: give one like {zone_server}/1"))?,
                    ),
                )
            }
            None => (text, None),
        };
        if zone_server.is_empty() {
            return Err("it names no ZoneServer: give one like meadow/1".to_owned());
        }
        Ok(Self { zone_server: zone_server.to_owned(), shard })
    }
}

/// The node of a pod.
fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_named_by_its_world_and_number() {
        let name = |zone_server: &str, shard| Ok(ShardName { zone_server: zone_server.to_owned(), shard });
        assert_eq!("meadow".parse(), name("meadow", None));
        assert_eq!("meadow/3".parse(), name("meadow", Some(3)));
        assert_eq!("meadow/shard-3".parse(), name("meadow", Some(3)));
        for wrong in ["", "/3", "meadow/", "meadow/x", "meadow/-1"] {
            assert!(wrong.parse::<ShardName>().is_err(), "{wrong}");
        }
    }
}
