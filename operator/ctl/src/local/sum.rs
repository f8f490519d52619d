//! Sums a run up: the players' side, the zones' side and the planner's into one report. Pure.

use std::time::Duration;

use darkages_client::swarm::SwarmReport;
use darkages_server::stats::Totals;
use hdrhistogram::Histogram;

use super::cpu::CpuTime;
use super::degraded::Degraded;
use super::report::{AgeMs, BytesPerSecond, GapMs, Report};
use super::tally::Tally;

/// Takes in what the planner counted.
pub fn planner(report: &mut Report, tally: &Tally) {
    let Tally { zones_min, zones_max, splits, merges, slides, moves, .. } = tally;
    (report.zones_min, report.zones_max) = (*zones_min, *zones_max);
    (report.splits, report.merges, report.slides, report.moves) = (*splits, *merges, *slides, *moves);
    report.split_ms = GapMs::of_sorted(&tally.split_times());
}

/// Takes in what the zones counted.
pub fn zones(report: &mut Report, totals: &[Totals]) {
    let empty = Totals::default();
    let (mut ticks, mut handoffs) = (empty.tick_us, empty.handoff_ms);
    let (mut count, mut late) = (0u64, 0u64);
    for zone in totals {
        // Histograms of the same bounds always add up.
        ticks.add(&zone.tick_us).expect("all zones use the same bounds");
        handoffs.add(&zone.handoff_ms).expect("all zones use the same bounds");
        count += zone.ticks + zone.skipped_ticks;
        late += zone.late_ticks;
        report.handoffs += zone.handoffs;
        for (&outcome, count) in &zone.handoffs_aborted {
            report.handoffs_aborted += count;
            *report.handoffs_aborted_by.entry(outcome.to_owned()).or_default() += count;
        }
    }
    report.tick_ms = gaps(&ticks, 1_000.0);
    report.handoff_ms = gaps(&handoffs, 1.0);
    report.ticks_late_ratio = if count == 0 { 0.0 } else { late as f64 / count as f64 };
    if report.players == 0 {
        report.inputs_applied = totals.iter().map(|zone| zone.inputs_applied).sum();
    }
}

/// A crash may take back so much of a player's play, at most; its zone checkpoints four times as often.
const MOST_ROLLBACK_MS: f64 = 1_000.0;

/// Takes in what the bots saw. Whatever they lost is a violation, unless zones are killed on purpose (`crashes`): then sessions
/// end and the last moment of play is taken back, but no more than that.
pub fn swarm(report: &mut Report, swarm: &SwarmReport, crashes: bool) {
    report.players = swarm.players;
    report.workload = swarm.workload.label().to_owned();
    report.disconnects = swarm.disconnects;
    report.disconnects_by = swarm.disconnect_reasons.iter().cloned().collect();
    report.attachments_ended_by = swarm.handoffs_missed.iter().cloned().collect();
    report.rejoins = swarm.rejoins;
    report.inputs_sent = swarm.inputs_sent;
    report.inputs_applied = swarm.inputs_applied;
    report.inputs_lost = swarm.inputs_lost;
    // What a crash took back and the world applied again is a rollback, and told as that.
    report.inputs_duplicated = if crashes { 0 } else { swarm.inputs_duplicated };
    let gap = swarm.client_gap_ms;
    report.client_gap_ms = GapMs { p50: gap.p50, p99: gap.p99, max: gap.max };
    let [recovery, rollback] =
        [swarm.recovery_ms, swarm.rollback_ms].map(|gap| GapMs { p50: gap.p50, p99: gap.p99, max: gap.max });
    (report.recovery_ms, report.rollback_ms) = (recovery, rollback);
    let [latency, seen] =
        [swarm.latency_ms, swarm.input_seen_ms].map(|age| AgeMs { p50: age.p50, p95: age.p95, p99: age.p99 });
    (report.latency_ms, report.input_seen_ms) = (latency, seen);
    report.client_bytes_per_s = BytesPerSecond { down: swarm.client_bytes_per_s.down, up: swarm.client_bytes_per_s.up };
    report.trades = swarm.trades;
    report.trades_refused_by = swarm.trades_refused.iter().cloned().collect();
    for violation in &swarm.violations {
        report.violated(&format!("{:?}", violation.invariant), violation.evidence.clone());
    }
    let untold = swarm.violations_total.saturating_sub(swarm.violations.len() as u64);
    let losses = [
        ("I4", swarm.inputs_lost, "inputs were lost"),
        ("I4", report.inputs_duplicated, "inputs were applied twice"),
        ("stay", if crashes { 0 } else { swarm.disconnects }, "sessions ended though nobody wanted it"),
        ("join", u64::from(swarm.never_joined), "bots never got into the world"),
        ("return", u64::from(swarm.never_returned), "bots were not back in the world when it was time to leave"),
        ("more", untold, "further violations"),
    ];
    if rollback.max > MOST_ROLLBACK_MS {
        report.violated("RPO", format!("a crash took {:.0} ms of play back", rollback.max));
    }
    for (invariant, count, what) in losses {
        if count > 0 {
            report.violated(invariant, format!("{count} {what}"));
        }
    }
}

/// Takes in when the store did not answer.
pub fn store(report: &mut Report, degraded: &Degraded) {
    report.store_degraded = degraded.times();
    report.store_degraded_ms = degraded.lasted().as_secs_f64() * 1_000.0;
}

/// Takes in what the run cost.
pub fn machine(report: &mut Report, measured: Duration, cpu: CpuTime, rss_mib: f64) {
    report.seconds = measured.as_secs_f64();
    let cores = |time: Duration| time.as_secs_f64() / measured.as_secs_f64().max(f64::EPSILON);
    (report.server_cpu_cores, report.swarm_cpu_cores) = (cores(cpu.server), cores(cpu.swarm));
    report.rss_mib = rss_mib;
}

fn gaps(times: &Histogram<u64>, per_ms: f64) -> GapMs {
    if times.is_empty() {
        return GapMs::default();
    }
    let at = |quantile: f64| times.value_at_quantile(quantile) as f64 / per_ms;
    GapMs { p50: at(0.5), p99: at(0.99), max: times.max() as f64 / per_ms }
}
