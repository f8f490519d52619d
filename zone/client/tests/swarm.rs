//! Swarms play in a small world over loopback.

mod support;

use darkages_client::swarm::{Swarm, SwarmConfig, SwarmReport, Workload};
use support::world::{Counts, World};

fn play(workload: Workload, players: u32, seconds: u32) -> (SwarmReport, Counts) {
    let world = World::start();
    let config = SwarmConfig { directory_url: world.url.clone(), workload, players, seconds, seed: 3, fault: None };
    let report = Swarm::start(config).expect("the numbers are possible").join().expect("the directory answers");
    (report, world.stop())
}

#[test]
fn bots_cross_a_border_and_nothing_is_lost() {
    let (report, counts) = play(Workload::Border, 60, 12);
    assert_eq!(report.violations, vec![]);
    assert_eq!((report.inputs_lost, report.inputs_duplicated, report.disconnects), (0, 0, 0), "{report:#?}");
    assert_eq!(report.inputs_applied, counts.applied);
    assert!(report.handoffs_seen > 0 && report.handoffs_seen == counts.handoffs, "{report:#?} {counts:?}");
    assert_eq!((report.joins, report.never_joined), (60, 0));
    assert!(report.join_failures.iter().any(|(reason, count)| reason == "directory_not_ready" && *count == 3));
    assert!(report.held());
}

#[test]
fn pairs_trade_and_the_books_agree() {
    let (report, _) = play(Workload::Trade, 20, 8);
    assert_eq!(report.violations, vec![]);
    assert!(report.trades.done > 20 && report.trades.unanswered == 0, "{:?}", report.trades);
    assert_eq!((report.gold_before, report.gold_after), (2_000, 2_000));
}

#[test]
fn bots_come_and_go() {
    let (report, _) = play(Workload::Churn, 40, 12);
    assert_eq!(report.violations, vec![]);
    assert!(report.joins > 60 && report.disconnects == 0, "{report:#?}");
    assert_eq!((report.inputs_lost, report.inputs_duplicated), (0, 0));
}

/// Not part of every test run: what a swarm costs. Print it with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement of a minute, for a quiet machine"]
fn the_cost_of_600_bots() {
    let (report, _) = play(Workload::Crowd, 600, 30);
    println!("{report:#?}");
}
