//! A `ZoneServer` is applied, deleted, and applied again.

use std::time::{Duration, Instant};

use darkages_client::swarm::Workload;
use darkages_scenarios::world::{Bots, World};
use serde_json::json;

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_world_is_applied_and_played_in_and_comes_back_after_it_was_deleted() {
    let world = World::prepare("life");
    let applied = Instant::now();
    world.apply(&json!({}));
    let ready = world.until_ready(Duration::from_secs(60));
    let directory = world.directory();
    let bots = Bots::play(&directory, Workload::Spread, 20, 10, false);
    bots.until_inside(Duration::from_secs(30));
    println!(
        "Ready after {:.1} s, the first players after {:.1} s",
        ready.as_secs_f64(),
        applied.elapsed().as_secs_f64()
    );
    super::nobody_noticed(&bots.end(Duration::from_secs(60)));

    let first = world.status()["topology"]["revision"].as_u64();
    world.kubectl.run(&["delete", "zoneserver", "meadow", "--timeout=60s"]);
    let events = world.kubectl.run(&["get", "events", "--field-selector", "reason=Released", "--output", "name"]);
    assert!(!events.trim().is_empty(), "who deletes it is told that everybody was saved");
    assert!(
        world.kubectl.run(&["get", "pods", "--selector", "darkages.io/zone-server", "--output", "name"]).is_empty()
    );
    world.apply(&json!({}));
    world.until_ready(Duration::from_secs(60));
    assert!(world.status()["topology"]["revision"].as_u64() > first, "the map goes on where it was");
    let again = Bots::play(&directory, Workload::Spread, 20, 10, false);
    super::nobody_noticed(&again.end(Duration::from_secs(60)));
}
