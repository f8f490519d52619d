//! What must have held for a while before anything is done about it, and who rests.
//!
//! The planner keeps it between two looks at the world. When it is lost, all that is lost is time: every wait begins anew.

use std::collections::BTreeMap;
use std::time::Duration;

use darkages_topology::ShardId;

use crate::config::PlanConfig;
use crate::observed::Observed;

/// Two shards, the lower id first.
pub type Pair = (ShardId, ShardId);

/// Since when what holds has held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    over_players: BTreeMap<ShardId, Duration>,
    over_budget: BTreeMap<ShardId, Duration>,
    cold: BTreeMap<Pair, Duration>,
    uneven: BTreeMap<Pair, Duration>,
    resting_until: BTreeMap<ShardId, Duration>,
}

impl Memory {
    /// Takes note of what holds now. To be called with every look at the world, at least as often as the shortest wait.
    pub fn note(&mut self, config: &PlanConfig, observed: &Observed) {
        let PlanConfig { split, merge, slide, cooldown: _ } = config;
        let map = &observed.map;
        let Self { over_players, over_budget, cold, uneven, resting_until } = self;
        let now = observed.now;
        resting_until.retain(|shard, until| *until > now && map.shard(*shard).is_some());
        over_players.retain(|shard, _| map.shard(*shard).is_some());
        over_budget.retain(|shard, _| map.shard(*shard).is_some());
        for shard in map.shards() {
            // A report that is missing once proves nothing: what held before is taken to hold on.
            let Some(report) = observed.reports.get(&shard.id) else { continue };
            let players = observed.at_home(shard.id).unwrap_or(0);
            keep(over_players, shard.id, players > split.max_players, now);
            keep(over_budget, shard.id, report.tick_p95 > split.tick_budget, now);
        }
        let pairs = joinable(observed);
        cold.retain(|pair, _| pairs.contains_key(pair));
        uneven.retain(|pair, _| pairs.contains_key(pair));
        for (pair, counts) in pairs {
            let Some((first, second)) = counts else { continue };
            let together = first.saturating_add(second);
            keep(cold, pair, together < merge.max_players, now);
            keep(uneven, pair, together >= merge.max_players && differ(first, second, slide.differ_percent), now);
        }
    }

    /// Takes note that these shards take part in an operation now and rest after it.
    pub fn rest(&mut self, shards: impl IntoIterator<Item = ShardId>, until: Duration) {
        self.resting_until.extend(shards.into_iter().map(|shard| (shard, until)));
    }

    pub(crate) fn over_players(&self, shard: ShardId, now: Duration, sustained: Duration) -> bool {
        held(&self.over_players, shard, now, sustained)
    }

    pub(crate) fn over_budget(&self, shard: ShardId, now: Duration, sustained: Duration) -> bool {
        held(&self.over_budget, shard, now, sustained)
    }

    pub(crate) fn cold(&self, now: Duration, sustained: Duration) -> impl Iterator<Item = Pair> {
        self.cold.iter().filter(move |(_, since)| now.saturating_sub(**since) >= sustained).map(|(&pair, _)| pair)
    }

    pub(crate) fn uneven(&self, now: Duration, sustained: Duration) -> impl Iterator<Item = Pair> {
        self.uneven.iter().filter(move |(_, since)| now.saturating_sub(**since) >= sustained).map(|(&pair, _)| pair)
    }

    /// How much longer a shard rests.
    pub(crate) fn rests(&self, shard: ShardId, now: Duration) -> Option<Duration> {
        self.resting_until.get(&shard).and_then(|until| until.checked_sub(now)).filter(|left| !left.is_zero())
    }
}

/// Whether two shards differ by more than this share of the fuller one.
pub(crate) fn differ(first: u32, second: u32, percent: u32) -> bool {
    u64::from(first.abs_diff(second)) * 100 > u64::from(first.max(second)) * u64::from(percent)
}

/// The pairs of shards whose union is a rectangle, with the players of both when both report.
fn joinable(observed: &Observed) -> BTreeMap<Pair, Option<(u32, u32)>> {
    let shards = observed.map.shards();
    let mut pairs = BTreeMap::new();
    for (index, first) in shards.iter().enumerate() {
        for second in shards[index + 1..].iter().filter(|second| first.bounds.joined(&second.bounds).is_some()) {
            let counts = observed.at_home(first.id).zip(observed.at_home(second.id));
            pairs.insert((first.id, second.id), counts);
        }
    }
    pairs
}

fn keep<K: Ord>(since: &mut BTreeMap<K, Duration>, key: K, holds: bool, now: Duration) {
    if holds {
        since.entry(key).or_insert(now);
    } else {
        since.remove(&key);
    }
}

fn held<K: Ord>(since: &BTreeMap<K, Duration>, key: K, now: Duration, sustained: Duration) -> bool {
    since.get(&key).is_some_and(|since| now.saturating_sub(*since) >= sustained)
}
