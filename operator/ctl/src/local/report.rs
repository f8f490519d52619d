//! The report of a run: what happened, how fast, and what did not hold.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use darkages_client::swarm::Trades;
use serde::Serialize;

/// Violations that the table shows; the JSON has all that were kept.
const MAX_SHOWN: usize = 12;

/// Percentiles of a duration, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct GapMs {
    /// Half of them are at most this long.
    pub p50: f64,
    /// 99 % of them.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// Percentiles of an age, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AgeMs {
    /// Half of them are at most this old.
    pub p50: f64,
    /// 95 % of them.
    pub p95: f64,
    /// 99 % of them.
    pub p99: f64,
}

/// UDP payload of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct BytesPerSecond {
    /// Zone to client.
    pub down: f64,
    /// Client to zone.
    pub up: f64,
}

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant, `I1` to `I10`, or what else was promised.
    pub invariant: String,
    /// What was seen.
    pub evidence: String,
}

/// The report. The names of its fields are an interface: scripts read them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Bots.
    pub players: u32,
    /// What they did; empty without bots.
    pub workload: String,
    /// Seed of the run.
    pub seed: u64,
    /// How long the world was open.
    pub seconds: f64,
    /// Fewest zones with ground at any time.
    pub zones_min: usize,
    /// Most zones with ground at any time.
    pub zones_max: usize,
    /// Zones cut in two.
    pub splits: u64,
    /// Zones merged into another.
    pub merges: u64,
    /// Borders moved.
    pub slides: u64,
    /// Shards moved to another zone, players on board.
    pub moves: u64,
    /// Zone processes that were killed.
    pub kills: u64,
    /// Kills by the point at which they landed: `random` for any moment, `POINT,both` for both sides of a handoff.
    pub kills_by: BTreeMap<String, u64>,
    /// Kills at a point to which no zone came in time: they did not happen.
    pub kills_missed: BTreeMap<String, u64>,
    /// Zone processes that were frozen and woke up.
    pub freezes: u64,
    /// From the last authoritative snapshot of a zone that crashed to the next one that a client got, by client.
    pub recovery_ms: GapMs,
    /// How much of its play a client lost with a crash: the inputs that were taken back, in time.
    pub rollback_ms: GapMs,
    /// Acknowledged trades that are not there at the end, judged by the accounts that they touch.
    pub acked_lost: u64,
    /// Acknowledged trades that are there twice, judged likewise.
    pub acked_duplicated: u64,
    /// How often zones did not reach a tier of the store (`StoreDegraded`).
    pub store_degraded: u64,
    /// How long in all, in milliseconds.
    pub store_degraded_ms: f64,
    /// Players handed over.
    pub handoffs: u64,
    /// Handoffs that were given up and tried again.
    pub handoffs_aborted: u64,
    /// The same by outcome.
    pub handoffs_aborted_by: BTreeMap<String, u64>,
    /// Attachments to a next zone that ended before it took over, by reason, as the bots saw it.
    pub attachments_ended_by: BTreeMap<String, u64>,
    /// Sessions that ended though the client did not want it.
    pub disconnects: u64,
    /// The same by reason.
    pub disconnects_by: BTreeMap<String, u64>,
    /// Joins made because a zone fell silent or closed the session.
    pub rejoins: u64,
    /// Inputs that bots made.
    pub inputs_sent: u64,
    /// Inputs that zones applied.
    pub inputs_applied: u64,
    /// Inputs that no zone ever applied.
    pub inputs_lost: u64,
    /// Inputs that were applied twice.
    pub inputs_duplicated: u64,
    /// Time without an authoritative snapshot around a handoff, beyond the snapshot period.
    pub client_gap_ms: GapMs,
    /// From the first step of a handoff to its last.
    pub handoff_ms: GapMs,
    /// From the limit crossed to the map written and the last player over.
    pub split_ms: GapMs,
    /// Time that a tick takes.
    pub tick_ms: GapMs,
    /// Share of the ticks that began later than half a period after their deadline.
    pub ticks_late_ratio: f64,
    /// Age of the newest input of one client when another decodes its effect.
    pub latency_ms: AgeMs,
    /// Every input until another client sees it.
    pub input_seen_ms: AgeMs,
    /// UDP payload of one client.
    pub client_bytes_per_s: BytesPerSecond,
    /// Processor time of everything but the bots, in cores.
    pub server_cpu_cores: f64,
    /// Processor time of the bots, in cores.
    pub swarm_cpu_cores: f64,
    /// Memory in use at the end, in MiB.
    pub rss_mib: f64,
    /// What became of the bots' trades.
    pub trades: Trades,
    /// Those that were refused, by reason.
    pub trades_refused_by: BTreeMap<String, u64>,
    /// Gold of all bots when they came.
    pub gold_before: u64,
    /// Gold of the same bots in the store, once all have left.
    pub gold_after: u64,
    /// Whether the two must be equal: only where the store has nobody else.
    pub gold_compared: bool,
    /// Items that two players have in the store.
    pub items_duplicated: u64,
    /// Times at which bots saw what they have, each of them judged by what was acknowledged before.
    pub reads: u64,
    /// What did not hold; nothing else makes a run fail.
    pub violations: Vec<Violation>,
}

