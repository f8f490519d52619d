//! `darkages swarm`: bots for a world that runs elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use darkages_checker::{Judgement, Scope, judge};
use darkages_client::swarm::{Ended, Swarm, SwarmConfig, SwarmError, SwarmHandle, SwarmReport, Workload};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::exit::BadInput;

/// How often progress is shown.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// Play with bots in a world that runs elsewhere, and report what they saw
#[derive(clap::Args)]
pub struct Args {
    /// Where the world's directory answers, such as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    directory: String,

    /// What the bots do: gather, crowd, spread, border, hotspots, trade, churn or caravan
    #[arg(long, value_name = "W", default_value_t = Workload::Spread)]
    workload: Workload,

    /// How many bots
    #[arg(long, value_name = "N", default_value_t = 100)]
    players: u32,

    /// Length of the run; all bots have left when it is over
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u32,

    /// Seed of every decision
    #[arg(long, value_name = "K", default_value_t = 1)]
    seed: u64,

    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// What the bots lived through, and what follows from what they were told to have.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    report: SwarmReport,
    /// By what they were last told: the store is out of reach from here, and others may play in the world.
    belongings: Judgement,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { directory, workload, players, seconds, seed, report, json } = args;
    if !directory.starts_with("http://") {
        return Err(
            BadInput::new(format!("--directory is {directory:?}: give a URL such as http://127.0.0.1:8080")).into()
        );
    }
    if let Some(file) = &report {
        check_writable(file)?;
    }
    let config =
        SwarmConfig { directory_url: directory, workload, players, seconds, seed, fault: None, crashes: false };
    let swarm = Swarm::start(config).map_err(|error| match error {
        SwarmError::OutOfRange { .. } => BadInput::new(format!("--{error}")).into(),
        other => anyhow::Error::from(other),
    })?;
    watch(&swarm, seconds, players)?;
    let Ended { report: lived, history } = swarm.join()?;
    let told = Told { report: lived, belongings: judge(&history, history.last(), Scope::Open) };
    let text = serde_json::to_string_pretty(&told)? + "\n";
    if let Some(file) = &report {
        std::fs::write(file, &text).with_context(|| format!("writing the report to {}", file.display()))?;
    }
    let page = if json { text } else { page(&told) };
    std::io::stdout().write_all(page.as_bytes()).context("writing the report")?;
    anyhow::ensure!(told.held(), "not everything held: {}", told.shortfall());
    Ok(())
}

/// A run must not end with a report that has no place to go.
fn check_writable(file: &Path) -> Result<(), BadInput> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        return Err(BadInput::new(format!("--report is {}: give a file in a folder that exists", file.display())));
    }
    Ok(())
}

/// Shows progress until the swarm is over; Ctrl-C lets the bots leave.
fn watch(swarm: &SwarmHandle, seconds: u32, players: u32) -> anyhow::Result<()> {
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(u64::from(seconds)) } else { ProgressBar::hidden() };
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}").context("the form of the progress bar")?,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        let mut interrupted = false;
        while !swarm.is_over() {
            tokio::select! {
                () = tokio::time::sleep(SHOW_EVERY) => {}
                pressed = tokio::signal::ctrl_c(), if !interrupted => {
                    pressed.context("waiting for Ctrl-C")?;
                    interrupted = true;
                    swarm.stop();
                }
            }
            let progress = swarm.progress();
            bar.set_position(progress.seconds as u64);
            bar.set_message(format!(
                "{} of {players} inside, {} handoffs, p95 {:.0} ms, {} disconnects, {} violations",
                progress.inside,
                progress.handoffs_seen,
                progress.latency_p95_ms,
                progress.disconnects,
                progress.violations
            ));
        }
        anyhow::Ok(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

fn page(told: &Told) -> String {
    let Told { report, belongings } = told;
    let SwarmReport { client_gap_ms: gap, latency_ms: latency, input_seen_ms: seen, client_bytes_per_s: bytes, .. } =
        report;
    let mut page = format!(
        "{} bots, {}, {:.0} s: {} joins, {} handoffs, {} disconnects, {} rejoins\n\
         inputs: {} sent, {} applied, {} lost, {} applied twice\n\
         gap in a handoff: p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms\n\
         newest input seen by others: p50 {:.0} ms, p95 {:.0} ms, p99 {:.0} ms ({} pairs)\n\
         every input seen by others: p50 {:.0} ms, p95 {:.0} ms, p99 {:.0} ms\n\
         bytes a client and second: {:.0} down, {:.0} up; the bots took {:.2} cores\n",
        report.players,
        report.workload,
        report.seconds,
        report.joins,
        report.handoffs_seen,
        report.disconnects,
        report.rejoins,
        report.inputs_sent,
        report.inputs_applied,
        report.inputs_lost,
        report.inputs_duplicated,
        gap.p50,
        gap.p99,
        gap.max,
        latency.p50,
        latency.p95,
        latency.p99,
        report.latency_pairs,
        seen.p50,
        seen.p95,
        seen.p99,
        bytes.down,
        bytes.up,
        report.swarm_cpu_cores,
    );
    for violation in &report.violations {
        page.push_str(&format!("{:?}: {}\n", violation.invariant, violation.evidence));
    }
    for finding in &belongings.findings {
        page.push_str(&format!("{}: {}\n", finding.fault.invariant(), finding.evidence));
    }
    page
}

impl Told {
    fn held(&self) -> bool {
        self.report.held() && self.belongings.findings_total == 0
    }

    fn shortfall(&self) -> String {
        let Self { report, belongings } = self;
        let counts = [
            ("violations", report.violations_total + belongings.findings_total),
            ("disconnects", report.disconnects),
            ("inputs lost", report.inputs_lost),
            ("inputs applied twice", report.inputs_duplicated),
            ("bots that never joined", u64::from(report.never_joined)),
            ("bots that did not come back", u64::from(report.never_returned)),
        ];
        let named: Vec<String> =
            counts.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        named.join(", ")
    }
}
