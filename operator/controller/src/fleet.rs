//! What the operator sees of the cluster: its resources, their pods, and which nodes take no more of them. Watched, never
//! asked for, so a look costs nothing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use darkages_crds::ZoneServer;
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::zone_server::names;
use crate::zone_server::pod::ZonePod;

/// How long one watch lasts, in seconds. A connection that has died without a word is noticed five seconds later.
const WATCH_SECONDS: u32 = 30;

/// What is seen of the cluster, until it is dropped.
#[derive(Debug)]
pub struct Fleet {
    zone_servers: Store<ZoneServer>,
    pods: Store<Pod>,
    nodes: Store<Node>,
    /// Ends with it.
    _watches: JoinSet<()>,
}

impl Fleet {
    /// Watches one namespace, or all.
    #[must_use]
    pub fn watch(client: &Client, namespace: Option<&str>) -> Self {
        let mut watches = JoinSet::new();
        let config = watcher::Config::default().timeout(WATCH_SECONDS);
        Self {
            zone_servers: follow(within(client, namespace), config.clone(), &mut watches),
            pods: follow(within(client, namespace), config.clone().labels(&names::managed()), &mut watches),
            nodes: follow(Api::all(client.clone()), config, &mut watches),
            _watches: watches,
        }
    }

    /// Waits until everything was listed once. What is not there before may still be in the cluster.
    pub async fn is_known(&self) {
        let Self { zone_servers, pods, nodes, _watches } = self;
        // An error means that a watch has ended, and with it this program.
        let _ = zone_servers.wait_until_ready().await;
        let _ = pods.wait_until_ready().await;
        let _ = nodes.wait_until_ready().await;
    }

    /// All `ZoneServer`s.
    #[must_use]
    pub fn zone_servers(&self) -> Vec<Arc<ZoneServer>> {
        self.zone_servers.state()
    }

    /// One of them; `None` when it is gone.
    #[must_use]
    pub fn zone_server(&self, key: &ObjectRef<ZoneServer>) -> Option<Arc<ZoneServer>> {
        self.zone_servers.get(key)
    }

    /// The pods of a `ZoneServer`, by name.
    #[must_use]
    pub fn pods(&self, owner: &ZoneServer) -> Vec<ZonePod> {
        let (namespace, name) = (owner.namespace(), owner.name_any());
        let is_of = |pod: &Pod| {
            pod.namespace() == namespace
                && pod.labels().get(names::ZONE_SERVER_LABEL).is_some_and(|owner| *owner == name)
        };
        let mut pods: Vec<_> = self.pods.state_filter(is_of).iter().map(|pod| ZonePod::from(&**pod)).collect();
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        pods
    }

    /// Nodes that take no more pods, because they are going to be drained.
    #[must_use]
    pub fn cordoned(&self) -> BTreeSet<String> {
        let cordoned = |node: &Node| node.spec.as_ref().is_some_and(|spec| spec.unschedulable == Some(true));
        self.nodes.state_filter(cordoned).iter().map(|node| node.name_any()).collect()
    }
}

/// Objects of a kind in one namespace, or in all.
fn within<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Keeps what a watch says.
fn follow<K>(api: Api<K>, config: watcher::Config, watches: &mut JoinSet<()>) -> Store<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Clone + Default + Eq + Hash + Send + Sync,
{
    let (store, writer) = reflector::store();
    watches.spawn(async move {
        let mut events = reflector::reflector(writer, watcher(api, config)).default_backoff().boxed();
        while let Some(event) = events.next().await {
            if let Err(error) = event {
                tracing::warn!(kind = std::any::type_name::<K>(), %error, "a watch began anew");
            }
        }
    });
    store
}
