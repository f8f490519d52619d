//! The planner's loop without its shell: looks at zones flow in, new maps flow out. Pure; time is passed in.
//!
//! Nothing here is needed to finish what was begun. A pilot that is started anew on the stored map finds shards without a
//! living zone and gives them one, finds retiring shards and forgets them when they are empty, and so comes to the same end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkages_topology::{Revision, ShardId, Topology, ZoneEndpoint};

use crate::change::{Change, Operation, Refused};
use crate::config::{ConfigError, PlanConfig};
use crate::look::{Life, Look};
use crate::observed::{Condition, Observed, Report, Signals};
use crate::plan::{Plan, Planner};

/// Changes that are followed at the same time, at most: two for each of a hundred shards. What is beyond it is carried out
/// as well, and not told when it is over.
const MAX_FOLLOWED: usize = 256;

/// The planner of one world and what it remembers between two looks.
pub struct Pilot {
    planner: Planner,
    split_at: u32,
    at_least: usize,
    map: Topology,
    followed: Vec<Followed>,
    crowded_since: BTreeMap<ShardId, Duration>,
}

/// A change that was written and whose players are not all over yet.
struct Followed {
    operation: Operation,
    /// When the need for it arose.
    due_since: Duration,
    /// When it was written.
    since: Duration,
    /// Who lost the ground under their feet then.
    moved: usize,
    /// Who lost the ground under their feet, by the shard that has them and their handle.
    astray: BTreeSet<(ShardId, u32)>,
}

/// What one look led to.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The map to write, and the operations that made it. The store still has to agree.
    pub write: Option<(Topology, Vec<Operation>)>,
    /// Changes whose last player is over, and how long each took since it was due.
    pub done: Vec<(Operation, Duration)>,
    /// What is due and cannot be done, and why.
    pub refused: Vec<Refused>,
    /// Zones that the plan lacked.
    pub zones_wanted: usize,
}

/// A change whose players are not all over yet.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay<'a> {
    /// The change.
    pub operation: &'a Operation,
    /// When it was written.
    pub since: Duration,
    /// Players who lost the ground under their feet by it.
    pub moved: usize,
    /// Those of them who are not over yet.
    pub left: usize,
}

