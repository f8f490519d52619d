//! Zones are reached by the addresses of their nodes, where those of pods are not known outside.

use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::world::World;
use serde_json::{Value, json};

use super::LENGTH_SECONDS;

/// Players cross the border of two shards whose zones, and their clients, know each other by addresses of nodes.
fn play(name: &str, network: &Value) {
    let world = World::prepare(name);
    // Ports of nodes are beyond what the restricted standard allows.
    world.kubectl.run(&[
        "label",
        "--overwrite",
        "namespace",
        world.kubectl.namespace(),
        "pod-security.kubernetes.io/enforce=privileged",
    ]);
    let bots = world.played(&json!({"replicas": 2, "network": network}), Workload::Spread, 40, LENGTH_SECONDS, false);
    let nodes = world.kubectl.get(&["nodes"]).expect("there are some");
    let nodes: Vec<String> = nodes["items"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|node| {
            node["status"]["addresses"].as_array()?.iter().find(|it| it["type"] == "InternalIP").cloned()
        })
        .filter_map(|address| address["address"].as_str().map(ToOwned::to_owned))
        .collect();
    for shard in world.status()["topology"]["shards"].as_array().expect("a map") {
        let address = shard["zone"]["address"].as_str().expect("it is served");
        let (host, _) = address.rsplit_once(':').expect("a port");
        assert!(nodes.iter().any(|node| node == host), "{address} is none of {nodes:?}");
    }
    bots.until_crossed(10, Duration::from_secs(60));
    super::nobody_noticed(&bots.leave());
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn zones_are_reached_by_ports_of_their_nodes() {
    play("host-port", &json!({"type": "HostPort", "portRange": {"min": 31000, "max": 31010}}));
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn zones_are_reached_by_ports_of_services() {
    play("node-port", &json!({"type": "NodePort", "portRange": {"min": 30100, "max": 30110}}));
}
