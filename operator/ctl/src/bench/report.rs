//! What a run of `darkages bench store` says.

use std::fmt::Write as _;

use serde::Serialize;

use super::figures::{Spread, Spreads};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    pub store: String,
    pub players: usize,
    pub batch: usize,
    pub state_bytes: usize,
    pub in_flight: usize,
    pub seconds: f64,
    pub repeats: usize,
    pub series: Vec<Measured>,
}

/// One series.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub name: &'static str,
    /// What it was measured against at full speed.
    pub baseline: String,
    /// Bytes of a row.
    pub row_bytes: usize,
    pub full_speed: Compared,
    /// At 60 ticks a second; the baseline is a bare loop of the driver.
    pub at_ticks: Compared,
    /// What the store adds to the median of the time until an answer, at the pace of ticks.
    pub added_p50_ms: Spread,
}

/// The store, and what it stands on.
#[derive(Debug, Serialize)]
pub struct Compared {
    pub store: Spreads,
    pub baseline: Spreads,
    /// Writes a second of the store, of those of the baseline.
    pub ratio: Spread,
}

impl Report {
    pub fn as_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    pub fn as_text(&self) -> String {
        let Self { store, players, batch, state_bytes, in_flight, seconds, repeats, series } = self;
        let mut text = String::new();
        let mut line = |words: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{words}");
        };
        line(format!("store         {store}"));
        line(format!("players       {players}, states of {state_bytes} bytes, {batch} in a tick's batch"));
        line(format!("measurements  {repeats} of {seconds} s each; median (least to most)"));
        for measured in series {
            let Measured { name, baseline, row_bytes, full_speed, at_ticks, added_p50_ms } = measured;
            line(String::new());
            line(format!("{name}, rows of {row_bytes} bytes"));
            line(format!("  full speed, {in_flight} calls under way"));
            rows(&mut line, "store", &full_speed.store);
            rows(&mut line, baseline, &full_speed.baseline);
            line(format!("    ratio of writes/s {}", spread(&full_speed.ratio, 2)));
            line("  60 ticks a second".to_owned());
            rows(&mut line, "store", &at_ticks.store);
            rows(&mut line, "bare driver", &at_ticks.baseline);
            line(format!("    added to p50 {} ms", spread(added_p50_ms, 3)));
        }
        text
    }
}

fn rows(line: &mut impl FnMut(String), who: &str, figures: &Spreads) {
    let Spreads { writes_per_s, p50_ms, p99_ms } = figures;
    line(format!("    {who}"));
    line(format!(
        "      {} writes/s   p50 {} ms   p99 {} ms",
        spread(writes_per_s, 0),
        spread(p50_ms, 3),
        spread(p99_ms, 3)
    ));
}

fn spread(figures: &Spread, digits: usize) -> String {
    let Spread { median, min, max } = figures;
    format!("{median:.digits$} ({min:.digits$} to {max:.digits$})")
}

#[cfg(test)]
mod tests {
    use super::super::figures::Sample;
    use super::*;

    fn compared(writes_per_s: f64) -> Compared {
        let of = |writes_per_s| Spreads::of(&[Sample { writes_per_s, p50_ms: 0.25, p99_ms: 0.75 }]);
        Compared { store: of(writes_per_s), baseline: of(100_000.0), ratio: Spread::of([writes_per_s / 100_000.0]) }
    }

    #[test]
    fn figures_stand_beside_their_baseline() {
        let measured = Measured {
            name: "checkpoints",
            baseline: "redis-benchmark 7.0.15, 16 clients, pipelines of 67: SET".to_owned(),
            row_bytes: 434,
            full_speed: compared(82_000.0),
            at_ticks: compared(4_020.0),
            added_p50_ms: Spread::of([0.1, 0.2, 0.3]),
        };
        let report = Report {
            store: "redis://127.0.0.1:6379/0".to_owned(),
            players: 1_000,
            batch: 67,
            state_bytes: 400,
            in_flight: 16,
            seconds: 3.0,
            repeats: 3,
            series: vec![measured],
        };
        insta::assert_snapshot!(report.as_text(), @r"
        store         redis://127.0.0.1:6379/0
        players       1000, states of 400 bytes, 67 in a tick's batch
        measurements  3 of 3 s each; median (least to most)

        checkpoints, rows of 434 bytes
          full speed, 16 calls under way
            store
              82000 (82000 to 82000) writes/s   p50 0.250 (0.250 to 0.250) ms   p99 0.750 (0.750 to 0.750) ms
            redis-benchmark 7.0.15, 16 clients, pipelines of 67: SET
              100000 (100000 to 100000) writes/s   p50 0.250 (0.250 to 0.250) ms   p99 0.750 (0.750 to 0.750) ms
            ratio of writes/s 0.82 (0.82 to 0.82)
          60 ticks a second
            store
              4020 (4020 to 4020) writes/s   p50 0.250 (0.250 to 0.250) ms   p99 0.750 (0.750 to 0.750) ms
            bare driver
              100000 (100000 to 100000) writes/s   p50 0.250 (0.250 to 0.250) ms   p99 0.750 (0.750 to 0.750) ms
            added to p50 0.200 (0.100 to 0.300) ms
        ");
        let json: serde_json::Value = serde_json::from_str(&report.as_json().expect("JSON")).expect("JSON");
        assert_eq!(json["series"][0]["full_speed"]["ratio"]["median"], 0.82);
        assert_eq!(json["series"][0]["at_ticks"]["store"]["p99_ms"]["max"], 0.75);
    }
}
