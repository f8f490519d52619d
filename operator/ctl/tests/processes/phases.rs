//! `--kill …,at=any`: zones die in the middle of handoffs, trades, splits and merges, each side alone and both at
//! once. Handoffs and trades go on all the time in a world of two zones; splits and merges need another one, with zones that come
//! and go.

use darkages_server::handoff::{CrashPoint, Side};
use serde_json::{Value, json};

use crate::run::run;

/// What must have landed: each point, alone or with both sides.
fn assert_landed(report: &Value, is_of: impl Fn(Side) -> bool) {
    for point in CrashPoint::ALL.into_iter().filter(|point| is_of(point.side())) {
        // Where the giver is dead already, both sides die anyway.
        let both = matches!(point.side(), Side::Giver | Side::Taker) && point.after().is_none();
        let labels = [Some(point.label().to_owned()), both.then(|| format!("{},both", point.label()))];
        for label in labels.into_iter().flatten() {
            assert_eq!(report["kills_by"][&label], 1, "{label}: {report:#}");
        }
    }
    assert_eq!(report["kills_missed"], json!({}), "{report:#}");
    assert!(report["trades"]["done"].as_u64() >= Some(100), "{report:#}");
}

#[test]
fn zones_die_at_every_point_of_handoffs_and_trades_and_nothing_acknowledged_is_lost() {
    let kills = "zone:every=1s,at=any,side=giver+taker+trade+both,rounds=1";
    let report = run(&format!("--players 60 --workload caravan --zones 2 --seconds 600 --kill {kills}"));
    assert_landed(&report, |side| side != Side::Shard);
}

#[test]
fn zones_die_at_every_point_of_splits_and_merges_and_nothing_acknowledged_is_lost() {
    let kills = "zone:every=1s,at=any,side=shard,rounds=1";
    let flags = "--players 40 --workload caravan --zones 2 --split-at 25 --seconds 600";
    let report = run(&format!("{flags} --kill {kills}"));
    assert_landed(&report, |side| side == Side::Shard);
}
