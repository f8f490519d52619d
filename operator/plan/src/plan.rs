//! The rules: what is due, in which order, and what may be done at the same time.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use darkages_topology::{Position, Shard, ShardId, Topology, ZoneEndpoint};
use serde::Serialize;

use crate::change::{Change, Operation, Refusal, Refused, Why};
use crate::config::{ConfigError, PlanConfig};
use crate::cost::{CostModel, TickBreakdown};
use crate::cut::{Cut, CutRules, Infeasible};
use crate::handover;
use crate::memory::{Memory, Pair};
use crate::observed::{Condition, Observed};

mod slide;

/// What to do now. The operations are to be applied to the observed map one after the other, as one new map or as several.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// What to change, the most urgent first.
    pub operations: Vec<Operation>,
    /// What is due and cannot be done, and why.
    pub refused: Vec<Refused>,
    /// Zones that would have been used had they been on standby.
    pub zones_wanted: usize,
}

/// Reports that a fit of the cost model looks at, the latest of each shard and those before.
const MAX_FITTED_REPORTS: usize = 256;

/// The planner between two looks at the world.
#[derive(Clone, Debug)]
pub struct Planner {
    config: PlanConfig,
    costs: CostModel,
    memory: Memory,
    breakdowns: VecDeque<TickBreakdown>,
}

impl Planner {
    /// A planner that has seen nothing yet.
    ///
    /// # Errors
    /// When the configuration cannot be used: the field and the fix.
    pub fn new(config: PlanConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let (costs, memory) = (CostModel::default(), Memory::default());
        Ok(Self { config, costs, memory, breakdowns: VecDeque::new() })
    }

    /// What it was told.
    #[must_use]
    pub const fn config(&self) -> PlanConfig {
        self.config
    }

    /// What players, views and ghosts cost, as far as the zones' reports have told.
    #[must_use]
    pub const fn costs(&self) -> CostModel {
        self.costs
    }

    /// Looks at the world and says what to do. The shards of the plan rest from now; when it could not be applied, the next
    /// look at the world finds the same need again.
    pub fn plan(&mut self, observed: &Observed) -> Plan {
        self.memory.note(&self.config, observed);
        self.learn(observed);
        let plan = plan(&self.config, &self.costs, observed, &self.memory);
        for operation in &plan.operations {
            self.memory.rest(operation.change.shards(), observed.now.saturating_add(self.config.cooldown));
        }
        plan
    }

    fn learn(&mut self, observed: &Observed) {
        self.breakdowns.extend(observed.reports.values().map(|report| report.tick));
        let surplus = self.breakdowns.len().saturating_sub(MAX_FITTED_REPORTS);
        self.breakdowns.drain(..surplus);
        self.costs = CostModel::fit(self.costs, self.breakdowns.make_contiguous());
    }
}

/// What to do about the observed world, given what has held for how long. Pure; [`Planner::plan`] is this with a memory.
#[must_use]
pub fn plan(config: &PlanConfig, costs: &CostModel, observed: &Observed, memory: &Memory) -> Plan {
    let mut draft = Draft {
        config,
        costs,
        observed,
        memory,
        map: observed.map.clone(),
        busy: handover::busy(observed),
        planned: BTreeSet::new(),
        standby: observed.standby.iter().rev().cloned().collect(),
        plan: Plan::default(),
    };
    draft.forget_retired();
    draft.serve_every_shard();
    draft.move_draining();
    draft.split_overfull();
    draft.split_slow();
    draft.split_for_more_shards();
    draft.merge_cold();
    draft.slide_uneven();
    draft.plan
}

/// A plan while it is made.
struct Draft<'a> {
    config: &'a PlanConfig,
    costs: &'a CostModel,
    observed: &'a Observed,
    memory: &'a Memory,
    /// The observed map with the changes planned so far, so that each change is known to be possible after the others.
    map: Topology,
    /// Shards that take part in an operation that is not over.
    busy: BTreeSet<ShardId>,
    /// Shards that take part in a planned change.
    planned: BTreeSet<ShardId>,
    /// Zones left, the next one last.
    standby: Vec<ZoneEndpoint>,
    plan: Plan,
}

