//! What is still to be handed over before zones and map agree.
//!
//! Follows from the map and the zones' reports alone, so a planner that was just started knows as much as one that saw every
//! operation begin: a retiring shard with players, or players that stand on ground of another shard, are work under way.

use std::collections::{BTreeMap, BTreeSet};

use darkages_topology::ShardId;

use crate::observed::{Observed, Report};

/// Players that stand on others' ground because they just walked there, in percent of the players of the larger of the two
/// shards. Handing one over takes a fraction of a second, so that more than this means that a border moved: at 9 m/s and
/// 100 ms a handoff those on their way are everybody within a metre of the border. Generous, because what follows from
/// taking an operation for finished is only that the next one begins while the last few players of it are on their way;
/// what would follow from taking a stream of walkers for an operation is that a shard that overflows is never cut.
const WALKING_PERCENT: u32 = 5;

/// The same when whoever watches one operation wants to see its end.
const LAST_PERCENT: u32 = 1;

/// The same for shards with few players.
const WALKING_AT_LEAST: u32 = 4;

/// Players that one shard has to hand over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The shard that has them.
    pub from: ShardId,
    /// How many stand on the ground of each other shard.
    pub to: BTreeMap<ShardId, u32>,
    /// Whether the shard has no ground any more.
    pub retiring: bool,
}

impl Handover {
    /// Players that are to be handed over.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.to.values().sum()
    }
}

/// What one shard has to hand over, as far as it reports. `None` without a report.
#[must_use]
pub fn of_shard(observed: &Observed, shard: ShardId) -> Option<Handover> {
    let mut to: BTreeMap<ShardId, u32> = BTreeMap::new();
    let own = observed.map.shard(shard).map(|shard| shard.bounds);
    for &position in &observed.reports.get(&shard)?.positions {
        if own.is_some_and(|ground| ground.contains(position)) {
            continue;
        }
        // Whoever stands beyond the world has nobody to go to, and the game will bring it back.
        if let Some(owner) = observed.map.owner_of(position) {
            *to.entry(owner.id).or_default() += 1;
        }
    }
    Some(Handover { from: shard, to, retiring: observed.map.is_retiring(shard) })
}

/// The handovers that an operation left behind: more players than walk over a border at any time, or a retiring shard.
#[must_use]
pub fn under_way(observed: &Observed) -> Vec<Handover> {
    let all = observed.reports.keys().filter_map(|&shard| of_shard(observed, shard));
    let is_more_than_walks = |handover: &Handover| {
        let players = |shard: &ShardId| observed.reports.get(shard).map_or(0, Report::players);
        let own = players(&handover.from);
        handover.to.iter().any(|(to, &left)| left > walking(own.max(players(to)), WALKING_PERCENT))
    };
    all.filter(|handover| handover.retiring || is_more_than_walks(handover)).collect()
}

/// Whether what is left is no more than the last few.
#[must_use]
pub fn is_over(observed: &Observed, handover: &Handover) -> bool {
    let players = observed.reports.get(&handover.from).map_or(0, Report::players);
    handover.left() <= if handover.retiring { 0 } else { walking(players, LAST_PERCENT) }
}

fn walking(players: u32, percent: u32) -> u32 {
    WALKING_AT_LEAST.max((u64::from(players) * u64::from(percent) / 100) as u32)
}

/// The shards that take part in an operation that is not over, on either side.
#[must_use]
pub fn busy(observed: &Observed) -> BTreeSet<ShardId> {
    let mut busy = BTreeSet::new();
    for Handover { from, to, .. } in under_way(observed) {
        busy.insert(from);
        busy.extend(to.into_keys());
    }
    busy
}
