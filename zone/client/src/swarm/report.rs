//! What a swarm reports: the players' side of a run, serialisable, to be merged with the server's side.

use darkages_checker::{Answer, History};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::workload::Workload;
pub use crate::invariant::Invariant;

/// Longest time that a histogram resolves: a minute, in microseconds. Longer ones count as that long.
const LONGEST_US: u64 = 60_000_000;
/// Violations of which a report keeps the evidence; all are counted.
pub const MAX_EVIDENCE: usize = 64;

/// One violation, with what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// What was seen, in words: player, epochs, ticks, numbers.
    pub evidence: String,
}

/// Violations with bounded evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    kept: Vec<Violation>,
    total: u64,
}

impl Violations {
    /// Counts one; `evidence` is asked for only as long as there is room for it.
    pub fn add(&mut self, invariant: Invariant, evidence: impl FnOnce() -> String) {
        self.total += 1;
        if self.kept.len() < MAX_EVIDENCE {
            self.kept.push(Violation { invariant, evidence: evidence() });
        }
    }

    /// How many there were.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Those whose evidence is kept, the first ones.
    #[must_use]
    pub fn kept(&self) -> &[Violation] {
        &self.kept
    }
}

/// Times of one kind, in microseconds inside and milliseconds outside.
#[derive(Clone, Debug)]
pub struct Times {
    histogram: Histogram<u64>,
}

impl Default for Times {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(LONGEST_US, 3).expect("a minute at three digits is a valid histogram");
        Self { histogram }
    }
}

impl Times {
    /// Adds one.
    pub fn record(&mut self, time: std::time::Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST_US).min(LONGEST_US);
        self.histogram.saturating_record(micros);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Milliseconds below which `share` (0 to 1) of the times lie; 0 when there are none.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> f64 {
        to_ms(self.histogram.value_at_quantile(share))
    }

    /// For gaps.
    #[must_use]
    pub fn gaps(&self) -> GapMs {
        GapMs { p50: self.quantile_ms(0.5), p99: self.quantile_ms(0.99), max: to_ms(self.histogram.max()) }
    }

    /// For latencies.
    #[must_use]
    pub fn latencies(&self) -> LatencyMs {
        LatencyMs { p50: self.quantile_ms(0.5), p95: self.quantile_ms(0.95), p99: self.quantile_ms(0.99) }
    }
}

fn to_ms(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// How long something took or was missing, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GapMs {
    /// Half of them are at most this long.
    pub p50: f64,
    /// 99 % of them.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// How old something was when it was seen, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyMs {
    /// Half of them are at most this old.
    pub p50: f64,
    /// 95 % of them.
    pub p95: f64,
    /// 99 % of them.
    pub p99: f64,
}

/// UDP payload of one client in a second, on average over the time that clients were joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientBytes {
    /// Zone to client.
    pub down: f64,
    /// Client to zone.
    pub up: f64,
}

/// Trades as the clients saw them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trades {
    /// Asked for.
    pub asked: u64,
    /// Acknowledged as done, and therefore durable.
    pub done: u64,
    /// Refused with a reason.
    pub refused: u64,
    /// Without an answer when the run ended.
    pub unanswered: u64,
}

impl Trades {
    /// Counts those of a history.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let [done, refused, unanswered] =
            [Answer::Done, Answer::Refused, Answer::Unknown].map(|answer| history.count(answer));
        Self { asked: done + refused + unanswered, done, refused, unanswered }
    }
}

