//! What `darkages bench store` is asked.

use std::time::Duration;

use darkages_store::StoreUrl;
use darkages_store::limits::MAX_STATE_BYTES;

use crate::exit::BadInput;
use crate::store_flags::{StoreFlags, Told};

/// Ticks in which every player is saved once: checkpoints come every 250 ms, ticks 60 times a second.
const TICKS_OF_A_ROUND: usize = 15;

/// Fewest players: a batch of at least two.
const MIN_PLAYERS: usize = 30;

/// Most players.
const MAX_PLAYERS: usize = 50_000;

/// Most calls at a time: what a zone may have under way.
const MAX_IN_FLIGHT: usize = darkages_server::storage::MAX_CALLS;

/// Longest state of which a trade of two still fits into a log entry.
const MAX_BENCH_STATE: usize = MAX_STATE_BYTES / 4;

/// Measure a store as zones use it, beside its server with nothing in between
///
/// Four things are measured, each for --seconds and --repeats times, the bare server and the store in turns:
/// checkpoints (players' states, a batch for each tick), transactions (trades of two players, each durable when it is
/// answered), log (events, a batch for each tick) and handoffs (compare-and-swap of owner records). First as fast as
/// --in-flight calls go, then at the pace of a world of 60 ticks a second, where the latencies are those that zones see.
///
/// What it stands beside: of Redis redis-benchmark where that is installed (without passwords and TLS), else a bare loop of
/// the driver; of CQL a bare loop of prepared statements; of a file a bare loop of redb. Same size of rows, same number
/// under way.
///
/// --store may also name a file. The store must hold nothing: an empty database of Redis, a keyspace that is not there yet, a file that is not there yet.
/// Rows that were written are removed afterwards; an empty world named "darkages-bench" stays in Redis and CQL, into which
/// the next run goes.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    store: StoreFlags,
    /// How long each of the measurements takes, in seconds
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// How often each is repeated; medians and ranges are printed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,
    /// Players; a fifteenth of them is saved in each tick
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    players: usize,
    /// Calls under way at a time when it goes as fast as it can
    #[arg(long, value_name = "N", default_value_t = 16)]
    in_flight: usize,
    /// Bytes of a player's state
    #[arg(long, value_name = "N", default_value_t = 400)]
    state_bytes: usize,
    /// Print JSON, and no progress
    #[arg(long)]
    pub json: bool,
}

/// What is measured, with every number in its range.
#[derive(Clone, Debug)]
pub struct Plan {
    pub url: StoreUrl,
    /// The URL as it was given, and by what.
    pub told: Told,
    pub time: Duration,
    pub repeats: usize,
    pub players: usize,
    /// Players in one tick's checkpoint, and events in one tick's log.
    pub batch: usize,
    pub in_flight: usize,
    pub state_bytes: usize,
}

impl Args {
    /// # Errors
    /// When a flag is out of its range.
    pub fn plan(self) -> Result<Plan, BadInput> {
        let Self { store, seconds, repeats, players, in_flight, state_bytes, json: _ } = self;
        let told = store.needed()?;
        let by = told.by;
        let url: StoreUrl = told.url.reveal().parse().map_err(|error| BadInput::new(format!("{by}: {error}")))?;
        within("--players", players, MIN_PLAYERS, MAX_PLAYERS)?;
        within("--in-flight", in_flight, 1, MAX_IN_FLIGHT.min(players / 2))?;
        within("--state-bytes", state_bytes, 8, MAX_BENCH_STATE)?;
        if let StoreUrl::Embedded(file) = &url
            && file.exists()
        {
            let what = "is there already: give the path of a new file, which is removed afterwards";
            return Err(BadInput::new(format!("{by} {}: {what}", file.display())));
        }
        Ok(Plan {
            url,
            told,
            time: Duration::from_secs(seconds),
            repeats: usize::from(repeats),
            players,
            batch: players.div_ceil(TICKS_OF_A_ROUND),
            in_flight,
            state_bytes,
        })
    }
}

fn within(flag: &str, value: usize, least: usize, most: usize) -> Result<(), BadInput> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let why = if flag == "--in-flight" { ", each with a pair of --players of its own" } else { "" };
    Err(BadInput::new(format!("{flag} {value}: give {least} to {most}{why}")))
}
