//! Figures of one measurement, and of several of the same thing.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Longest time that is told apart.
const LONGEST: Duration = Duration::from_secs(60);

/// How long calls took.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    pub fn new() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        Self(Histogram::new_with_bounds(1, longest, 3).expect("the bounds are constant and in order"))
    }

    /// Adds one; longer than [`LONGEST`] counts as that.
    pub fn add(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1));
    }

    pub fn join(&mut self, others: &Self) {
        self.0 += &others.0;
    }

    fn at_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub writes_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Sample {
    pub fn of(writes: usize, time: Duration, latencies: &Latencies) -> Self {
        let writes_per_s = writes as f64 / time.as_secs_f64().max(1e-9);
        Self { writes_per_s, p50_ms: latencies.at_ms(0.5), p99_ms: latencies.at_ms(0.99) }
    }
}

/// Several measurements of one figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        let (low, high) = (at(figures.len().saturating_sub(1) / 2), at(figures.len() / 2));
        Self { median: f64::midpoint(low, high), min: at(0), max: at(figures.len().saturating_sub(1)) }
    }
}

/// Several samples, figure by figure.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spreads {
    pub writes_per_s: Spread,
    pub p50_ms: Spread,
    pub p99_ms: Spread,
}

impl Spreads {
    pub fn of(samples: &[Sample]) -> Self {
        let spread = |figure: fn(&Sample) -> f64| Spread::of(samples.iter().map(figure));
        Self {
            writes_per_s: spread(|sample| sample.writes_per_s),
            p50_ms: spread(|sample| sample.p50_ms),
            p99_ms: spread(|sample| sample.p99_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_range_at_the_ends() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of([7.0]), Spread { median: 7.0, min: 7.0, max: 7.0 });
    }

    #[test]
    fn a_sample_has_rate_and_quantiles() {
        let (mut latencies, mut others) = (Latencies::new(), Latencies::new());
        (1..=98).for_each(|_| latencies.add(Duration::from_millis(2)));
        (0..2).for_each(|_| others.add(Duration::from_secs(3_600)));
        latencies.join(&others);
        let sample = Sample::of(500, Duration::from_secs(2), &latencies);
        assert_eq!(sample.writes_per_s, 250.0);
        assert!((sample.p50_ms - 2.0).abs() < 0.01, "{sample:?}");
        assert!(sample.p99_ms > 59_000.0, "{sample:?}");
    }
}