/// The players' side of a run. What they have in the end is judged from the [`History`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwarmReport {
    /// What the bots did.
    pub workload: Workload,
    /// How many there were.
    pub players: u32,
    /// The seed of the run.
    pub seed: u64,
    /// Length of the run in seconds, as it was.
    pub seconds: f64,
    /// Joins through the directory that a zone welcomed, the first ones and the later ones.
    pub joins: u64,
    /// Join attempts that failed and were tried again, by what they ran into, the most frequent first.
    pub join_failures: Vec<(String, u64)>,
    /// From asking the directory to the welcome of the zone.
    pub join_ms: LatencyMs,
    /// Bots that never got into the world.
    pub never_joined: u32,
    /// Bots that had lost their zone and were not back when it was time to leave.
    pub never_returned: u32,
    /// Changes of zone that clients followed.
    pub handoffs_seen: u64,
    /// Attachments to a next zone that ended before it took over, by why, the most frequent first.
    pub handoffs_missed: Vec<(String, u64)>,
    /// Sessions in use that ended though the client did not want it.
    pub disconnects: u64,
    /// Reasons of those, the most frequent first.
    pub disconnect_reasons: Vec<(String, u64)>,
    /// Joins made because a zone fell silent or closed the session.
    pub rejoins: u64,
    /// Inputs that the bots made.
    pub inputs_sent: u64,
    /// Inputs that authoritative snapshots acknowledged.
    pub inputs_applied: u64,
    /// Inputs that were never acknowledged.
    pub inputs_lost: u64,
    /// Inputs that the world took back and applied again, judged from acknowledgements that went back.
    pub inputs_duplicated: u64,
    /// Inputs that were not made because the ring was full: the client stood still meanwhile.
    pub inputs_withheld: u64,
    /// Inputs that were not made because the swarm's own thread was late.
    pub inputs_skipped: u64,
    /// Around each handoff: the longest time without an authoritative snapshot, beyond the snapshot period.
    pub client_gap_ms: GapMs,
    /// Around each rejoin of a player whose zone was lost: from its last authoritative snapshot to the next one.
    pub recovery_ms: GapMs,
    /// Play that a crash took back, by the inputs that were acknowledged before.
    pub rollback_ms: GapMs,
    /// Age of the newest input of one client when another decodes its effect.
    pub latency_ms: LatencyMs,
    /// Every input from its creation until another client decodes an effect of it or of a later one.
    pub input_seen_ms: LatencyMs,
    /// Pairs of clients between which those two were measured.
    pub latency_pairs: u32,
    /// Samples of `latency_ms`.
    pub latency_samples: u64,
    /// From making an input to the snapshot that acknowledges it.
    pub ack_ms: LatencyMs,
    /// Bytes of UDP payload.
    pub client_bytes_per_s: ClientBytes,
    /// Authoritative snapshots decoded.
    pub snapshots: u64,
    /// Entities in view, on average over the snapshots.
    pub entities_in_view: f64,
    /// Processor time of the swarm's threads, in cores.
    pub swarm_cpu_cores: f64,
    /// Trades.
    pub trades: Trades,
    /// Reasons of those that were refused, the most frequent first.
    pub trades_refused: Vec<(String, u64)>,
    /// What did not hold, the first [`MAX_EVIDENCE`] of them.
    pub violations: Vec<Violation>,
    /// How many there were in all.
    pub violations_total: u64,
}

impl SwarmReport {
    /// Whether the players' side of every invariant held and nobody lost anything.
    #[must_use]
    pub const fn held(&self) -> bool {
        self.violations_total == 0
            && self.inputs_lost == 0
            && self.inputs_duplicated == 0
            && self.never_joined == 0
            && self.never_returned == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn evidence_is_bounded_and_the_count_is_not() {
        let mut violations = Violations::default();
        for number in 0..1_000 {
            violations.add(Invariant::I5, || format!("number {number}"));
        }
        assert_eq!((violations.total(), violations.kept().len()), (1_000, MAX_EVIDENCE));
        assert_eq!(violations.kept()[3].evidence, "number 3");
    }

    #[test]
    fn times_are_told_in_milliseconds_and_capped_at_a_minute() {
        let mut times = Times::default();
        assert_eq!(times.gaps(), GapMs::default());
        for ms in 1..=100 {
            times.record(Duration::from_millis(ms));
        }
        let near = |value: f64, wanted: f64| (value - wanted).abs() < wanted * 0.002;
        assert!(
            near(times.latencies().p50, 50.0) && near(times.latencies().p95, 95.0) && near(times.gaps().max, 100.0)
        );
        times.record(Duration::from_secs(3_600));
        assert!(near(times.gaps().max, 60_000.0));
    }
}
