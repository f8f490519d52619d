//! What Prometheus scrapes from a zone.
//!
//! Names begin with `darkages_`, units are base units, counters exist from the start, no label is per player. The transport
//! keeps its own counters; they are copied when they are scraped.

use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use darkages_store::Health;
use darkages_transport::Stats as TransportStats;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::handoff::Outcome;
use crate::stats::Stage;

/// Upper bounds of the tick histogram, in seconds. One is exactly the period of 60 Hz as dashboards name it.
const TICK_BUCKETS: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.0166, 0.033, 0.1];

/// Upper bounds of handoff times, in seconds.
const HANDOFF_BUCKETS: [f64; 10] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0, 10.0];

/// Upper bounds of the gap in which no zone acts for a player who is handed over, in seconds.
const GAP_BUCKETS: [f64; 9] = [0.001, 0.0166, 0.033, 0.05, 0.1, 0.15, 0.3, 1.0, 3.0];

/// A label whose value is known when the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label(pub &'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

/// Labels of handoffs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// [`Outcome::label`].
    pub outcome: Label,
}

/// Labels of what was refused or ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The reason code.
    pub reason: Label,
}

/// Labels of a tick's stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// [`Stage::label`].
    pub stage: Label,
}

/// Labels of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DirectionLabel {
    /// `in` or `out`.
    pub direction: Label,
}

