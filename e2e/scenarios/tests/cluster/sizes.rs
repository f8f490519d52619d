//! Zones are cut and merged, by players and by hand.

use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::json;

use super::LENGTH_SECONDS;

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_crowd_is_cut_in_two_and_merged_when_it_has_left() {
    let world = World::prepare("sizes");
    let merge = json!({"maxPlayers": 20, "sustainedSeconds": 3});
    let bots = world.played(
        &json!({"split": {"maxPlayers": 60}, "merge": merge, "cooldownSeconds": 5}),
        Workload::Gather,
        90,
        LENGTH_SECONDS,
        false,
    );
    let (_, cut) = until("the crowd is cut in two", Duration::from_secs(40), || {
        (world.status()["replicas"].as_u64()? >= 2).then_some(())
    });
    println!("cut {:.1} s after everybody had come", cut.as_secs_f64());
    until("everybody is where the map says", Duration::from_secs(30), || {
        world.status()["operations"].is_null().then_some(())
    });
    super::nobody_noticed(&bots.leave());
    let merged = world.until_settled(1, Duration::from_secs(60));
    println!("merged {:.1} s after everybody had left", merged.as_secs_f64());
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_world_is_scaled_like_anything_else() {
    let world = World::prepare("scale");
    let bots = world.played(
        &json!({"merge": {"maxPlayers": 1, "sustainedSeconds": 1}, "cooldownSeconds": 1}),
        Workload::Spread,
        60,
        LENGTH_SECONDS,
        false,
    );
    world.kubectl.run(&["scale", "zoneserver/meadow", "--replicas=3"]);
    let took = world.until_settled(3, Duration::from_secs(40));
    println!("3 shards {:.1} s after kubectl scale", took.as_secs_f64());
    super::nobody_noticed(&bots.leave());
}