impl Pilot {
    /// A pilot for a world with this map. `at_least`: shards below which nothing is merged.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: PlanConfig, at_least: usize, map: Topology) -> Result<Self, ConfigError> {
        let planner = Planner::new(config)?;
        let split_at = config.split.max_players;
        Ok(Self { planner, split_at, at_least, map, followed: Vec::new(), crowded_since: BTreeMap::new() })
    }

    /// Takes other wishes from now on. What has held for a while begins anew, unless the wishes are those that there were.
    ///
    /// # Errors
    /// When the configuration cannot be used; nothing has changed then.
    pub fn configure(&mut self, config: PlanConfig, at_least: usize) -> Result<(), ConfigError> {
        if config != self.planner.config() {
            self.planner = Planner::new(config)?;
            self.split_at = config.split.max_players;
        }
        self.at_least = at_least;
        Ok(())
    }

    /// The map that is written.
    pub const fn map(&self) -> &Topology {
        &self.map
    }

    /// Changes whose players are not all over yet, the oldest first.
    pub fn under_way(&self) -> impl Iterator<Item = UnderWay<'_>> {
        self.followed.iter().map(|followed| UnderWay {
            operation: &followed.operation,
            since: followed.since,
            moved: followed.moved,
            left: followed.astray.len(),
        })
    }

    /// Whether everybody is where the map says.
    pub fn is_settled(&self) -> bool {
        self.followed.is_empty() && self.map.retiring().is_empty()
    }

    /// Looks at the zones and plans. `lapsed`: the shards whose zone has certainly lost its lease.
    pub fn step(&mut self, now: Duration, looks: &[Look], lapsed: &BTreeSet<ShardId>) -> Step {
        let observed = self.observe(now, looks, lapsed);
        self.note_crowds(&observed);
        let done = self.follow(now, looks);
        let Plan { operations, refused, zones_wanted } = self.planner.plan(&observed);
        let mut next = self.map.clone();
        let mut made = Vec::new();
        for operation in operations {
            // The planner checked each of them after the others; one that fails here is found due again at the next look.
            if let Ok(map) = operation.change.apply(&next) {
                next = map;
                made.push(operation);
            }
        }
        let write = (!made.is_empty()).then_some((next, made));
        Step { write, done, refused, zones_wanted }
    }

    /// The store took the map of a step, which was planned with these looks.
    pub fn written(&mut self, now: Duration, map: Topology, operations: Vec<Operation>, looks: &[Look]) {
        self.map = map;
        for operation in operations {
            let shards = operation.change.shards();
            let due_since = shards.first().and_then(|shard| self.crowded_since.get(shard)).copied().unwrap_or(now);
            let astray: BTreeSet<_> = self.astray(looks).filter(|(shard, _)| shards.contains(shard)).collect();
            if self.followed.len() < MAX_FOLLOWED {
                let moved = astray.len();
                self.followed.push(Followed { operation, due_since, since: now, moved, astray });
            }
        }
    }

    /// The players who stand on ground that is not their shard's.
    fn astray(&self, looks: &[Look]) -> impl Iterator<Item = (ShardId, u32)> {
        looks.iter().filter_map(|look| Some((look, look.shard?))).flat_map(|(look, shard)| {
            let ground = self.map.shard(shard).map(|shard| shard.bounds);
            let players = look.handles.iter().zip(&look.positions);
            let astray = players.filter(move |(_, position)| !ground.is_some_and(|ground| ground.contains(**position)));
            astray.map(move |(handle, _)| (shard, *handle))
        })
    }

    /// The store has another map than this pilot thought.
    pub fn overtaken(&mut self, map: Topology) {
        self.map = map;
    }

    fn observe(&self, now: Duration, looks: &[Look], lapsed: &BTreeSet<ShardId>) -> Observed {
        let mut reports = BTreeMap::new();
        let reports_now = |look: &&Look| matches!(look.life, Life::Serving | Life::Retiring) && !look.is_silent();
        for look in looks.iter().filter(reports_now) {
            if let Some(shard) = look.shard.filter(|shard| self.map.endpoint(*shard) == Some(&look.endpoint)) {
                reports.insert(shard, report(look));
            }
        }
        let free = |look: &&Look| {
            look.life == Life::Standby
                && !look.draining
                && !look.is_silent()
                && self.map.served_by(&look.endpoint.zone).is_none()
        };
        Observed {
            now,
            map: self.map.clone(),
            reports,
            conditions: self.conditions(looks, lapsed),
            standby: looks.iter().filter(free).map(|look| look.endpoint.clone()).collect(),
            desired_shards: Some(self.at_least),
        }
    }

    /// The shards whose zone the map names and who are on their own, with that zone.
    pub fn served(&self) -> impl Iterator<Item = (ShardId, &ZoneEndpoint)> {
        let ground = self.map.shards().iter().filter_map(|shard| Some((shard.id, shard.zone.as_ref()?)));
        ground.chain(self.map.retiring().iter().map(|retiring| (retiring.id, &retiring.zone)))
    }

    /// A zone is this run's own, so one of the map that is not here, or is here and has ended, is dead beyond doubt. One that
    /// is here and says nothing may be busy or frozen; it is dead once its lease is over as well.
    fn conditions(&self, looks: &[Look], lapsed: &BTreeSet<ShardId>) -> BTreeMap<ShardId, Condition> {
        let condition = |shard: ShardId, zone: &ZoneEndpoint| {
            let look = looks.iter().find(|look| look.endpoint == *zone);
            let process_ended = look.is_none_or(|look| look.life == Life::Over);
            let signals = Signals {
                missed_reports: process_ended || look.is_some_and(Look::is_silent),
                process_ended,
                links_lost: false,
                lease_over: lapsed.contains(&shard),
            };
            let is_draining = look.is_some_and(|look| look.draining);
            if signals.dead() { Some(Condition::Dead) } else { is_draining.then_some(Condition::Draining) }
        };
        self.served().filter_map(|(shard, zone)| Some((shard, condition(shard, zone)?))).collect()
    }

    fn note_crowds(&mut self, observed: &Observed) {
        let crowded: BTreeSet<ShardId> = observed
            .map
            .shards()
            .iter()
            .map(|shard| shard.id)
            .filter(|shard| observed.at_home(*shard).is_some_and(|players| players > self.split_at))
            .collect();
        // An operation that is under way keeps the moment at which it became due.
        self.crowded_since.retain(|shard, _| crowded.contains(shard));
        for shard in crowded {
            self.crowded_since.entry(shard).or_insert(observed.now);
        }
    }

    /// Strikes out who is over. Somebody who walks over the border later is not the change's doing, so nobody is added.
    fn follow(&mut self, now: Duration, looks: &[Look]) -> Vec<(Operation, Duration)> {
        let astray: BTreeSet<_> = self.astray(looks).collect();
        let mut done = Vec::new();
        for followed in &mut self.followed {
            followed.astray.retain(|player| astray.contains(player));
            if followed.astray.is_empty() {
                done.push((followed.operation.clone(), now.saturating_sub(followed.due_since)));
            }
        }
        // A split whose new shard was merged away meanwhile will never be over, and says nothing about splits.
        let map = &self.map;
        self.followed.retain(|followed| {
            let undone = matches!(followed.operation.change, Change::Split { new, .. } if map.shard(new).is_none());
            !followed.astray.is_empty() && !undone
        });
        done
    }
}

fn report(look: &Look) -> Report {
    Report {
        revision: look.revision,
        positions: look.positions.clone(),
        open_handoffs: look.open_handoffs,
        tick_p95: look.tick_p95,
        tick: look.costs,
    }
}

/// The zones that do not know the map yet, and those whose shard is not the one that the map gives them.
pub fn behind<'a>(map: &'a Topology, looks: &'a [Look]) -> impl Iterator<Item = Order<'a>> {
    let revision = map.revision();
    looks.iter().filter(|look| look.life != Life::Over).filter_map(move |look| {
        let due = map.served_by(&look.endpoint.zone).filter(|shard| map.endpoint(*shard) == Some(&look.endpoint));
        match due {
            Some(shard) if look.shard != Some(shard) && !map.is_retiring(shard) => Some(Order::Assign(look, shard)),
            _ if look.revision < revision && knows_maps(look, due) => Some(Order::Push(look)),
            _ => None,
        }
    })
}

/// A zone on standby has no use for a map.
fn knows_maps(look: &Look, due: Option<ShardId>) -> bool {
    look.life != Life::Standby || due.is_some() || look.revision > Revision(0)
}

/// What a zone is to be told.
#[derive(Debug)]
pub enum Order<'a> {
    /// Serve this shard.
    Assign(&'a Look, ShardId),
    /// Know the newest map.
    Push(&'a Look),
}

#[cfg(test)]
mod tests;
