//! What users do, on a real cluster, with players in the world. `make e2e` brings the cluster up and the images into it.

mod autoscaling;
mod commands;
mod crashes;
mod drains;
mod failures;
mod life;
mod networks;
mod sizes;

use darkages_client::swarm::{Ended, SwarmReport};

/// How long bots stay whom nobody asks to leave, in seconds: longer than any scenario.
const LENGTH_SECONDS: u32 = 600;

/// What must hold whatever is done: nobody was disconnected, nothing was lost or seen twice.
fn nobody_noticed(ended: &Ended) {
    let report = &ended.report;
    let SwarmReport { disconnects, inputs_lost, inputs_duplicated, never_joined, never_returned, violations, .. } =
        report;
    assert_eq!(
        (*disconnects, *inputs_lost, *inputs_duplicated, *never_joined, *never_returned),
        (0, 0, 0, 0, 0),
        "{:?} {:?}",
        report.disconnect_reasons,
        report.join_failures
    );
    assert!(violations.is_empty(), "{violations:?}");
    println!(
        "{} bots, {:.0} s: {} handoffs, client gap p99 {:.0} ms, max {:.0} ms, 0 disconnects, 0 of {} inputs lost",
        report.players,
        report.seconds,
        report.handoffs_seen,
        report.client_gap_ms.p99,
        report.client_gap_ms.max,
        report.inputs_sent
    );
}
