//! What a zone process says of its life over its control API, in the words of the run. Pure.

use darkages_server::handoff::Outcome;
use darkages_server::stats::Totals;
use darkages_topology::control::{Distribution, Totals as WireTotals};
use hdrhistogram::Histogram;

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
