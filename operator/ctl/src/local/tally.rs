//! What happened to the map in a run, counted.

use std::time::Duration;

use darkages_plan::Change;

/// Splits whose times are kept; more are counted only. A run has tens.
const MAX_TIMES: usize = 10_000;

/// Counts of one run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Fewest shards that the map had.
    pub zones_min: usize,
    /// Most shards that the map had.
    pub zones_max: usize,
    /// Shards cut in two.
    pub splits: u64,
    /// Shards merged into another.
    pub merges: u64,
    /// Borders moved.
    pub slides: u64,
    /// Shards moved to another zone.
    pub moves: u64,
    /// From the limit crossed to the last player over, for each split that is over.
    split_times: Vec<Duration>,
}

impl Tally {
    /// Nothing has happened to a map with `shards`.
    pub const fn new(shards: usize) -> Self {
        let split_times = Vec::new();
        Self { zones_min: shards, zones_max: shards, splits: 0, merges: 0, slides: 0, moves: 0, split_times }
    }

    /// The map was changed and has `shards` now.
    pub fn changed(&mut self, change: &Change, shards: usize) {
        self.zones_min = self.zones_min.min(shards);
        self.zones_max = self.zones_max.max(shards);
        match change {
            Change::Split { .. } => self.splits += 1,
            Change::Merge { .. } => self.merges += 1,
            Change::Slide { .. } => self.slides += 1,
            Change::Move { .. } => self.moves += 1,
            Change::Assign { .. } | Change::Forget { .. } => {}
        }
    }

    /// A split is over, this long after the limit was crossed.
    pub fn split_took(&mut self, time: Duration) {
        if self.split_times.len() < MAX_TIMES {
            self.split_times.push(time);
        }
    }

    /// From the limit crossed to the last player over, for each split that is over, the shortest first.
    pub fn split_times(&self) -> Vec<Duration> {
        let mut times = self.split_times.clone();
        times.sort_unstable();
        times
    }
}
