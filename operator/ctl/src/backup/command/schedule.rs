//! `darkages backup schedule`: makes backups until it is told to end.

use std::io::Write as _;
use std::time::Duration;

use darkages_store::{Clock, SystemClock};

use super::making::{Flags, Style};
use crate::backup::limits::MAX_CHAIN;
use crate::backup::schedule::Schedule;
use crate::backup::span::Span;
use crate::backup::stop::{Stop, Stopped};
use crate::exit::BadInput;

/// The shortest period: more often is what a store's own replication is for.
const LEAST_EVERY: Duration = Duration::from_secs(60);

/// The longest wait in one piece. The clock on the wall is looked at again after it, so that one that was set, or a machine
/// that slept, is noticed.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// Make a backup now and again, until it is stopped
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,

    /// Time from one backup to the next; each starts up to a twentieth of it later
    #[arg(long, value_name = "TIME", default_value = "24h")]
    every: String,

    /// Make each Nth backup a full one and the others incremental
    #[arg(long, value_name = "N", default_value_t = 7)]
    full_every: usize,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { flags, every, full_every } = args;
    let every = every_of(&every)?;
    if !(1..=MAX_CHAIN).contains(&full_every) {
        return Err(BadInput::new(format!("--full-every is {full_every}: give 1 to {MAX_CHAIN}")).into());
    }
    let json = flags.json;
    let making = flags.check()?;
    let catalogue = making.look().await?;
    let schedule = Schedule::new(every, making.newest(&catalogue).map(unix));
    let (clock, stop, style) = (SystemClock::new(), Stop::listen()?, Style::FullEvery(full_every));
    let run = async || {
        let made = making.run(style, &stop).await?;
        if json {
            super::print_json(&made)?
        } else {
            super::print(&made.line())?
        }
        Ok(unix(made.begun_unix_s()))
    };
    repeat(schedule, &clock, rand::random, run, &stop).await
}

fn every_of(text: &str) -> Result<Duration, BadInput> {
    let every: Span = text.parse().map_err(|error| BadInput::new(format!("--every {text}: {error}")))?;
    if every.duration() < LEAST_EVERY {
        return Err(BadInput::new(format!("--every is {every}: give 1m or more")));
    }
    Ok(every.duration())
}

fn unix(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// Runs whenever one is due, until `stop`. A run says when it was begun, since the Unix epoch; one that fails is told and
/// tried again.
async fn repeat(
    mut schedule: Schedule,
    clock: &dyn Clock,
    mut draw: impl FnMut() -> f64,
    mut run: impl AsyncFnMut() -> anyhow::Result<Duration>,
    stop: &Stop,
) -> anyhow::Result<()> {
    loop {
        let due = schedule.due(clock.unix(), draw());
        while let Some(left) = due.checked_sub(clock.unix()).filter(|left| !left.is_zero()) {
            tokio::select! {
                () = tokio::time::sleep(left.min(LONGEST_NAP)) => {}
                () = stop.wanted() => return Ok(()),
            }
        }
        match run().await {
            Ok(begun) => schedule.succeeded(begun),
            Err(error) if error.chain().any(|cause| cause.is::<Stopped>()) => return Ok(()),
            Err(error) => {
                schedule.failed(clock.unix());
                say(&error);
            }
        }
    }
}

/// Tells a failure in one line.
fn say(error: &anyhow::Error) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {error:#}; it will be tried again");
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::*;

    /// The runtime's time, which a test lets pass at once.
    struct Virtual(Instant);

    impl Clock for Virtual {
        fn elapsed(&self) -> Duration {
            self.0.elapsed()
        }

        fn unix(&self) -> Duration {
            Duration::from_secs(1_700_000_000) + self.0.elapsed()
        }
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test(start_paused = true)]
    async fn failed_runs_are_tried_again_and_a_stop_ends_the_schedule() {
        let clock = Virtual(Instant::now());
        let (wish, stop) = watch::channel(false);
        let mut starts = Vec::new();
        let run = async || {
            starts.push(clock.elapsed().as_secs());
            match starts.len() {
                2 | 3 => anyhow::bail!("the world is open elsewhere"),
                5 => {
                    wish.send_replace(true);
                    Ok(clock.unix())
                }
                _ => Ok(clock.unix()),
            }
        };
        let ended = repeat(Schedule::new(DAY, None), &clock, || 1.0, run, &Stop::of(stop)).await;
        ended.expect("a stop is a clean end");
        let day = 86_400 + 4_320;
        assert_eq!(starts, [0, day, day + 60, day + 180, 2 * day + 180]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_in_the_middle_of_a_run_is_a_clean_end() {
        let clock = Virtual(Instant::now());
        let (_wish, stop) = watch::channel(false);
        let run = async || Err(anyhow::Error::from(Stopped).context("backing up"));
        repeat(Schedule::new(DAY, None), &clock, || 0.0, run, &Stop::of(stop)).await.expect("a clean end");
    }

    #[test]
    fn periods_that_make_no_sense_are_named() {
        assert_eq!(every_of("24h").expect("a day"), DAY);
        for text in ["59s", "0s", "soon", "-1h"] {
            let said = every_of(text).expect_err(text).to_string();
            assert!(said.starts_with("--every"), "{said}");
        }
    }
}
