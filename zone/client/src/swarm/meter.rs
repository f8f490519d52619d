//! The totals of a swarm, and the report made of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pairs::Pairs;
use super::report::{ClientBytes, SwarmReport, Times, Trades, Violations};
use super::{SwarmConfig, SwarmProgress};

/// Counts by reason code.
pub(super) type ByReason = BTreeMap<&'static str, u64>;

/// What all bots of a swarm have lived through.
#[derive(Debug, Default)]
pub(super) struct Meter {
    pub(super) joins: u64,
    pub(super) join_failures: ByReason,
    pub(super) join_times: Times,
    pub(super) handoffs: u64,
    pub(super) next_ended: ByReason,
    pub(super) disconnects: ByReason,
    pub(super) rejoins: u64,
    pub(super) refusals: ByReason,
    pub(super) never_returned: u32,
    pub(super) inputs_made: u64,
    pub(super) inputs_withheld: u64,
    pub(super) inputs_skipped: u64,
    pub(super) inputs_taken_back: u64,
    pub(super) gaps: Times,
    pub(super) recoveries: Times,
    pub(super) rollbacks: Times,
    /// Whether zones are killed on purpose.
    pub(super) crashes: bool,
    pub(super) acks: Times,
    pub(super) snapshots: u64,
    pub(super) entities_shown: u64,
    pub(super) violations: Violations,
    /// Time that bots were inside, summed over the bots.
    pub(super) inside_for: Duration,
}

/// What is known only when everything is over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ending {
    pub(super) ran_for: Duration,
    pub(super) processor_time: Duration,
    pub(super) bytes_down: u64,
    pub(super) bytes_up: u64,
    pub(super) inputs_unacked: u64,
    pub(super) never_joined: u32,
    pub(super) trades: Trades,
}

impl Meter {
    pub(super) fn progress(&self, elapsed: Duration, inside: u32, pairs: &Pairs) -> SwarmProgress {
        SwarmProgress {
            seconds: elapsed.as_secs_f64(),
            inside,
            joins: self.joins,
            inputs_sent: self.inputs_made,
            handoffs_seen: self.handoffs,
            disconnects: self.disconnects.values().sum(),
            rejoins: self.rejoins,
            latency_p95_ms: pairs.latency.latencies().p95,
            violations: self.violations.total(),
            over: false,
        }
    }

    pub(super) fn report(&self, config: &SwarmConfig, pairs: &Pairs, ending: &Ending) -> SwarmReport {
        let Ending { ran_for, processor_time, bytes_down, bytes_up, inputs_unacked, never_joined, trades } = *ending;
        let per_client = |bytes: u64| rate(bytes, self.inside_for);
        SwarmReport {
            workload: config.workload,
            players: config.players,
            seed: config.seed,
            seconds: ran_for.as_secs_f64(),
            joins: self.joins,
            join_failures: most_frequent_first(&self.join_failures),
            join_ms: self.join_times.latencies(),
            never_joined,
            never_returned: self.never_returned,
            handoffs_seen: self.handoffs,
            handoffs_missed: most_frequent_first(&self.next_ended),
            disconnects: self.disconnects.values().sum(),
            disconnect_reasons: most_frequent_first(&self.disconnects),
            rejoins: self.rejoins,
            inputs_sent: self.inputs_made,
            inputs_applied: self.inputs_made - inputs_unacked,
            inputs_lost: inputs_unacked,
            inputs_duplicated: self.inputs_taken_back,
            inputs_withheld: self.inputs_withheld,
            inputs_skipped: self.inputs_skipped,
            client_gap_ms: self.gaps.gaps(),
            recovery_ms: self.recoveries.gaps(),
            rollback_ms: self.rollbacks.gaps(),
            latency_ms: pairs.latency.latencies(),
            input_seen_ms: pairs.seen.latencies(),
            latency_pairs: u32::try_from(pairs.measured()).unwrap_or(u32::MAX),
            latency_samples: pairs.latency.count(),
            ack_ms: self.acks.latencies(),
            client_bytes_per_s: ClientBytes { down: per_client(bytes_down), up: per_client(bytes_up) },
            snapshots: self.snapshots,
            entities_in_view: self.entities_shown as f64 / self.snapshots.max(1) as f64,
            swarm_cpu_cores: processor_time.as_secs_f64() / ran_for.as_secs_f64().max(f64::EPSILON),
            trades,
            trades_refused: most_frequent_first(&self.refusals),
            violations: self.violations.kept().to_vec(),
            violations_total: self.violations.total(),
        }
    }
}

fn rate(bytes: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { bytes as f64 / time.as_secs_f64() }
}

fn most_frequent_first(counts: &ByReason) -> Vec<(String, u64)> {
    let mut list: Vec<(String, u64)> = counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    list.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    list
}
