//! Zones and operators that go without a word.

use std::process::Command;
use std::time::Duration;

use darkages_checker::{Scope, judge};
use darkages_client::swarm::{Ended, SwarmReport, Workload};
use darkages_scenarios::world::World;
use darkages_scenarios::{Kubectl, operator, until};
use serde_json::json;

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
    let bots = world.played(&json!({"replicas": 2}), Workload::Trade, 60, 40, true);
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
    let bots = world.played(&json!({"replicas": 2}), Workload::Trade, 60, 30, true);
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
    let bots = world.played(&json!({}), Workload::Spread, 60, 60, false);
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
    super::nobody_noticed(&bots.end(Duration::from_secs(90)));
}
