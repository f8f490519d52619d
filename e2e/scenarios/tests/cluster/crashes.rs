//! Zones and operators that go without a word.

use std::process::Command;
use std::time::{Duration, Instant};

use darkages_checker::{Scope, judge};
use darkages_client::swarm::{Ended, SwarmReport, Workload};
use darkages_scenarios::world::World;
use darkages_scenarios::{Kubectl, Machine, operator, until};
use serde_json::json;

use super::LENGTH_SECONDS;

/// Nobody is missing, and what was acknowledged is there, once. A crash may take back what was not: a moment of walking.
fn everybody_came_back(ended: &Ended) -> SwarmReport {
    let Ended { report, history } = ended;
    assert_eq!((report.never_joined, report.never_returned), (0, 0), "{:?}", report.join_failures);
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    let belongings = judge(history, history.last(), Scope::Open);
    assert_eq!(belongings.findings_total, 0, "{:?}", belongings.findings);
    report.clone()
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_zone_that_is_killed_is_replaced_and_its_players_come_back() {
    let world = World::prepare("crash");
    let bots = world.played(&json!({"replicas": 2}), Workload::Trade, 60, 25, true);
    let victim = world.serving()[0].clone();
    // From the node, as nothing in the pod could: kill -9 of its process, found by the name that it was started with.
    let killed = Command::new("pkill").args(["-KILL", "--full", "--", &format!("--zone={victim}")]).status();
    assert!(killed.expect("pkill runs").success(), "its process is on this machine");
    until("another zone has its shard", Duration::from_secs(20), || {
        let now = world.serving();
        (now.len() == 2 && !now.contains(&victim)).then_some(())
    });
    let report = everybody_came_back(&bots.end(Duration::from_secs(90)));
    assert!(report.rejoins > 0, "somebody was on it");
    println!(
        "{} had to join again; recovered: p50 {:.0} ms, max {:.0} ms; rolled back by {:.0} ms at most",
        report.rejoins, report.recovery_ms.p50, report.recovery_ms.max, report.rollback_ms.max
    );
    assert!(report.recovery_ms.max < 15_000.0, "{:?}", report.recovery_ms);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn a_pod_that_is_deleted_without_grace_is_replaced_and_its_players_come_back() {
    let world = World::prepare("deleted");
    let bots = world.played(&json!({"replicas": 2}), Workload::Trade, 60, 25, true);
    let victim = world.serving()[0].clone();
    world.kubectl.run(&["delete", "pod", &victim, "--grace-period=0", "--force"]);
    until("another zone has its ground", Duration::from_secs(20), || {
        let now = world.serving();
        (now.len() == 2 && !now.contains(&victim)).then_some(())
    });
    let report = everybody_came_back(&bots.end(Duration::from_secs(90)));
    // A kubelet still tells it to end, so it may be handed over before it does.
    println!("{} of {} had to join again", report.rejoins, report.players);
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn nobody_notices_when_both_operators_are_killed_and_what_was_asked_for_is_done_after_all() {
    let world = World::prepare("operator");
    let bots = world.played(&json!({}), Workload::Spread, 60, LENGTH_SECONDS, false);
    let system = Kubectl::given(operator::NAMESPACE);
    world.kubectl.run(&["scale", "zoneserver/meadow", "--replicas=2"]);
    system.run(&[
        "delete",
        "pods",
        "--selector",
        "app.kubernetes.io/name=zone-operator",
        "--grace-period=0",
        "--force",
    ]);
    let took = world.until_settled(2, Duration::from_secs(45));
    println!("2 shards {:.1} s after both operators were killed", took.as_secs_f64());
    super::nobody_noticed(&bots.leave());
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn the_zones_of_a_node_that_is_gone_are_replaced_and_their_players_come_back() {
    let Some(machine) = Machine::of_the_cluster() else { return };
    let world = World::prepare("node");
    // Three zones on each of two nodes, four of which serve: so there is at least one on each that does.
    let spread = json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"darkages.io/zone-server": "meadow"}},
    }]);
    let spec = json!({"replicas": 4, "standby": 2, "template": {"topologySpreadConstraints": spread}});
    let bots = world.played(&spec, Workload::Trade, 60, 35, true);
    let kept = world.node_of("redis").expect("the store is on a node");
    let on_the_other = |pod: &String| world.node_of(pod).filter(|node| *node != kept);
    let victims: Vec<String> = world.serving().into_iter().filter(|pod| on_the_other(pod).is_some()).collect();
    let node = on_the_other(victims.first().expect("a zone serves on each node")).expect("it is on a node");
    let dead = machine.kill_node(&node);
    let (_, took) = until("other zones have its shards", Duration::from_secs(15), || {
        let now = world.serving();
        (now.len() == 4 && !now.iter().any(|pod| victims.contains(pod))).then_some(())
    });
    let ready = world.until_ready(Duration::from_secs(15));
    let report = everybody_came_back(&bots.end(Duration::from_secs(90)));
    println!(
        "shards given to others {:.1} s after the node, all served {:.1} s later; {} had to join again; recovered: p50 {:.0} ms, max {:.0} ms",
        took.as_secs_f64(),
        ready.as_secs_f64(),
        report.rejoins,
        report.recovery_ms.p50,
        report.recovery_ms.max
    );
    assert!(report.rejoins > 0, "somebody was on it");
    assert!(report.recovery_ms.max < 15_000.0, "{:?}", report.recovery_ms);
    drop(dead);
    until("the node is back", Duration::from_secs(60), || {
        let found = world.kubectl.get(&[&format!("node/{node}")])?;
        let conditions = found["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True").then_some(())
    });
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn nobody_notices_when_the_api_server_is_away_for_a_minute() {
    const AWAY: Duration = Duration::from_secs(60);
    let Some(machine) = Machine::of_the_cluster() else { return };
    let world = World::prepare("api-server");
    let bots =
        world.played(&json!({"replicas": 2, "cooldownSeconds": 1}), Workload::Border, 100, LENGTH_SECONDS, false);
    let before = bots.handoffs_seen();
    let paused = machine.pause_api_server();
    let began = Instant::now();
    until("a minute is over", AWAY + Duration::from_secs(5), || (began.elapsed() >= AWAY).then_some(()));
    assert_eq!(bots.inside(), 100);
    assert!(bots.handoffs_seen() > before, "the border was crossed meanwhile");
    drop(paused);
    let ended = bots.leave();
    super::nobody_noticed(&ended);
    world.kubectl.run(&["scale", "zoneserver/meadow", "--replicas=3"]);
    let took = world.until_settled(3, Duration::from_secs(60));
    println!("and then 3 shards {:.1} s after kubectl scale", took.as_secs_f64());
}