impl Draft<'_> {
    /// A retiring shard ends when its zone knows that it retires and has nobody left, or is dead: then whoever was left is
    /// claimed by the owner of the ground it stands on.
    fn forget_retired(&mut self) {
        for retiring in self.observed.map.retiring() {
            let dead = self.observed.conditions.get(&retiring.id) == Some(&Condition::Dead);
            let over = self.observed.reports.get(&retiring.id).is_some_and(|report| {
                report.revision >= self.observed.map.revision()
                    && report.positions.is_empty()
                    && report.open_handoffs == 0
            });
            if dead || over {
                let why = if dead { Why::ZoneDead } else { Why::Empty };
                self.make(Change::Forget { shard: retiring.id }, why);
            }
        }
    }

    /// Ground that nobody serves is the most urgent, and needs neither rest nor the end of other operations.
    fn serve_every_shard(&mut self) {
        for Shard { id, zone, .. } in self.observed.map.shards() {
            let why = match zone {
                None => Why::Unserved,
                Some(_) if self.observed.conditions.get(id) == Some(&Condition::Dead) => Why::ZoneDead,
                Some(_) => continue,
            };
            if let Some(zone) = self.zone(*id, why) {
                self.make(Change::Assign { shard: *id, zone }, why);
            }
        }
    }

    /// A draining zone does not wait for a rest: its node will not. It does wait for the end of an operation, so that its
    /// players are not sent to a shard that is about to end.
    fn move_draining(&mut self) {
        for Shard { id, .. } in self.observed.map.shards() {
            if self.observed.conditions.get(id) != Some(&Condition::Draining) || self.planned.contains(id) {
                continue;
            }
            if self.busy.contains(id) {
                self.refuse(*id, Why::Draining, Refusal::Busy);
            } else if let Some(zone) = self.zone(*id, Why::Draining) {
                let new = self.map.next_shard();
                self.make(Change::Move { shard: *id, new, zone }, Why::Draining);
            }
        }
    }

    fn split_overfull(&mut self) {
        let limit = self.config.split.max_players;
        for (players, shard) in self.by_players() {
            if self.memory.over_players(shard, self.observed.now, self.config.split.sustained) {
                self.split(shard, Why::TooManyPlayers { players, limit });
            }
        }
    }

    fn split_slow(&mut self) {
        let budget_us = micros(self.config.split.tick_budget);
        for (_, shard) in self.by_players() {
            let slow = self.memory.over_budget(shard, self.observed.now, self.config.split.tick_sustained);
            let Some(report) = self.observed.reports.get(&shard).filter(|_| slow) else { continue };
            self.split_rested(shard, Why::TickOverBudget { p95_us: micros(report.tick_p95), budget_us });
        }
    }

    /// Somebody wants more shards: the slowest ones are cut, as many as are missing. Those in which nobody is take as long as
    /// they like, so of these the largest ones are.
    fn split_for_more_shards(&mut self) {
        let Some(desired) = self.observed.desired_shards else { return };
        let mut hottest: Vec<(Duration, u32, i64, ShardId)> = self
            .by_players()
            .into_iter()
            .filter_map(|(players, shard)| {
                let (ground, report) = (self.map.shard(shard)?.bounds, self.observed.reports.get(&shard)?);
                let tick_p95 = if players < 2 { Duration::ZERO } else { report.tick_p95 };
                Some((tick_p95, players, i64::from(ground.width()) * i64::from(ground.height()), shard))
            })
            .collect();
        hottest.sort_unstable_by(|a, b| b.cmp(a));
        for (.., shard) in hottest {
            let shards = self.map.shards().len();
            if shards >= desired {
                break;
            }
            self.split_rested(shard, Why::ShardsWanted { shards, desired });
        }
    }

    /// Cold siblings become one, the coldest first, down to the number of shards that somebody wants.
    fn merge_cold(&mut self) {
        let at_least = self.observed.desired_shards.unwrap_or(1).max(1);
        let sustained = self.config.merge.sustained;
        let counted = |(first, second): Pair| Some((self.observed.at_home(first)?, self.observed.at_home(second)?));
        let mut cold: Vec<(u32, Pair, (u32, u32))> = self
            .memory
            .cold(self.observed.now, sustained)
            .filter_map(|pair| counted(pair).map(|counts| (counts.0 + counts.1, pair, counts)))
            .collect();
        cold.sort_unstable();
        for (players, (first, second), counts) in cold {
            if self.map.shards().len() <= at_least {
                break;
            }
            let slow: Duration =
                [first, second].iter().filter_map(|id| Some(self.observed.reports.get(id)?.tick_p95)).sum();
            if slow > self.config.split.tick_budget {
                continue;
            }
            let (giver, taker) = if counts.0 < counts.1 { (first, second) } else { (second, first) };
            let why = Why::Cold { players, limit: self.config.merge.max_players };
            if self.may_change(&[giver, taker], why) {
                self.make(Change::Merge { giver, taker }, why);
            }
        }
    }

    /// The shards that serve somebody, the fullest first.
    fn by_players(&self) -> Vec<(u32, ShardId)> {
        let shards = self.observed.map.shards().iter().map(|shard| shard.id);
        let mut counted: Vec<_> =
            shards.filter_map(|id| self.observed.at_home(id).map(|players| (players, id))).collect();
        counted.sort_unstable_by_key(|&(players, id)| (std::cmp::Reverse(players), id));
        counted
    }

    fn split_rested(&mut self, shard: ShardId, why: Why) {
        if self.planned.contains(&shard) {
            return;
        }
        match self.memory.rests(shard, self.observed.now) {
            Some(left) => {
                let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                self.refuse(shard, why, Refusal::CoolingDown { left_ms });
            }
            None => self.split(shard, why),
        }
    }

    fn split(&mut self, shard: ShardId, why: Why) {
        if self.planned.contains(&shard) {
            return;
        }
        if self.busy.contains(&shard) {
            return self.refuse(shard, why, Refusal::Busy);
        }
        let (Some(ground), Some(report)) = (self.map.shard(shard), self.observed.reports.get(&shard)) else { return };
        let ground = ground.bounds;
        let around: Vec<Position> = self.observed.elsewhere(shard).collect();
        let found = Cut::find(self.cut_rules(), ground, &report.positions, &around);
        let found = match (found, why) {
            // A world that is made ready for a crowd has none yet.
            (Err(Infeasible::TooFewPlayers { .. }), Why::ShardsWanted { .. }) => {
                Cut::halve(self.cut_rules(), ground, &report.positions, &around)
            }
            (found, _) => found,
        };
        match found {
            Err(cut) => self.refuse(shard, why, Refusal::SplitInfeasible { cut }),
            Ok(cut) => {
                if let Some(zone) = self.zone(shard, why) {
                    self.make(Change::Split { shard, cut, new: self.map.next_shard(), zone }, why);
                }
            }
        }
    }

    const fn cut_rules(&self) -> CutRules<'_> {
        CutRules { config: &self.config.split.cut, costs: self.costs }
    }

    /// Whether these shards take part in nothing else and do not rest. Says why not.
    fn may_change(&mut self, shards: &[ShardId], why: Why) -> bool {
        if shards.iter().any(|shard| self.planned.contains(shard)) {
            return false;
        }
        let resting = shards.iter().filter_map(|&shard| self.memory.rests(shard, self.observed.now)).max();
        let refusal = if shards.iter().any(|shard| self.busy.contains(shard)) {
            Refusal::Busy
        } else if let Some(left) = resting {
            Refusal::CoolingDown { left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX) }
        } else {
            return true;
        };
        self.refuse(shards[0], why, refusal);
        false
    }

    /// The next zone on standby. Says so when there is none.
    fn zone(&mut self, shard: ShardId, why: Why) -> Option<ZoneEndpoint> {
        let zone = self.standby.pop();
        if zone.is_none() {
            self.plan.zones_wanted += 1;
            self.refuse(shard, why, Refusal::NoStandby);
        }
        zone
    }

    fn make(&mut self, change: Change, why: Why) {
        match change.apply(&self.map) {
            Ok(map) => {
                self.map = map;
                self.planned.extend(change.shards());
                self.plan.operations.push(Operation { change, why });
            }
            Err(error) => self.refuse(change.shards()[0], why, Refusal::Map { label: error.label() }),
        }
    }

    fn refuse(&mut self, shard: ShardId, due: Why, because: Refusal) {
        self.plan.refused.push(Refused { shard, due, because });
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
