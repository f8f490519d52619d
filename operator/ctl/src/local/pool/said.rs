//! What a zone process says of itself over its control API, in the words of the run. Pure; its numbers are another
//! process's, so they are bounded here.

use std::time::Duration;

use anyhow::Context as _;
use darkages_plan::{Life, Look};
use darkages_server::handoff::Outcome;
use darkages_server::stats::{Stage, Totals};
use darkages_topology::control::{Distribution, StatsResponse, Totals as WireTotals};
use darkages_topology::{Position, Revision, ShardId, Tick, ZoneEndpoint, ZoneId};
use hdrhistogram::Histogram;

use super::breakdown;

/// Bytes of an answer, at most: positions of 10,000 players and the distributions of a long life fit many times.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Tiers of a store that a look names, at most; there are two.
const MAX_TIERS: usize = 4;

/// The zone's name, address and key.
///
/// # Errors
/// The part that is none.
pub fn endpoint(stats: &StatsResponse) -> anyhow::Result<ZoneEndpoint> {
    Ok(ZoneEndpoint {
        zone: ZoneId(stats.zone.clone()),
        address: stats.address.parse().with_context(|| format!("address {:?}", stats.address))?,
        public_key: stats.public_key.clone().try_into().ok().context("a public key has 32 bytes")?,
    })
}

/// A look at the zone.
pub fn look(endpoint: &ZoneEndpoint, stats: &StatsResponse, silent_for: Duration) -> Look {
    let micros = |us: u32| Duration::from_micros(u64::from(us));
    let time = |stage: Stage| {
        let told = stats.stages.iter().filter(|told| told.name == stage.label());
        told.map(|told| micros(told.mean_us)).sum()
    };
    let positions = stats.positions.chunks_exact(2).map(|place| Position { x: place[0], y: place[1] });
    Look {
        endpoint: endpoint.clone(),
        shard: (stats.shard != 0).then_some(ShardId(stats.shard)),
        life: match stats.state.as_str() {
            "unassigned" => Life::Standby,
            "acquiring" => Life::Acquiring,
            "serving" => Life::Serving,
            "retiring" => Life::Retiring,
            _ => Life::Over,
        },
        draining: stats.draining,
        store_away: stats.store_away.iter().take(MAX_TIERS).cloned().collect(),
        tick: Tick(stats.tick),
        revision: Revision(stats.revision),
        open_handoffs: stats.handoffs,
        tick_p95: micros(stats.work_p95_us),
        tick_p99: micros(stats.tick_p99_us),
        costs: breakdown(stats.players, u64::from(stats.views), stats.ghosts, time),
        positions: positions.take(stats.handles.len()).collect(),
        handles: stats.handles.clone(),
        silent_for,
    }
}

/// What the zone has done in its life.
pub fn totals(wire: &WireTotals) -> Totals {
    let mut totals = Totals {
        ticks: wire.ticks,
        late_ticks: wire.late_ticks,
        skipped_ticks: wire.skipped_ticks,
        handoffs: wire.handoffs,
        inputs_applied: wire.inputs_applied,
        inputs_duplicated: wire.inputs_duplicated,
        faults: wire.faults,
        ..Totals::default()
    };
    fill(&mut totals.tick_us, wire.tick_us.as_ref());
    fill(&mut totals.handoff_ms, wire.handoff_ms.as_ref());
    for aborted in &wire.handoffs_aborted {
        if let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.label() == aborted.label) {
            *totals.handoffs_aborted.entry(outcome.label()).or_default() += aborted.count;
        }
    }
    totals
}

fn fill(histogram: &mut Histogram<u64>, recorded: Option<&Distribution>) {
    let Some(Distribution { values, counts }) = recorded else { return };
    for (value, count) in values.iter().zip(counts) {
        histogram.saturating_record_n(*value, *count);
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::control::Count;

    use super::*;

    #[test]
    fn what_cannot_be_is_bounded() {
        let stats = StatsResponse {
            zone: "zone-1".into(),
            address: "127.0.0.1:9".into(),
            public_key: vec![7; 32],
            positions: vec![1, 2, 3],
            handles: vec![5, 6],
            state: "dreaming".into(),
            ..StatsResponse::default()
        };
        let endpoint = endpoint(&stats).expect("an address and a key");
        let look = look(&endpoint, &stats, Duration::ZERO);
        assert_eq!((look.positions, look.shard, look.life), (vec![Position { x: 1, y: 2 }], None, Life::Over));
        assert!(super::endpoint(&StatsResponse { public_key: vec![7; 31], ..stats }).is_err());
    }

    #[test]
    fn a_life_is_summed_up_as_it_was() {
        let wire = WireTotals {
            ticks: 100,
            tick_us: Some(Distribution { values: vec![1_000, u64::MAX], counts: vec![99, 1] }),
            handoffs_aborted: vec![
                Count { label: "refused".into(), count: 3 },
                Count { label: "sold".into(), count: 9 },
            ],
            ..WireTotals::default()
        };
        let totals = totals(&wire);
        assert_eq!((totals.ticks, totals.tick_us.len()), (100, 100));
        assert!(totals.tick_us.value_at_quantile(0.5).abs_diff(1_000) < 10);
        assert_eq!(totals.handoffs_aborted.into_iter().collect::<Vec<_>>(), vec![("refused", 3)]);
    }
}
