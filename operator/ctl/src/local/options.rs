//! The flags of `darkages local` and what they mean once they make sense. Pure but for the names of the paths.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use darkages_plan::PlanConfig;
use darkages_plan::config::{CutConfig, MergeConfig, SlideConfig, SplitConfig};
use darkages_topology::Rect;

use super::faults::{self, Faults};
use super::freezes::FreezePlan;
use super::kills::KillPlan;
use crate::bounds::Bounds;
use crate::exit::BadInput;
use crate::store_flags::{StoreFlags, Told};
use darkages_client::swarm::workload::Workload;

/// Players that one world takes at most: what a swarm of one thread and zones on one machine can be asked for.
pub const MAX_PLAYERS: u32 = 10_000;

/// Zones at the start, at most. Each is a thread and a socket.
pub const MAX_ZONES: usize = 64;

/// Longest run with bots: a day.
pub const MAX_SECONDS: u64 = 86_400;

/// Length of a run with bots that does not say.
const DEFAULT_SECONDS: u64 = 60;

/// Where the directory listens unless told otherwise.
const DEFAULT_HTTP: &str = "127.0.0.1:8080";

/// Where a headless run listens unless told otherwise: any free port of this machine.
const HEADLESS_HTTP: &str = "127.0.0.1:0";

/// Ground of a new world unless told otherwise: 1 km².
const DEFAULT_BOUNDS: &str = "0,0,1000,1000";

/// Where a world without bots is kept unless told otherwise.
const DEFAULT_DATA: &str = "data";

/// Run a whole world on this machine: zones, store, directory and live map, and bots if you want
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Bots to walk in; without them the world stays open for clients until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    players: u32,

    /// What the bots do: gather, crowd, spread, border, hotspots, trade, churn or caravan
    #[arg(long, value_name = "W", default_value = "gather")]
    workload: String,

    /// Seconds until the world closes: 60 with bots, without them until Ctrl-C
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    seconds: Option<u64>,

    /// Seed of everything that the bots decide
    #[arg(long, value_name = "K", default_value_t = 1)]
    seed: u64,

    /// Players above which a zone is cut in two
    #[arg(long, value_name = "N", default_value_t = 500, allow_negative_numbers = true)]
    split_at: u32,

    /// Zones at the start, and at least from then on
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    zones: usize,

    /// Ground of a new world, in metres [default: 0,0,1000,1000]
    #[arg(long, value_name = "minX,minY,maxX,maxY", allow_hyphen_values = true)]
    bounds: Option<String>,

    /// Datagrams to lose: a share below 1 or a percentage, so 0.02, 2 and 2% are the same
    #[arg(long, value_name = "P", default_value = "0", allow_hyphen_values = true)]
    loss: String,

    /// Delay of every datagram, in milliseconds, each way
    #[arg(long, value_name = "D", default_value_t = 0, allow_negative_numbers = true)]
    delay_ms: u64,

    /// Further delay, random between 0 and this, in milliseconds
    #[arg(long, value_name = "J", default_value_t = 0, allow_negative_numbers = true)]
    jitter_ms: u64,

    /// Where the world is kept [default: data; a directory that is removed again when there are bots]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Run each zone as a process of its own; needs --store
    #[arg(long)]
    processes: bool,

    #[command(flatten)]
    store: StoreFlags,

    /// Kill a zone process again and again, like zone:every=10s; needs --processes. With at=POINT in the middle of a handoff, a
    /// trade, a split or a merge, like zone:every=10s,at=committed; at=any takes all points in turn; side=giver, taker, both,
    /// trade, shard or some of them with + between; rounds=1 ends the run after each was tried once
    #[arg(long, value_name = "WHAT")]
    kill: Option<String>,

    /// Freeze a zone process again and again, like zone:every=15s,for=3s; needs --processes
    #[arg(long, value_name = "WHAT")]
    freeze: Option<String>,

    /// Where the directory and the live map listen [default: 127.0.0.1:8080; any free port when headless]
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,

    /// Show no progress
    #[arg(long)]
    headless: bool,

    /// Write the report to a file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Flags that make sense together.
