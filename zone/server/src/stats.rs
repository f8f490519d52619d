//! How a zone is: what the planner decides by, what the map shows and what reports sum up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Position, Revision, ShardEpoch, ShardId, Tick};
use hdrhistogram::Histogram;

/// Tick times that the recent percentiles are made of: two seconds at 60 Hz.
const RECENT_TICKS: usize = 120;

/// The longest time that a histogram tells from longer ones, in microseconds: a minute.
const MAX_US: u64 = 60_000_000;

/// What a zone is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZoneState {
    /// It has no shard: a warm standby.
    #[default]
    Unassigned,
    /// It waits for the lease of its shard.
    Acquiring,
    /// It serves its shard.
    Serving,
    /// Its shard has no ground any more: it hands its players over.
    Retiring,
    /// Its thread has ended.
    Stopped,
}

impl ZoneState {
    /// Static label, the same in the control contract, in metrics and in logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unassigned => "unassigned",
            Self::Acquiring => "acquiring",
            Self::Serving => "serving",
            Self::Retiring => "retiring",
            Self::Stopped => "stopped",
        }
    }
}

/// The stages of a tick, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Messages, answers of the store and handoffs.
    Inputs,
    /// The world's step and its events.
    Simulate,
    /// Sorting entities into the grid, choosing and encoding snapshots and ghost frames.
    Replicate,
    /// Sealing and sending.
    Send,
}

impl Stage {
    /// All stages.
    pub const ALL: [Self; 4] = [Self::Inputs, Self::Simulate, Self::Replicate, Self::Send];

    /// Static label for metrics and the control contract.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Inputs => "inputs",
            Self::Simulate => "simulate",
            Self::Replicate => "replicate",
            Self::Send => "send",
        }
    }
}

/// Processor time of each stage of one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes(pub [Duration; Stage::ALL.len()]);

impl StageTimes {
    /// All stages together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

/// A zone at one moment.
#[derive(Clone, Debug, Default)]
pub struct ZoneStats {
    /// What it is doing.
    pub state: ZoneState,
    /// Where it is reached.
    pub endpoint: Option<ZoneEndpoint>,
    /// The shard that it is assigned to.
    pub shard: Option<ShardId>,
    /// The incarnation whose lease it holds.
    pub epoch: Option<ShardEpoch>,
    /// Whether it was asked to go.
    pub draining: bool,
    /// The newest tick that it simulated.
    pub tick: Tick,
    /// Revision of the map that it knows.
    pub revision: Revision,
    /// Players that it acts for.
    pub players: usize,
    /// Sessions of clients.
    pub sessions: usize,
    /// Ghosts that it shows.
    pub ghosts: usize,
    /// Handoffs that it started and that are not over.
    pub handoffs: usize,
    /// Whether nobody needs it any more.
    pub empty: bool,
    /// Entities that clients are shown, summed over clients.
    pub views: usize,
    /// Times of recent ticks.
    pub ticks: RecentTicks,
    /// Round of the question whether the operator reaches the store; `None` while the zone asks nothing.
    pub store_question: Option<u64>,
    /// Tiers of the store that do not answer this zone: not empty is the state `StoreDegraded`.
    pub store_away: Vec<&'static str>,
    /// A number for each player that stays with it, and where the player stands. Only when asked for.
    pub positions: Vec<(u32, Position)>,
}

/// Percentiles and stages of the ticks of the last two seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecentTicks {
    /// Half of the ticks took at most this long.
    pub p50: Duration,
    /// 95 of 100 ticks did.
    pub p95: Duration,
    /// 99 of 100 ticks did.
    pub p99: Duration,
    /// 95 of 100 ticks took at most this much of a processor. What a zone has to do, however busy the machine is with other
    /// things: a split relieves the one and not the other.
    pub work_p95: Duration,
    /// Mean processor time of each stage.
    pub stages: StageTimes,
}

/// The ring of recent ticks.
#[derive(Clone, Debug, Default)]
pub struct TickRing {
    times: Vec<(Duration, StageTimes)>,
    next: usize,
}