#[test]
#[ignore = "needs a cluster: make e2e"]
fn an_operator_that_is_killed_in_any_phase_of_a_change_leaves_it_to_the_next_one() {
    let Some(machine) = Machine::of_the_cluster() else { return };
    let world = World::prepare("phases");
    let cold = json!({"maxPlayers": 100, "sustainedSeconds": 1});
    let spec = |replicas: u64, release: u32| {
        let template = json!({"env": [{"name": "RELEASE", "value": release.to_string()}]});
        json!({"replicas": replicas, "merge": cold, "cooldownSeconds": 1, "template": template})
    };
    let bots = world.played(&spec(1, 0), Workload::Spread, 60, LENGTH_SECONDS, false);
    let system = Kubectl::given(operator::NAMESPACE);
    let mut killed: Vec<String> = Vec::new();
    let mut kill_leader = || {
        let lives = || {
            let lease = system.get(&["lease/darkages-operator"])?;
            let holder = lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty())?.to_owned();
            (!killed.contains(&holder)).then_some(holder)
        };
        let (holder, _) = until("an operator leads that lives", Duration::from_secs(30), lives);
        machine.kill_pod(&holder);
        // A new pod, which a kubelet starts at once; programs that end again and again are made to wait.
        system.run(&["delete", "pod", &holder, "--grace-period=0", "--force", "--wait=false"]);
        killed.push(holder.clone());
        holder
    };
    let mut release = 0;
    for phase in ["asked", "Committed", "HandingOver"] {
        for change in ["split", "move", "merge"] {
            let before = world.status()["topology"]["revision"].clone();
            let serving = world.serving();
            release += u32::from(change == "move");
            let shards = if change == "merge" { 1 } else { 2 };
            world.apply(&spec(shards, release));
            let is_in_phase = || match phase {
                "asked" => Some(phase.to_owned()),
                // A phase may be over sooner than it is seen; what comes after it is as good.
                _ => {
                    let status = world.status();
                    let found = status["operations"][0]["phase"].as_str().map(ToOwned::to_owned);
                    found
                        .filter(|found| found == phase)
                        .or_else(|| (status["topology"]["revision"] != before).then(|| "written".to_owned()))
                }
            };
            let (seen, _) = until("the change is under way", Duration::from_secs(30), is_in_phase);
            let holder = kill_leader();
            let done = || {
                let moved = change != "move" || world.serving().iter().all(|pod| !serving.contains(pod));
                moved.then_some(())
            };
            until("everything is on new pods", Duration::from_secs(60), done);
            let took = world.until_settled(shards, Duration::from_secs(60));
            println!("{change}: {holder} killed when it was {seen}; settled {:.1} s later", took.as_secs_f64());
        }
    }
    assert_eq!(bots.inside(), 60);
    super::nobody_noticed(&bots.leave());
}
