//! `darkages bench store`: the order of measurements, and who cleans up.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use darkages_store::StoreUrl;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::bare::Bare;
use super::figures::{Sample, Spread, Spreads};
use super::load::{Load, Series, Sizes};
use super::options::{Args, Plan};
use super::pace;
use super::report::{Compared, Measured, Report};
use crate::exit::BadInput;

/// The world that is worked on. No other has this name, so whatever is in it may go.
const WORLD: &str = "darkages-bench";

/// How long each thing runs before it is measured: connections are made, caches filled, a server's code compiled.
const WARM_UP: Duration = Duration::from_millis(500);

/// Samples of one series: the store and the baseline, in turns.
#[derive(Default)]
struct Samples {
    store: Vec<Sample>,
    baseline: Vec<Sample>,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let json = args.json;
    let plan = args.plan()?;
    let _file = match &plan.url {
        StoreUrl::Embedded(file) => Some(NewFile(file)),
        _ => None,
    };
    let by = plan.told.by;
    let opened = darkages_store::open(plan.told.url.reveal(), WORLD).await;
    let store = opened.map_err(|error| BadInput::new(format!("{by}: {error}")))?;
    let bare = Bare::begin(&plan, WORLD).await?;
    let load = Load::begin(store, &plan).await?;
    let measured = measure(&plan, &load, &bare, !json).await;
    // Cleaned up also when it went wrong, and that it did is what is told then.
    let ended = load.end().await;
    let gone = bare.end().await;
    let report = measured?;
    ended.and(gone)?;
    let text = if json { report.as_json().context("writing JSON")? + "\n" } else { report.as_text() };
    std::io::stdout().write_all(text.as_bytes()).context("writing the figures")
}

/// A file that was not there before, and goes however the run ends.
struct NewFile<'a>(&'a Path);

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        // When it was never made there is nothing to remove.
        let _ = std::fs::remove_file(self.0);
    }
}

async fn measure(plan: &Plan, load: &Arc<Load>, bare: &Bare, shown: bool) -> anyhow::Result<Report> {
    let sizes = Sizes::of(plan.state_bytes);
    let steps = Series::ALL.len() * plan.repeats * 4;
    let bar = progress(steps, shown);
    let mut series = Vec::new();
    for one in Series::ALL {
        bar.set_message(one.label());
        ours(load, one, None, WARM_UP, plan).await?;
        bare.full_speed(one, WARM_UP).await?;
        let (mut full_speed, mut at_ticks) = (Samples::default(), Samples::default());
        for _ in 0..plan.repeats {
            full_speed.baseline.push(bare.full_speed(one, plan.time).await?);
            bar.inc(1);
            full_speed.store.push(ours(load, one, None, plan.time, plan).await?);
            bar.inc(1);
            at_ticks.baseline.push(bare.at_ticks(one, plan.time).await?);
            bar.inc(1);
            at_ticks.store.push(ours(load, one, Some(one.calls_in_a_tick()), plan.time, plan).await?);
            bar.inc(1);
        }
        let added = at_ticks.store.iter().zip(&at_ticks.baseline).map(|(ours, bare)| ours.p50_ms - bare.p50_ms);
        series.push(Measured {
            name: one.label(),
            baseline: bare.name(one)?,
            row_bytes: match one {
                Series::Checkpoints | Series::Handoffs => sizes.record,
                Series::Transactions => sizes.trade,
                Series::Log => sizes.event,
            },
            added_p50_ms: Spread::of(added),
            full_speed: compared(&full_speed),
            at_ticks: compared(&at_ticks),
        });
    }
    bar.finish_and_clear();
    Ok(Report {
        store: plan.url.place(),
        players: plan.players,
        batch: plan.batch,
        state_bytes: plan.state_bytes,
        in_flight: plan.in_flight,
        seconds: plan.time.as_secs_f64(),
        repeats: plan.repeats,
        series,
    })
}

/// One measurement of the store: at full speed, or so many calls in each tick.
async fn ours(
    load: &Arc<Load>,
    series: Series,
    calls_in_a_tick: Option<usize>,
    time: Duration,
    plan: &Plan,
) -> anyhow::Result<Sample> {
    load.settle().await?;
    let load = Arc::clone(load);
    let call = move |_| {
        let load = Arc::clone(&load);
        async move { load.call(series).await }
    };
    match calls_in_a_tick {
        None => pace::full_speed(plan.in_flight, time, call).await,
        Some(calls) => pace::at_ticks(calls, time, call).await,
    }
}

fn compared(samples: &Samples) -> Compared {
    let Samples { store, baseline } = samples;
    let ratios = store.iter().zip(baseline).map(|(ours, bare)| ours.writes_per_s / bare.writes_per_s.max(1e-9));
    Compared { store: Spreads::of(store), baseline: Spreads::of(baseline), ratio: Spread::of(ratios) }
}

/// A bar on a terminal, unless JSON is wanted.
fn progress(steps: usize, shown: bool) -> ProgressBar {
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg:<14} {bar:30} {pos}/{len}").expect("the template is constant");
    ProgressBar::with_draw_target(Some(steps as u64), target).with_style(style)
}
