//! The world as the planner sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use darkages_topology::{Position, Revision, ShardId, Topology, ZoneEndpoint};

use crate::cost::TickBreakdown;

/// The world at one moment.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The moment, counted from any fixed one. Never goes back.
    pub now: Duration,
    /// The map that is written.
    pub map: Topology,
    /// The latest report of each shard, retiring ones included. A shard whose report is missing or stale is left out: nothing
    /// is planned for it that needs to know its players.
    pub reports: BTreeMap<ShardId, Report>,
    /// Shards whose zone is not as it should be.
    pub conditions: BTreeMap<ShardId, Condition>,
    /// Zones that serve no shard and are ready to, in the order in which they are to be used.
    pub standby: Vec<ZoneEndpoint>,
    /// How many shards somebody wants at least: `replicas`, or what the HorizontalPodAutoscaler wrote. Merging stops there.
    pub desired_shards: Option<usize>,
}

/// What a zone says of its shard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Revision of the map by which the zone acts.
    pub revision: Revision,
    /// Where each player stands that the zone owns.
    pub positions: Vec<Position>,
    /// Handoffs in which the zone takes part and that are not over, in either direction.
    pub open_handoffs: u32,
    /// 95th percentile of the time of its ticks.
    pub tick_p95: Duration,
    /// What its ticks consisted of.
    pub tick: TickBreakdown,
}

impl Report {
    /// Players that the zone owns.
    #[must_use]
    pub fn players(&self) -> u32 {
        u32::try_from(self.positions.len()).unwrap_or(u32::MAX)
    }
}

/// What is the matter with a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has to go: its node is drained, its pod evicted, its template outdated, or it is sick. Its players are handed over.
    Draining,
    /// It is gone. Its shard is served by another zone under the same id once the lease is over.
    Dead,
}

/// What speaks for the death of a zone. One stale reading is never enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Its reports stopped coming.
    pub missed_reports: bool,
    /// Its process or container ended.
    pub process_ended: bool,
    /// Its neighbours lost their links to it.
    pub links_lost: bool,
    /// Its lease in the store is over.
    pub lease_over: bool,
}

impl Signals {
    /// Whether the zone is dead: its reports stopped and something else says so too.
    #[must_use]
    pub const fn dead(self) -> bool {
        let Self { missed_reports, process_ended, links_lost, lease_over } = self;
        missed_reports && (process_ended || links_lost || lease_over)
    }
}

impl Observed {
    /// The players of a shard that stand on its own ground.
    #[must_use]
    pub fn at_home(&self, shard: ShardId) -> Option<u32> {
        let (ground, report) = (self.map.shard(shard)?.bounds, self.reports.get(&shard)?);
        let home = report.positions.iter().filter(|&&position| ground.contains(position));
        Some(u32::try_from(home.count()).unwrap_or(u32::MAX))
    }

    /// Positions of the players of all other shards.
    pub(crate) fn elsewhere(&self, shard: ShardId) -> impl Iterator<Item = Position> {
        self.reports
            .iter()
            .filter(move |(id, _)| **id != shard)
            .flat_map(|(_, report)| report.positions.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signal_is_never_a_death() {
        let missed = Signals { missed_reports: true, ..Signals::default() };
        let silent = Signals { process_ended: true, links_lost: true, lease_over: true, ..Signals::default() };
        assert!(!missed.dead());
        assert!(!silent.dead(), "a zone that reports is not dead, whatever else is said");
        assert!(Signals { lease_over: true, ..missed }.dead());
        assert!(Signals { links_lost: true, ..missed }.dead());
        assert!(Signals { process_ended: true, ..missed }.dead());
    }
}