impl GapMs {
    /// Percentiles of sorted durations.
    pub fn of_sorted(times: &[std::time::Duration]) -> Self {
        let at = |share: f64| {
            let rank = (share * times.len() as f64).ceil() as usize;
            times.get(rank.clamp(1, times.len().max(1)) - 1).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl Report {
    /// Notes something that did not hold.
    pub fn violated(&mut self, invariant: &str, evidence: String) {
        self.violations.push(Violation { invariant: invariant.to_owned(), evidence });
    }

    /// The report for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_table(&mut text);
        text
    }

    /// What was done to zones on purpose, and what it cost the players.
    fn write_harm(&self, out: &mut String) -> fmt::Result {
        let Self { kills, kills_by, kills_missed, freezes, recovery_ms, rollback_ms, .. } = self;
        if *kills > 0 || *freezes > 0 || !kills_missed.is_empty() {
            writeln!(out, "kills          {kills}{}, {freezes} freezes", reasons(kills_by))?;
            writeln!(out, "recovery       {}; taken back {}", gap(recovery_ms), gap(rollback_ms))?;
        }
        if !kills_missed.is_empty() {
            writeln!(out, "kills missed  {}", reasons(kills_missed))?;
        }
        Ok(())
    }

    fn write_table(&self, out: &mut String) -> fmt::Result {
        let age = |times: &AgeMs| format!("p50 {:.1}  p95 {:.1}  p99 {:.1} ms", times.p50, times.p95, times.p99);
        let who =
            if self.players == 0 { "no bots".to_owned() } else { format!("{} bots, {}", self.players, self.workload) };
        writeln!(out, "\nworld          {who}, {:.0} s, seed {}", self.seconds, self.seed)?;
        let Self { zones_min, zones_max, splits, merges, slides, moves, .. } = self;
        writeln!(
            out,
            "zones          {zones_min} to {zones_max}; {splits} splits, {merges} merges, {slides} slides, {moves} moves"
        )?;
        writeln!(out, "split          {}", gap(&self.split_ms))?;
        writeln!(
            out,
            "handoffs       {} ({} aborted), {}",
            self.handoffs,
            self.handoffs_aborted,
            gap(&self.handoff_ms)
        )?;
        writeln!(out, "ticks          {}, {:.3} % late", gap(&self.tick_ms), self.ticks_late_ratio * 100.0)?;
        if self.store_degraded > 0 {
            let seconds = self.store_degraded_ms / 1_000.0;
            writeln!(out, "store          did not answer {} times, {seconds:.1} s in all", self.store_degraded)?;
        }
        self.write_harm(out)?;
        if self.players > 0 {
            let Self { inputs_sent, inputs_applied, inputs_lost, inputs_duplicated, .. } = self;
            let why = reasons(&self.disconnects_by);
            writeln!(out, "clients        {} disconnects{why}, {} rejoins", self.disconnects, self.rejoins)?;
            writeln!(
                out,
                "inputs         {inputs_sent} sent, {inputs_applied} applied, {inputs_lost} lost, {inputs_duplicated} duplicated"
            )?;
            writeln!(out, "client gap     {}", gap(&self.client_gap_ms))?;
            writeln!(out, "latency        {}", age(&self.latency_ms))?;
            writeln!(out, "input seen     {}", age(&self.input_seen_ms))?;
            let BytesPerSecond { down, up } = self.client_bytes_per_s;
            writeln!(out, "per client     {:.1} kB/s down, {:.2} kB/s up", down / 1_000.0, up / 1_000.0)?;
            let Trades { asked, done, refused, unanswered } = self.trades;
            if asked > 0 {
                writeln!(out, "trades         {asked} asked, {done} done, {refused} refused, {unanswered} unanswered")?;
            }
            writeln!(
                out,
                "gold           {} before, {} in the store; {} items twice; {} reads judged",
                self.gold_before, self.gold_after, self.items_duplicated, self.reads
            )?;
        }
        let Self { server_cpu_cores, swarm_cpu_cores, rss_mib, .. } = self;
        writeln!(
            out,
            "machine        {server_cpu_cores:.2} cores for the world, {swarm_cpu_cores:.2} for the bots, {rss_mib:.0} MiB"
        )?;
        for Violation { invariant, evidence } in self.violations.iter().take(MAX_SHOWN) {
            writeln!(out, "VIOLATED {invariant:<5} {evidence}")?;
        }
        if self.violations.len() > MAX_SHOWN {
            writeln!(out, "VIOLATED and {} more, which --report and --json list", self.violations.len() - MAX_SHOWN)?;
        }
        writeln!(out, "invariants     {}", if self.violations.is_empty() { "all held" } else { "NOT ALL HELD" })
    }
}

fn gap(times: &GapMs) -> String {
    let GapMs { p50, p99, max } = times;
    format!("p50 {p50:.1}  p99 {p99:.1}  max {max:.1} ms")
}

fn reasons(by: &BTreeMap<String, u64>) -> String {
    by.iter().map(|(reason, count)| format!(" ({count} {reason})")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn percentiles_of_few_times_are_those_times() {
        let ms = |list: &[u64]| list.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
        assert_eq!(GapMs::of_sorted(&[]), GapMs::default());
        assert_eq!(GapMs::of_sorted(&ms(&[7])), GapMs { p50: 7.0, p99: 7.0, max: 7.0 });
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(GapMs::of_sorted(&ms(&hundred)), GapMs { p50: 50.0, p99: 99.0, max: 100.0 });
    }

    #[test]
    fn the_names_that_scripts_read_are_there() {
        let report = serde_json::to_value(Report::default()).expect("numbers and strings have JSON");
        let names = "players zones_min zones_max splits merges slides handoffs handoffs_aborted disconnects rejoins inputs_sent \
                     inputs_applied inputs_lost inputs_duplicated client_gap_ms handoff_ms split_ms tick_ms ticks_late_ratio \
                     latency_ms input_seen_ms client_bytes_per_s server_cpu_cores swarm_cpu_cores rss_mib gold_before \
                     gold_after items_duplicated violations";
        for name in names.split_whitespace() {
            assert!(report.get(name).is_some(), "{name} is missing");
        }
        for (field, parts) in [("tick_ms", ["p50", "p99", "max"]), ("latency_ms", ["p50", "p95", "p99"])] {
            assert!(parts.iter().all(|part| report[field].get(part).is_some()), "{field}");
        }
    }

    #[test]
    fn a_violation_is_said_in_the_table() {
        let mut report = Report::default();
        assert!(report.table().contains("all held"));
        report.violated("I3", "gold was 5 and is 6".to_owned());
        assert!(report.table().contains("VIOLATED I3    gold was 5 and is 6"));
        assert!(report.table().ends_with("NOT ALL HELD\n"));
    }
}
