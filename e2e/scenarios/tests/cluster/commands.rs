//! What people type and look at: `kubectl darkages`, and the live map.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use darkages_client::swarm::Workload;
use darkages_scenarios::until;
use darkages_scenarios::world::World;
use serde_json::{Value, json};

use super::LENGTH_SECONDS;

/// What a command says, or its exit code and what it complains of.
fn darkages(world: &World, arguments: &[&str]) -> Result<String, (Option<i32>, String)> {
    // Beside the folder of this test's own program.
    let own = std::env::current_exe().expect("it has a path");
    let program: PathBuf = own.ancestors().nth(2).expect("it is in a folder of the target").join("darkages");
    let mut command = Command::new(program);
    command.args(arguments).args(["--namespace", world.kubectl.namespace()]);
    command.env("KUBECONFIG", world.kubectl.kubeconfig());
    let output = command.output().expect("make builds it");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err((output.status.code(), text(&output.stderr))),
    }
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn people_see_a_world_and_move_what_is_in_it() {
    let world = World::prepare("commands");
    let bots = world.played(&json!({"replicas": 2}), Workload::Spread, 60, LENGTH_SECONDS, false);
    let said =
        |arguments: &[&str]| darkages(&world, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error:?}"));

    let _ = until("everybody is counted", Duration::from_secs(20), || {
        let rows: Value = serde_json::from_str(&said(&["top", "meadow", "--json"])).expect("JSON");
        let players: u64 = rows.as_array()?.iter().filter_map(|row| row["players"].as_u64()).sum();
        // Two that serve and one that stands by.
        (players == 60 && rows.as_array()?.len() == 3).then_some(rows)
    });
    let tree = said(&["tree"]);
    for pod in world.serving() {
        assert!(tree.contains(&pod), "{pod} is in {tree}");
    }
    assert!(tree.contains("ZoneServer meadow: ") && tree.contains("2/2 shards served"), "{tree}");
    assert!(said(&["map", "meadow"]).contains("60 players of"));
    let shard = world.status()["topology"]["shards"][0]["id"].as_u64().expect("a number");
    let plan = said(&["plan", &format!("meadow/{shard}")]);
    assert!(plan.contains("not above the limit of 500"), "{plan}");
    println!("{tree}{plan}");

    let (dots, _) = until("the live map has everybody", Duration::from_secs(20), || {
        let mut answer = ureq::get(format!("{}/v1/world", world.directory())).call().ok()?;
        let picture: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
        // A handle, two coordinates and a zone for each.
        let dots = picture["dots"].as_array()?.len() / 4;
        (dots == 60).then_some(dots)
    });
    println!("{dots} players on the live map");

    let before = world.serving();
    let moved = said(&["move", &format!("meadow/{shard}")]);
    println!("{moved}");
    let after = world.serving();
    assert_ne!(before, after);
    let node = world.node_of(&after[0]).expect("it is on a node");
    let drained = said(&["drain", &node]);
    world.kubectl.run(&["uncordon", &node]);
    println!("{drained}");
    assert!(world.serving().iter().all(|pod| world.node_of(pod).as_ref() != Some(&node)), "no shard is left on it");

    let refused = |arguments: &[&str]| darkages(&world, arguments).expect_err("refused");
    let (code, complaint) = refused(&["tree", "nowhere"]);
    assert_eq!(code, Some(2), "{complaint}");
    assert!(complaint.starts_with("error: there is no ZoneServer nowhere in namespace"), "{complaint}");
    assert!(refused(&["plan", "meadow/99"]).1.contains("there is no such shard: the shards are meadow/"));
    assert!(refused(&["move", "meadow"]).1.contains("give one like meadow/1"));
    assert!(refused(&["drain", "nowhere"]).1.contains("there is no node nowhere"));
    super::nobody_noticed(&bots.leave());
}
