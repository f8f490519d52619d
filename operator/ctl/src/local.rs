//! `darkages local`: a whole world in one process. Validate, bring up, run, bring down, look again, report.

mod audit;
mod chaos;
mod cpu;
mod degraded;
mod drive;
mod faults;
mod feed;
mod freezes;
pub mod home;
mod kills;
mod options;
mod pool;
mod progress;
mod report;
mod sum;
mod tally;
mod terms;
mod world;

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::Context as _;
use darkages_checker::History;
use darkages_client::swarm::{Swarm, SwarmConfig, SwarmHandle};
use darkages_topology::Topology;
use tokio::signal::unix::{SignalKind, signal};

use self::drive::{Outcome, Run};
pub use self::options::Args;
use self::options::{Options, SwarmOptions};
use self::report::Report;
use self::world::World;
use crate::exit::BadInput;

pub fn run(args: Args) -> anyhow::Result<()> {
    let options = args.check()?;
    options.report.as_deref().map(check_writable).transpose()?;
    let (mut world, map) = world::open(&options)?;
    let mut report = Report { seed: options.seed, ..Report::default() };
    let outcome = live(&options, &mut world, map, &mut report);
    let rss_mib = cpu::resident_mib();
    // Whatever went wrong, what the players did is saved first.
    world.stop();
    let (outcome, history) = outcome?;
    let totals = world.pool.totals();
    sum::planner(&mut report, &outcome.tally);
    sum::zones(&mut report, &totals);
    sum::store(&mut report, &outcome.degraded);
    sum::machine(&mut report, outcome.measured, outcome.cpu, rss_mib);
    audit::totals(&totals, &mut report);
    let owners = audit::owners(&*world.store, &mut report);
    let holdings = world.runtime.block_on(owners).context("looking at the store once more")?;
    audit::belongings(&history, &holdings, !world.home.is_kept(), &mut report);
    let kept = world.home.is_kept().then(|| world.home.path().to_owned());
    world.close()?;
    tell(&options, &report, kept.as_deref())
}

/// The time in which the world is open.
fn live(
    options: &Options,
    world: &mut World,
    map: Topology,
    report: &mut Report,
) -> anyhow::Result<(Outcome, History)> {
    let stop = stop_signal(world)?;
    let mut run = Run::new(options, world, map)?;
    let swarm = match run.until_ready(&stop, report)? {
        true => options.swarm.map(|swarm| start_swarm(options, swarm, run.url())).transpose()?,
        false => None,
    };
    let outcome = run.finish(swarm.as_ref(), &stop, report)?;
    let Some(swarm) = swarm else { return Ok((outcome, History::default())) };
    let mut ended = swarm.join().context("running the bots")?;
    if outcome.interrupted {
        // Players who lost their zone had no time to come back.
        ended.report.never_returned = 0;
    }
    sum::swarm(report, &ended.report, options.crashes());
    Ok((outcome, ended.history))
}

fn start_swarm(options: &Options, swarm: SwarmOptions, url: &str) -> anyhow::Result<SwarmHandle> {
    let SwarmOptions { players, workload, length } = swarm;
    let config = SwarmConfig {
        directory_url: url.to_owned(),
        workload,
        players,
        seconds: u32::try_from(length.as_secs()).context("the length of the run")?,
        seed: options.seed,
        fault: world::fault_plan(options),
        crashes: options.crashes(),
    };
    Swarm::start(config).context("starting the bots")
}

/// Ctrl-C and the signal with which service managers end a process.
fn stop_signal(world: &World) -> anyhow::Result<Receiver<()>> {
    let (stop, stopped) = sync_channel(1);
    let _runtime = world.runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for the end")?;
    world.runtime.spawn(async move {
        loop {
            let received = tokio::select! {
                received = interrupt.recv() => received,
                received = terminate.recv() => received,
            };
            // A second one while the first is being obeyed changes nothing.
            let _ = stop.try_send(());
            if received.is_none() {
                return;
            }
        }
    });
    Ok(stopped)
}

fn check_writable(file: &Path) -> Result<(), BadInput> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.is_dir() || !folder.is_dir() {
        let file = file.display();
        return Err(BadInput::new(format!("--report {file} cannot be written: give a file in a folder that exists")));
    }
    // What is there already is left alone until the report is written.
    let is_new = !file.exists();
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.map_err(|error| {
        BadInput::new(format!("--report {} cannot be written ({error}): give another file", file.display()))
    })?;
    if is_new {
        // An empty file would be taken for a report; that it cannot be removed does no harm.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

fn tell(options: &Options, report: &Report, kept: Option<&Path>) -> anyhow::Result<()> {
    let json = serde_json::to_string_pretty(report).context("encoding the report")? + "\n";
    // It is printed whatever becomes of the file.
    let written = options
        .report
        .as_ref()
        .map(|file| std::fs::write(file, &json).with_context(|| format!("writing the report to {}", file.display())));
    let mut text = if options.json { json } else { report.table() };
    if let (Some(place), false) = (kept, options.json) {
        text.push_str(&format!("saved          {}\n", place.display()));
    }
    std::io::stdout().write_all(text.as_bytes()).context("writing the report")?;
    written.transpose()?;
    let broken = report.violations.len();
    anyhow::ensure!(broken == 0, "{broken} of the promises did not hold, see VIOLATED or violations[]");
    Ok(())
}
