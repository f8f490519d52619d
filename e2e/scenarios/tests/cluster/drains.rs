//! Pods have to go: their node is drained, or they are made anew.

use std::collections::BTreeSet;
use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::json;

use super::LENGTH_SECONDS;

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_changed_template_moves_each_shard_to_a_new_pod_with_its_players() {
    let world = World::prepare("rollout");
    let bots = world.played(&json!({"replicas": 2}), Workload::Spread, 60, LENGTH_SECONDS, false);
    let old: BTreeSet<String> = world.serving().into_iter().collect();
    world.apply(&json!({"replicas": 2, "template": {"env": [{"name": "RELEASE", "value": "2"}]}}));
    let (_, took) = until("every shard is on a new pod", Duration::from_secs(40), || {
        let now = world.serving();
        (now.len() == 2 && now.iter().all(|pod| !old.contains(pod))).then_some(())
    });
    println!("rolled out {:.1} s after the template was changed", took.as_secs_f64());
    world.until_settled(2, Duration::from_secs(30));
    super::nobody_noticed(&bots.leave());
    until("old pods are gone", Duration::from_secs(30), || {
        let pods = world.kubectl.run(&["get", "pods", "--output", "name"]);
        old.iter().all(|pod| !pods.contains(pod.as_str())).then_some(())
    });
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_node_is_drained_with_its_players() {
    let world = World::prepare("drain");
    let bots = world.played(&json!({"replicas": 2}), Workload::Spread, 60, LENGTH_SECONDS, false);
    let serving = world.serving();
    let node = world.node_of(&serving[0]).expect("it runs on a node");
    let drained = Drained(&world, node.clone());
    // Only pods of this world: the store and the directory stay, and so do the worlds of other tests.
    let selector = "--pod-selector=darkages.io/zone-server=meadow";
    let took = {
        let began = std::time::Instant::now();
        world.kubectl.run(&[
            "drain",
            &node,
            selector,
            "--timeout=40s",
            "--delete-emptydir-data",
            "--ignore-daemonsets",
        ]);
        began.elapsed()
    };
    println!("drained in {:.1} s", took.as_secs_f64());
    assert!(world.serving().iter().all(|pod| world.node_of(pod).as_ref() != Some(&node)), "no shard is left on it");
    drop(drained);
    world.until_settled(2, Duration::from_secs(30));
    super::nobody_noticed(&bots.leave());
}

/// A node that takes pods again when this is dropped.
struct Drained<'a>(&'a World, String);

impl Drop for Drained<'_> {
    fn drop(&mut self) {
        let _ = self.0.kubectl.try_run(&["uncordon", &self.1], "");
    }
}
