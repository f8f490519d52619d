//! The seeded simulator: whole worlds of handoff machines under everything that can go wrong.
//!
//! A seed decides everything: how many zones, players and NPCs; how the map is split, merged, slid and moved; what the
//! network loses, doubles, delays and cuts; when zones are killed, frozen and restarted, at random and at the steps of a
//! handoff; when the store is slow or away and which of its answers are lost. The machine under test is the server's own
//! [`ZoneMachine`](crate::handoff::ZoneMachine); drivers, clients, operator and store are models, and the store judges swaps
//! by the same pure rules as the real ones.
//!
//! After every event the invariants of DESIGN §7 are looked at: I1, I4, I5, I8, I9 and I10 as they happen, I6 in worlds
//! where only the network is at fault, I7 by the numbers of snapshots, I3 with every transaction and at the end, I2 at the
//! end, some seconds after the last fault. The first that is broken ends the run; the same seed with its trace tells why.

mod checks;
mod client;
mod cx;
mod fate;
mod lease;
mod mail;
mod map;
mod operator;
mod pod;
mod run;
mod sessions;
mod stats;
mod store;
mod tick;
mod trace;
mod trades;
mod weather;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use run::run;
use serde::Serialize;

pub use stats::Stats;

use crate::handoff::Variant;

/// Microseconds since the world began.
pub type Time = u64;

/// A seed whose world broke a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// `I1` to `I10`, or `machine` when a swap was no step of a handoff.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
    /// When, in seconds of the world.
    pub at_s: f64,
    /// The last events, oldest first, when the run was traced.
    pub trace: Vec<String>,
}

/// What many seeds gave.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// What happened in all of them together.
    pub stats: Stats,
    /// The lowest seed that broke a rule, with its trace.
    pub failure: Option<Failure>,
}

/// Runs `seeds` seeds from `from` on, on `threads` threads (at least one). Stops soon after the first failure; of those that
/// were found, the lowest seed is run once more with its trace.
#[must_use]
pub fn run_many(from: u64, seeds: u64, variant: Variant, threads: usize) -> Summary {
    let next = AtomicU64::new(from);
    let has_failed = AtomicBool::new(false);
    let end = from.saturating_add(seeds);
    let work = || {
        let mut part = Summary::default();
        while !has_failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let run = run(seed, variant, false);
            part.seeds += 1;
            part.stats.add(&run.stats);
            if run.failure.is_some() {
                has_failed.store(true, Ordering::Relaxed);
                part.failure = run.failure;
            }
        }
        part
    };
    let parts: Vec<Summary> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a run panics only by a fault of the simulator"))
            .collect()
    });
    let mut summary = Summary::default();
    for part in parts {
        summary.seeds += part.seeds;
        summary.stats.add(&part.stats);
        let is_lower = |failure: &Failure| summary.failure.as_ref().is_none_or(|known| failure.seed < known.seed);
        if let Some(failure) = part.failure.filter(is_lower) {
            summary.failure = Some(failure);
        }
    }
    if let Some(failure) = &mut summary.failure {
        failure.trace = trace(failure.seed, variant);
    }
    summary
}

/// The last events of a seed's world, oldest first.
#[must_use]
pub fn trace(seed: u64, variant: Variant) -> Vec<String> {
    run(seed, variant, true).trace
}