#[derive(Clone, Debug)]
pub struct Options {
    /// The bots, if there are any.
    pub swarm: Option<SwarmOptions>,
    /// When the world closes; `None` on Ctrl-C only.
    pub length: Option<Duration>,
    /// Seed of bots and faults.
    pub seed: u64,
    /// When to split, merge and slide.
    pub plan: PlanConfig,
    /// Shards at the start and at least.
    pub zones: usize,
    /// Ground of a new world; `None` takes what the store has, or the default.
    pub bounds: Option<Rect>,
    /// What happens to datagrams.
    pub faults: Faults,
    /// Where the world is kept; `None` in a directory that is removed again.
    pub data: Option<PathBuf>,
    /// Whether each zone is a process.
    pub processes: bool,
    /// Where the world is kept instead.
    pub store: Option<Told>,
    /// What is killed.
    pub kill: Option<KillPlan>,
    /// What is frozen.
    pub freeze: Option<FreezePlan>,
    /// Where the directory listens.
    pub http: SocketAddr,
    /// Whether to show progress.
    pub progress: bool,
    /// Where the report goes as JSON.
    pub report: Option<PathBuf>,
    /// Whether to print the report as JSON.
    pub json: bool,
}

/// The bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwarmOptions {
    /// How many.
    pub players: u32,
    /// What they do.
    pub workload: Workload,
    /// For how long.
    pub length: Duration,
}

impl Options {
    /// Whether zones crash on purpose, so that players lose their sessions and the last moment of their play.
    pub fn crashes(&self) -> bool {
        self.kill.is_some() || self.freeze.is_some_and(|plan| plan.outlasts_leases())
    }

    /// Whether zones are told where to crash.
    pub fn aims(&self) -> bool {
        self.kill.as_ref().is_some_and(|plan| !plan.shots.is_empty())
    }
}

impl Args {
    /// Checks every flag.
    ///
    /// # Errors
    /// The first flag that cannot be used, and the fix.
    pub fn check(self) -> Result<Options, BadInput> {
        let Self { players, workload, seconds, seed, split_at, zones, .. } = self;
        let Self { bounds, loss, delay_ms, jitter_ms, data, http, headless, report, json, .. } = self;
        let Self { processes, store, kill, freeze, .. } = self;
        let store = store.told(("--data", data.is_some()))?;
        let workload = workload.parse::<Workload>().map_err(|error| BadInput::new(format!("--workload: {error}")))?;
        within("--players", u64::from(players), 0, u64::from(MAX_PLAYERS))?;
        within("--zones", zones as u64, 1, MAX_ZONES as u64)?;
        if let Some(seconds) = seconds {
            within("--seconds", seconds, 1, MAX_SECONDS)?;
        }
        if processes && store.is_none() {
            return Err(BadInput::new(
                "--processes: several processes cannot share a directory: give --store URL as well",
            ));
        }
        if kill.is_some() && !processes {
            return Err(BadInput::new("--kill: only processes can be killed: give --processes as well"));
        }
        if freeze.is_some() && !processes {
            return Err(BadInput::new("--freeze: only processes can be frozen: give --processes as well"));
        }
        let length = seconds.or((players > 0).then_some(DEFAULT_SECONDS)).map(Duration::from_secs);
        let swarm = length.filter(|_| players > 0).map(|length| SwarmOptions { players, workload, length });
        Ok(Options {
            swarm,
            length,
            seed,
            plan: planner_of(split_at)?,
            zones,
            bounds: bounds.map(|text| text.parse::<Bounds>().map(|bounds| bounds.0)).transpose()?,
            faults: faults::check(&loss, delay_ms, jitter_ms)?,
            data: data.or_else(|| (players == 0 && store.is_none()).then(|| DEFAULT_DATA.into())),
            processes,
            store,
            kill: kill.as_deref().map(KillPlan::parse).transpose()?,
            freeze: freeze.as_deref().map(FreezePlan::parse).transpose()?,
            http: address(http.as_deref().unwrap_or(if headless { HEADLESS_HTTP } else { DEFAULT_HTTP }))?,
            progress: !headless,
            report,
            json,
        })
    }
}

