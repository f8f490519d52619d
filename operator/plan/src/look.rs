//! What one zone says of itself, in the words of the planner.

use std::time::Duration;

use darkages_topology::{Position, Revision, ShardId, Tick, ZoneEndpoint};

use crate::cost::TickBreakdown;

/// A zone counts as silent after so long: twenty of its answers are missing.
const SILENT_AFTER: Duration = Duration::from_secs(1);

/// What one zone says of itself.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its name, address and key.
    pub endpoint: ZoneEndpoint,
    /// The shard that it is assigned to.
    pub shard: Option<ShardId>,
    /// What it is doing.
    pub life: Life,
    /// Whether it wants to go.
    pub draining: bool,
    /// Tiers of the store that do not answer it.
    pub store_away: Vec<String>,
    /// Its newest tick.
    pub tick: Tick,
    /// Revision of the map that it knows.
    pub revision: Revision,
    /// Handoffs that it started and that are not over.
    pub open_handoffs: u32,
    /// 95th percentile of the processor time of its ticks over the last two seconds: what a split would relieve.
    pub tick_p95: Duration,
    /// 99th percentile of how long its ticks took, over the same.
    pub tick_p99: Duration,
    /// What its ticks consisted of.
    pub costs: TickBreakdown,
    /// Where its players stand.
    pub positions: Vec<Position>,
    /// A number for each of them that stays the same while it is in the world.
    pub handles: Vec<u32>,
    /// How long ago it said so.
    pub silent_for: Duration,
}

impl Look {
    /// Whether its answers are missing, so that what it said last says little.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.silent_for >= SILENT_AFTER
    }

    /// Whether it serves players now.
    #[must_use]
    pub fn serves_players(&self) -> bool {
        self.life == Life::Serving && !self.handles.is_empty() && !self.is_silent()
    }

    /// A zone that stands by and has said nothing more yet.
    #[must_use]
    pub fn standby(endpoint: ZoneEndpoint) -> Self {
        Self {
            endpoint,
            shard: None,
            life: Life::Standby,
            draining: false,
            store_away: Vec::new(),
            tick: Tick(0),
            revision: Revision(0),
            open_handoffs: 0,
            tick_p95: Duration::ZERO,
            tick_p99: Duration::ZERO,
            costs: TickBreakdown::default(),
            positions: Vec::new(),
            handles: Vec::new(),
            silent_for: Duration::ZERO,
        }
    }
}

/// What a zone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It waits for a shard.
    Standby,
    /// It wants the lease of its shard.
    Acquiring,
    /// It serves its shard.
    Serving,
    /// Its shard has no ground any more.
    Retiring,
    /// It has ended.
    Over,
}
