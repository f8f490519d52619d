//! `darkages sim`: whole worlds of handoffs under faults, one for each seed.

use std::io::Write as _;
use std::num::NonZeroU64;
use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;
use darkages_server::handoff::Variant;
use darkages_server::simulator::{self, Failure, Summary};

use crate::exit::BadInput;

/// Threads that seeds are run on when none are given, at most: a laptop stays usable.
const DEFAULT_THREADS: usize = 2;

/// Lines of a failing seed's trace that are printed without `--trace`.
const TAIL: usize = 40;

/// Run seeded worlds of handoffs under loss, crashes and freezes, and check every invariant
#[derive(clap::Args)]
pub struct Args {
    /// How many seeds to run
    #[arg(long, default_value = "100")]
    seeds: NonZeroU64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; two where there are as many cores
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// The rules; the others are broken on purpose, to see that the checks find it
    #[arg(long, value_enum, default_value_t = Rules::Sound)]
    variant: Rules,
    /// Print the whole trace that is kept: of the failing seed, or of the only one
    #[arg(long)]
    trace: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The names of [`Variant`]s on the command line.
#[derive(Clone, Copy, ValueEnum)]
enum Rules {
    Sound,
    NoFencing,
    ReleaseBeforeCommit,
    DoubleRelease,
}

impl From<Rules> for Variant {
    fn from(rules: Rules) -> Self {
        match rules {
            Rules::Sound => Self::Sound,
            Rules::NoFencing => Self::NoFencing,
            Rules::ReleaseBeforeCommit => Self::ReleaseBeforeCommit,
            Rules::DoubleRelease => Self::DoubleRelease,
        }
    }
}

pub fn run(args: Args) -> anyhow::Result<()> {
    if args.from.checked_add(args.seeds.get()).is_none() {
        return Err(BadInput::new(format!("from + seeds is beyond {}: start lower", u64::MAX)).into());
    }
    let threads = args.threads.map_or_else(default_threads, usize::from);
    let began = Instant::now();
    let mut summary = simulator::run_many(args.from, args.seeds.get(), args.variant.into(), threads);
    let seconds = began.elapsed().as_secs_f64();
    let mut trace = Vec::new();
    if args.trace && args.seeds.get() == 1 && summary.failure.is_none() {
        trace = simulator::trace(args.from, args.variant.into());
    }
    if let Some(failure) = summary.failure.as_mut().filter(|_| !args.trace) {
        let lines = &mut failure.trace;
        lines.drain(..lines.len().saturating_sub(TAIL));
    }
    let printed =
        if args.json { as_json(&summary, &trace, seconds)? } else { as_text(&summary, &trace, &args, seconds) };
    writeln!(std::io::stdout(), "{printed}").context("writing what happened")?;
    match summary.failure {
        None => Ok(()),
        Some(Failure { seed, invariant, .. }) => anyhow::bail!("seed {seed} breaks {invariant}"),
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(DEFAULT_THREADS))
}

fn as_json(summary: &Summary, trace: &[String], seconds: f64) -> anyhow::Result<String> {
    let Summary { seeds, stats, failure } = summary;
    let mut json = serde_json::json!({
        "seeds": seeds,
        "seconds": (seconds * 1e3).round() / 1e3,
        "holds": failure.is_none(),
        "stats": stats,
        "failure": failure,
    });
    if !trace.is_empty() {
        json["trace"] = trace.into();
    }
    serde_json::to_string_pretty(&json).context("writing JSON")
}

fn as_text(summary: &Summary, trace: &[String], args: &Args, seconds: f64) -> String {
    let Summary { seeds, stats, failure } = summary;
    let mut lines: Vec<String> = trace.to_vec();
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        let counts: Vec<String> = counts.iter().map(|(label, count)| format!("{label} {count}")).collect();
        counts.join(", ")
    };
    let moved: u64 = ["completed", "through_store"].iter().filter_map(|label| stats.handoffs.get(label)).sum();
    if let Some(failure) = failure {
        lines.extend(failure.trace.iter().cloned());
    }
    lines.push(format!("{seeds} seeds in {seconds:.1} s: {:.0} a second", *seeds as f64 / seconds.max(1e-9)));
    lines.push(format!("handoffs       {}", list(&stats.handoffs)));
    lines.push(format!("players taken  {}", list(&stats.taken)));
    lines.push(format!(
        "ticks          {} simulated; a handoff takes {:.1}, the longest took {}",
        stats.zone_ticks,
        stats.handoff_ticks as f64 / moved.max(1) as f64,
        stats.handoff_ticks_most
    ));
    lines.push(format!(
        "inputs         {} applied, {} lost with a crashed zone's state",
        stats.inputs_applied, stats.inputs_lost
    ));
    lines.push(format!("trades         {} told to clients as durable", stats.trades));
    lines.push(format!(
        "faults         {} kills, {} freezes, {} cuts, {} store outages, {} datagrams lost; {} maps written",
        stats.kills, stats.freezes, stats.cuts, stats.outages, stats.datagrams_lost, stats.maps
    ));
    lines.push(format!("fencing        {} incarnations stopped, {} played on", stats.stops, stats.played_on));
    match failure {
        None => lines.push("every invariant held".to_owned()),
        Some(Failure { seed, invariant, what, at_s, .. }) => {
            let variant = Variant::from(args.variant);
            let option =
                if variant == Variant::Sound { String::new() } else { format!(" --variant {}", variant.label()) };
            lines.push(format!("seed {seed} breaks {invariant} after {at_s:.3} s: {what}"));
            lines.push(format!("again: darkages sim --seeds 1 --from {seed} --trace{option}"));
        }
    }
    lines.join("\n")
}