/// The planner of a world on one machine, where one looks at it for minutes: it waits less than one of a cluster.
fn planner_of(split_at: u32) -> Result<PlanConfig, BadInput> {
    if split_at == 0 {
        return Err(BadInput::new("--split-at is 0: give 1 or more players"));
    }
    let config = PlanConfig {
        split: SplitConfig {
            max_players: split_at,
            // Long enough that somebody who only looks in does not cut a zone.
            sustained: Duration::from_millis(250),
            tick_budget: Duration::from_millis(10),
            tick_sustained: Duration::from_secs(5),
            cut: CutConfig::default(),
        },
        merge: MergeConfig { max_players: split_at / 2, sustained: Duration::from_secs(3) },
        slide: SlideConfig { differ_percent: 25, sustained: Duration::from_secs(5) },
        cooldown: Duration::from_secs(6),
    };
    config.validate().map_err(|error| BadInput::new(format!("--split-at {split_at}: {error}")))?;
    Ok(config)
}

/// Ground of a world whose flags name none.
pub fn default_bounds() -> Rect {
    DEFAULT_BOUNDS.parse::<Bounds>().expect("the default is a rectangle").0
}

fn address(text: &str) -> Result<SocketAddr, BadInput> {
    text.parse()
        .map_err(|_| BadInput::new(format!("--http is {text:?}: give an address and a port, like {DEFAULT_HTTP}")))
}

fn within(flag: &str, value: u64, least: u64, most: u64) -> Result<(), BadInput> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(BadInput::new(format!("{flag} is {value}: give {least} to {most}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn options(line: &str) -> Result<Options, BadInput> {
        Line::try_parse_from(std::iter::once("local").chain(line.split_whitespace()))
            .expect("clap reads it")
            .args
            .check()
    }

    fn complaint(line: &str) -> String {
        options(line).expect_err("it must be refused").to_string()
    }

    #[test]
    fn without_flags_the_world_stays_open_and_is_kept() {
        let options = options("").expect("the defaults are good");
        assert_eq!((options.swarm, options.length), (None, None));
        assert_eq!(options.data, Some("data".into()));
        assert_eq!(options.http, ([127, 0, 0, 1], 8080).into());
        assert_eq!(options.plan.split.max_players, 500);
        assert!(options.progress);
    }

    #[test]
    fn bots_come_for_a_minute_into_a_world_that_is_thrown_away() {
        let options = options("--players 600 --headless").expect("good flags");
        let length = Duration::from_secs(60);
        assert_eq!(options.swarm, Some(SwarmOptions { players: 600, workload: Workload::Gather, length }));
        assert_eq!((options.length, options.data), (Some(length), None));
        assert_eq!(options.http.port(), 0);
    }

    #[test]
    fn every_bad_flag_is_named_with_its_fix() {
        assert_eq!(complaint("--split-at 0"), "--split-at is 0: give 1 or more players");
        assert_eq!(complaint("--zones 0"), "--zones is 0: give 1 to 64");
        assert_eq!(complaint("--zones 65"), "--zones is 65: give 1 to 64");
        assert_eq!(complaint("--players 10001"), "--players is 10001: give 0 to 10000");
        assert_eq!(complaint("--seconds 0"), "--seconds is 0: give 1 to 86400");
        assert!(complaint("--workload walk").starts_with("--workload: workload \"walk\" is unknown: use gather,"));
        assert_eq!(complaint("--http 8080"), "--http is \"8080\": give an address and a port, like 127.0.0.1:8080");
        assert!(complaint("--bounds 5,0,5,9").contains("minX must be less than maxX"));
        assert!(complaint("--bounds NaN,0,5,9").contains("minX is not a finite number"));
        assert!(complaint("--bounds 0,0,5,100001").contains("maxY lies beyond ±100 km"));
        assert!(complaint("--bounds 0,0,5").contains("give minX,minY,maxX,maxY"));
        assert!(complaint("--loss 101").starts_with("--loss is \"101\""));
        assert!(complaint("--processes").contains("give --store URL as well"));
        assert!(complaint("--kill zone:every=10s").contains("give --processes as well"));
        assert!(complaint("--freeze zone:every=15s,for=3s").contains("give --processes as well"));
        assert!(complaint("--delay-ms 5001").starts_with("--delay-ms is 5001"));
    }

    #[test]
    fn a_small_limit_still_makes_a_planner() {
        for split_at in [1, 2, 3, 10] {
            assert!(options(&format!("--split-at {split_at}")).is_ok(), "{split_at}");
        }
    }
}