impl TickRing {
    /// Takes in the newest tick, in place of the oldest.
    pub fn push(&mut self, took: Duration, stages: StageTimes) {
        if self.times.len() < RECENT_TICKS {
            self.times.push((took, stages));
        } else {
            self.times[self.next] = (took, stages);
        }
        self.next = (self.next + 1) % RECENT_TICKS;
    }

    /// What the ring holds.
    #[must_use]
    pub fn recent(&self) -> RecentTicks {
        let count = self.times.len();
        if count == 0 {
            return RecentTicks::default();
        }
        let sorted = |mut times: Vec<Duration>| {
            times.sort_unstable();
            move |percent: usize| times[(count * percent).div_ceil(100).clamp(1, count) - 1]
        };
        let took = sorted(self.times.iter().map(|(took, _)| *took).collect());
        let work = sorted(self.times.iter().map(|(_, stages)| stages.total()).collect());
        let mut stages = StageTimes::default();
        for (at, stage) in stages.0.iter_mut().enumerate() {
            *stage = self.times.iter().map(|(_, times)| times.0[at]).sum::<Duration>() / count as u32;
        }
        RecentTicks { p50: took(50), p95: took(95), p99: took(99), work_p95: work(95), stages }
    }
}

/// Counters and distributions over a zone's whole life, for reports.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Ticks that were simulated.
    pub ticks: u64,
    /// Ticks that began later than half a period after their deadline, skipped ones included.
    pub late_ticks: u64,
    /// Of these, ticks that were skipped.
    pub skipped_ticks: u64,
    /// Times of ticks, in microseconds.
    pub tick_us: Histogram<u64>,
    /// Times from start to end of the handoffs that moved somebody, in milliseconds.
    pub handoff_ms: Histogram<u64>,
    /// Handoffs that this zone started and that moved a player.
    pub handoffs: u64,
    /// Handoffs of players that it started and that were aborted, by [`Outcome::label`](crate::handoff::Outcome::label).
    pub handoffs_aborted: BTreeMap<&'static str, u64>,
    /// Inputs that were applied.
    pub inputs_applied: u64,
    /// Inputs of clients that were applied although they had been before; 0 unless a rule is broken.
    pub inputs_duplicated: u64,
    /// Faults of the handoff machine; 0 unless a rule is broken.
    pub faults: u64,
}

impl Default for Totals {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(1, MAX_US, 3).expect("the bounds are constants in range");
        Self {
            ticks: 0,
            late_ticks: 0,
            skipped_ticks: 0,
            tick_us: histogram(),
            handoff_ms: histogram(),
            handoffs: 0,
            handoffs_aborted: BTreeMap::new(),
            inputs_applied: 0,
            inputs_duplicated: 0,
            faults: 0,
        }
    }
}

/// [`Totals`] that the zone's thread writes and reports read.
#[derive(Clone, Debug, Default)]
pub struct SharedTotals(Arc<Mutex<Totals>>);

impl SharedTotals {
    /// Changes them.
    pub fn update(&self, change: impl FnOnce(&mut Totals)) {
        change(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }

    /// A copy.
    #[must_use]
    pub fn get(&self) -> Totals {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_newest_ticks_only() {
        let mut ring = TickRing::default();
        let stages = |ms| {
            let mut stages = StageTimes::default();
            stages.0[Stage::Simulate as usize] = Duration::from_millis(ms);
            stages
        };
        for _ in 0..RECENT_TICKS {
            ring.push(Duration::from_secs(9), stages(9_000));
        }
        for ms in 1..=RECENT_TICKS as u64 {
            ring.push(Duration::from_millis(2 * ms), stages(ms));
        }
        let recent = ring.recent();
        assert_eq!(recent.p50, Duration::from_millis(120));
        assert_eq!(recent.p95, Duration::from_millis(228));
        assert_eq!(recent.p99, Duration::from_millis(238));
        assert_eq!(recent.work_p95, Duration::from_millis(114));
    }
}
