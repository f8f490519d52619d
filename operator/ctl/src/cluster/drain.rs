//! `darkages drain`: the zones of a node go elsewhere, players on board.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use tokio::time::Instant;

use super::moves::serves_nothing;
use super::{ClusterFlags, answer, node_of, on};
use crate::exit::BadInput;

/// Let the zones of a node hand their players over to zones elsewhere
///
/// The node is cordoned, and so gets no more pods until kubectl uncordon. Only zones go: everything else on the node stays, for
/// kubectl drain.
#[derive(clap::Args)]
pub struct Args {
    /// The node
    #[arg(value_name = "NODE")]
    node: String,

    /// Seconds until no zone may be left on it
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    timeout: u64,

    #[command(flatten)]
    cluster: ClusterFlags,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { node, timeout, cluster } = args;
    let deadline = Instant::now() + Duration::from_secs(timeout);
    on(cluster, async |mut cluster| {
        let nodes = Api::<Node>::all(cluster.client.clone());
        if answer(&format!("node {node}"), nodes.get_opt(&node)).await?.is_none() {
            return Err(BadInput::new(format!("there is no node {node}: see kubectl get nodes")).into());
        }
        answer(&format!("cordoning node {node}"), nodes.cordon(&node)).await?;
        println!("node {node} takes no more pods");
        // Of all namespaces: a node is drained as a whole.
        let zones = ListParams::default().labels("darkages.io/zone-server");
        let all = answer("pods", Api::<Pod>::all(cluster.client.clone()).list(&zones)).await?.items;
        let mut worlds: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for pod in all.iter().filter(|pod| node_of(pod) == node) {
            let world = pod.labels().get("darkages.io/zone-server").cloned().unwrap_or_default();
            worlds.entry((pod.namespace().unwrap_or_default(), world)).or_default().push(pod.name_any());
        }
        for ((namespace, world), pods) in worlds {
            cluster.namespace = namespace;
            for pod in &pods {
                cluster.evict(pod, deadline).await?;
                println!("pod {}/{pod} goes", cluster.namespace);
            }
            serves_nothing(&cluster, &world, &pods, deadline).await?;
        }
        println!("no zone on node {node} has players");
        Ok(())
    })
}