/// All metrics of one zone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Players that the zone acts for.
    pub players: Gauge,
    /// Ghosts that it shows.
    pub ghosts: Gauge,
    /// Sessions of clients.
    pub sessions: Gauge,
    /// Whether it serves a shard.
    pub serving: Gauge,
    /// Times of ticks.
    pub tick: Histogram,
    /// Time spent in each stage of ticks.
    pub stages: Family<StageLabel, Counter<f64, AtomicU64>>,
    /// Ticks that began more than half a period late, or were skipped.
    pub late_ticks: Counter,
    /// Handoffs that it started, by how they ended.
    pub handoffs: Family<OutcomeLabel, Counter>,
    /// Times of handoffs that moved somebody.
    pub handoff: Histogram,
    /// Ticks between the giver's last and this zone's first, as time.
    pub handoff_gap: Histogram,
    /// Inputs that were not taken, by reason.
    pub inputs_refused: Family<ReasonLabel, Counter>,
    /// Inputs that were applied.
    pub inputs: Counter,
    /// Inputs that clients hold no more and that this zone never had.
    pub inputs_skipped: Counter,
    /// Messages that were not understood or came out of turn, by reason.
    pub messages_refused: Family<ReasonLabel, Counter>,
    /// Sessions that were closed by this zone, by reason.
    pub sessions_closed: Family<ReasonLabel, Counter>,
    /// Snapshots that were sent.
    pub snapshots: Counter,
    /// Durable transactions, by result.
    pub transactions: Family<ReasonLabel, Counter>,
    store_degraded: Gauge,
    store_queue: Gauge,
    store_unsaved: Gauge,
    store_lag: Gauge<f64, AtomicU64>,
    store_hits: Counter,
    store_misses: Counter,
    datagrams: Family<DirectionLabel, Counter>,
    bytes: Family<DirectionLabel, Counter>,
    drops: Family<ReasonLabel, Counter>,
    packets: Counter,
    lost: Counter,
    seen: Arc<Mutex<TransportStats>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that start at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("darkages");
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let metric = Gauge::default();
            registry.register(name, help, metric.clone());
            metric
        };
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let metric = Counter::default();
            registry.register(name, help, metric.clone());
            metric
        };
        let seconds = |registry: &mut Registry, name: &str, help: &str, buckets: &[f64]| {
            let metric = Histogram::new(buckets.iter().copied());
            registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
            metric
        };
        let players = gauge(&mut registry, "players", "Players that the zone acts for");
        let ghosts = gauge(&mut registry, "ghosts", "Entities of neighbouring zones that are shown");
        let sessions = gauge(&mut registry, "sessions", "Sessions of clients");
        let serving = gauge(&mut registry, "serving", "1 while the zone holds the lease of a shard, else 0");
        let store_degraded =
            gauge(&mut registry, "store_degraded", "1 while a tier of the store does not answer, else 0");
        let store_queue = gauge(&mut registry, "store_queue", "Calls to the store that wait or are under way");
        let store_unsaved =
            gauge(&mut registry, "store_unsaved_players", "Players whose newest checkpoint is not durable yet");
        let store_lag = Gauge::<f64, AtomicU64>::default();
        let help = "Age of the oldest checkpoint that is not durable yet";
        registry.register_with_unit("store_lag", help, Unit::Seconds, store_lag.clone());
        let store_hits =
            counter(&mut registry, "store_cache_hits", "Records that the copy before the durable store had");
        let store_misses =
            counter(&mut registry, "store_cache_misses", "Records that it did not have, or not as they are");
        let tick = seconds(&mut registry, "tick_duration", "Time from start to end of a tick", &TICK_BUCKETS);
        let late_ticks = counter(&mut registry, "late_ticks", "Ticks more than half a period late, or skipped");
        let handoff =
            seconds(&mut registry, "handoff_duration", "Time of a handoff that moved somebody", &HANDOFF_BUCKETS);
        let gap = "Time between the giver's last tick of a player and this zone's first";
        let handoff_gap = seconds(&mut registry, "handoff_gap", gap, &GAP_BUCKETS);
        let inputs_skipped = counter(
            &mut registry,
            "inputs_skipped",
            "Inputs that clients hold no more and this zone never had: lost in a crash, or the client is broken",
        );
        let inputs = counter(&mut registry, "inputs_applied", "Inputs of clients that were applied");
        let snapshots = counter(&mut registry, "snapshots", "Snapshots that were sent");
        let packets = counter(&mut registry, "packets_tracked", "Packets that asked for an acknowledgement");
        let lost = counter(&mut registry, "packets_lost", "Packets that were given up as lost");
        let stages = Family::<StageLabel, Counter<f64, AtomicU64>>::default();
        for stage in Stage::ALL {
            drop(stages.get_or_create(&StageLabel { stage: Label(stage.label()) }));
        }
        registry.register_with_unit("tick_stage", "Time spent in a stage of ticks", Unit::Seconds, stages.clone());
        let handoffs = Family::<OutcomeLabel, Counter>::default();
        for outcome in Outcome::ALL {
            drop(handoffs.get_or_create(&OutcomeLabel { outcome: Label(outcome.label()) }));
        }
        registry.register("handoffs", "Handoffs that the zone started, by how they ended", handoffs.clone());
        let mut reasons = |name: &str, help: &str, known: &[&'static str]| {
            let family = Family::<ReasonLabel, Counter>::default();
            for reason in known {
                drop(family.get_or_create(&ReasonLabel { reason: Label(reason) }));
            }
            registry.register(name, help, family.clone());
            family
        };
        let refused: Vec<_> = darkages_sim::InputRefused::ALL.iter().map(|reason| reason.label()).collect();
        let inputs_refused = reasons("inputs_refused", "Inputs that were not taken", &refused);
        let messages_refused = reasons("messages_refused", "Messages that were not understood or out of turn", &[]);
        let sessions_closed = reasons("sessions_closed", "Sessions that the zone closed", &[]);
        let transactions =
            reasons("transactions", "Durable transactions by result", &["done", "repeated", "refused", "unavailable"]);
        let drop_reasons: Vec<_> = TransportStats::default().drops().map(|(reason, _)| reason.label()).collect();
        let drops = reasons("datagrams_dropped", "Datagrams that went no further", &drop_reasons);
        let mut traffic = |name: &str, help: &str| {
            let family = Family::<DirectionLabel, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let datagrams = traffic("datagrams", "UDP datagrams");
        let bytes = traffic("datagram_bytes", "Bytes of UDP payload");
        Self {
            registry: Arc::new(registry),
            players,
            ghosts,
            sessions,
            serving,
            tick,
            stages,
            late_ticks,
            handoffs,
            handoff,
            handoff_gap,
            inputs_refused,
            inputs,
            inputs_skipped,
            messages_refused,
            sessions_closed,
            snapshots,
            transactions,
            store_degraded,
            store_queue,
            store_unsaved,
            store_lag,
            store_hits,
            store_misses,
            datagrams,
            bytes,
            drops,
            packets,
            lost,
            seen: Arc::default(),
        }
    }

    /// Takes over the transport's counters.
    pub fn observe_transport(&self, stats: &TransportStats) {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let traffic = [
            ("in", stats.datagrams_in - seen.datagrams_in, stats.bytes_in - seen.bytes_in),
            ("out", stats.datagrams_out - seen.datagrams_out, stats.bytes_out - seen.bytes_out),
        ];
        for (direction, datagrams, bytes) in traffic {
            let label = DirectionLabel { direction: Label(direction) };
            self.datagrams.get_or_create(&label).inc_by(datagrams);
            self.bytes.get_or_create(&label).inc_by(bytes);
        }
        for (reason, count) in stats.drops() {
            let label = ReasonLabel { reason: Label(reason.label()) };
            self.drops.get_or_create(&label).inc_by(count - seen.dropped(reason));
        }
        self.packets.inc_by(stats.packets_tracked - seen.packets_tracked);
        self.lost.inc_by(stats.packets_lost - seen.packets_lost);
        *seen = stats.clone();
    }

    /// Takes over how the store is. Its counters are those of the whole process and only rise.
    pub fn observe_store(&self, health: &Health, under_way: usize, is_degraded: bool) {
        let Health { away: _, queue_depth, unsaved, lag, cache_hits, cache_misses } = health;
        self.store_degraded.set(i64::from(is_degraded));
        self.store_queue.set((queue_depth + under_way) as i64);
        self.store_unsaved.set(*unsaved as i64);
        self.store_lag.set(lag.as_secs_f64());
        self.store_hits.inc_by(cache_hits.saturating_sub(self.store_hits.get()));
        self.store_misses.inc_by(cache_misses.saturating_sub(self.store_misses.get()));
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_start_at_zero_and_the_tick_histogram_has_the_60_hz_bucket() {
        let text = Metrics::new().text();
        for line in [
            "darkages_players 0",
            "darkages_handoffs_total{outcome=\"completed\"} 0",
            "darkages_inputs_refused_total{reason=\"stale\"} 0",
            "darkages_tick_duration_seconds_bucket{le=\"0.0166\"} 0",
            "darkages_late_ticks_total 0",
        ] {
            assert!(text.lines().any(|at| at == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn traffic_is_counted_once_however_often_it_is_observed() {
        let metrics = Metrics::new();
        let mut stats = TransportStats::default();
        (stats.datagrams_in, stats.bytes_in) = (7, 700);
        metrics.observe_transport(&stats);
        metrics.observe_transport(&stats);
        assert!(metrics.text().contains("darkages_datagrams_total{direction=\"in\"} 7\n"));
    }
}
