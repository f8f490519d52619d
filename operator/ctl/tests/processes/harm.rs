//! Zones are killed and frozen again and again.

use crate::run::run;

#[test]
fn zones_are_killed_and_nothing_acknowledged_is_lost() {
    let report = run("--players 40 --workload trade --zones 2 --seconds 30 --kill zone:every=7s");
    assert!(report["kills"].as_u64() >= Some(2), "{report:#}");
    assert_eq!(report["kills_by"]["random"], report["kills"]);
    assert!(report["trades"]["done"].as_u64() >= Some(20), "{report:#}");
}

#[test]
fn zones_that_freeze_past_their_lease_are_replaced_and_nothing_acknowledged_is_lost() {
    let report = run("--players 40 --workload caravan --zones 2 --seconds 30 --freeze zone:every=7s,for=3s");
    assert!(report["freezes"].as_u64() >= Some(2), "{report:#}");
    assert!(report["rejoins"].as_u64() >= Some(2), "nobody noticed: {report:#}");
    assert_eq!(report["kills"], 0);
    assert!(report["trades"]["done"].as_u64() >= Some(20), "{report:#}");
}

#[test]
fn zones_that_freeze_for_a_moment_lose_nobody() {
    let report = run("--players 20 --workload caravan --zones 2 --seconds 20 --freeze zone:every=3s,for=300ms");
    assert!(report["freezes"].as_u64() >= Some(2), "{report:#}");
    for nothing in ["disconnects", "rejoins", "inputs_lost", "inputs_duplicated"] {
        assert_eq!(report[nothing], 0, "{nothing}: {report:#}");
    }
}
