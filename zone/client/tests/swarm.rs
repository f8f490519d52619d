//! Swarms play in a small world over loopback.

mod support;

use std::time::Duration;

use darkages_checker::{Scope, judge};
use darkages_client::swarm::{Ended, Swarm, SwarmConfig, Workload};
use darkages_transport::FaultPlan;
use darkages_transport::fault::LinkFaults;
use support::world::{Counts, World};

/// How often a run is tried, at most.
const ATTEMPTS: u32 = 3;

fn play(workload: Workload, players: u32, seconds: u32) -> (Ended, Counts) {
    play_through(workload, players, seconds, None)
}

/// Plays once, and again when the machine stood still for so long that the run proves nothing.
fn play_through(workload: Workload, players: u32, seconds: u32, fault: Option<FaultPlan>) -> (Ended, Counts) {
    let mut attempts = 0;
    loop {
        let world = World::start();
        let fault = fault.clone();
        let config = SwarmConfig {
            directory_url: world.url.clone(),
            workload,
            players,
            seconds,
            seed: 3,
            fault,
            crashes: false,
        };
        let ended = Swarm::start(config).expect("the numbers are possible").join().expect("the directory answers");
        let counts = world.stop();
        attempts += 1;
        let stood_still = ended.report.inputs_skipped > u64::from(players) * 60;
        if !stood_still || attempts == ATTEMPTS {
            return (ended, counts);
        }
    }
}

#[test]
fn bots_cross_a_border_and_nothing_is_lost() {
    let (Ended { report, .. }, counts) = play(Workload::Border, 60, 12);
    assert_eq!(report.violations, vec![]);
    assert_eq!((report.inputs_lost, report.inputs_duplicated, report.disconnects), (0, 0, 0), "{report:#?}");
    assert_eq!(report.inputs_applied, counts.applied);
    assert!(report.handoffs_seen > 0 && report.handoffs_seen == counts.handoffs, "{report:#?} {counts:?}");
    assert_eq!((report.joins, report.never_joined), (60, 0));
    assert!(report.join_failures.iter().any(|(reason, count)| reason == "directory_not_ready" && *count == 3));
    assert!(report.held());
}

#[test]
fn a_bad_line_loses_datagrams_and_no_inputs() {
    let link = LinkFaults {
        loss: 0.05,
        duplicate: 0.02,
        delay: Duration::from_millis(20),
        jitter: Duration::from_millis(20),
        ..LinkFaults::default()
    };
    let fault = FaultPlan { seed: 5, egress: link, ingress: link, partitions: vec![] };
    let (Ended { report, .. }, counts) = play_through(Workload::Border, 40, 10, Some(fault));
    assert_eq!(report.violations, vec![]);
    assert_eq!((report.inputs_lost, report.inputs_duplicated, report.disconnects), (0, 0, 0), "{report:#?}");
    assert!(counts.handoffs > 0 && report.inputs_applied == counts.applied, "{report:#?} {counts:?}");
}

#[test]
fn pairs_trade_and_the_books_agree() {
    let (Ended { report, history }, _) = play(Workload::Trade, 20, 8);
    assert_eq!(report.violations, vec![]);
    assert!(report.trades.done > 20 && report.trades.unanswered == 0, "{:?}", report.trades);
    let books = judge(&history, history.last(), Scope::Closed);
    assert_eq!((books.findings, books.gold_before, books.gold_after), (vec![], 2_000, 2_000));
}

#[test]
fn bots_come_and_go() {
    let (Ended { report, .. }, _) = play(Workload::Churn, 40, 12);
    assert_eq!(report.violations, vec![]);
    assert!(report.joins > 60 && report.disconnects == 0, "{report:#?}");
    assert_eq!((report.inputs_lost, report.inputs_duplicated), (0, 0));
}
