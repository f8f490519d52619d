//! An operation in progress: proposed → committed → handing over → done.
//!
//! It is followed for status and measurements only. Nothing depends on it: whoever loses it (or starts anew) finds what is
//! left in the map and the reports, and zones finish the work without anybody watching.

use std::collections::BTreeSet;
use std::time::Duration;

use darkages_topology::{Revision, ShardId, Topology};
use serde::Serialize;

use crate::change::Change;
use crate::handover;
use crate::observed::Observed;

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Planned; the map does not have it yet.
    Proposed,
    /// The map has it; not all zones have the map.
    Committed {
        /// The first revision that was seen to have it.
        revision: Revision,
    },
    /// All zones have the map and players are on their way.
    HandingOver {
        /// Players that are not over yet.
        left: u32,
    },
    /// Everybody is where the map says.
    Done,
    /// Another change of the map made it impossible before it was written.
    Superseded,
}

/// An operation in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// `split`, `merge`, `slide`, `move`, `assign`, `forget`; `handover` when it was found in the map after a restart.
    pub kind: &'static str,
    /// When it was proposed or found.
    pub since: Duration,
    /// How far it is.
    pub phase: Phase,
    /// Most players that were seen on their way.
    pub moved: u32,
    /// The shards that hand players over.
    from: BTreeSet<ShardId>,
    /// How the map shows that it has the operation.
    effect: Effect,
    /// The map on which it was proposed.
    proposed_on: Revision,
}

/// How a map shows that an operation was written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Effect {
    /// This shard has ground.
    Appears(ShardId),
    /// This shard has no ground.
    Ends(ShardId),
    /// These two meet at this coordinate.
    Border(ShardId, ShardId, i32),
    /// This is served by that zone.
    Served(ShardId, darkages_topology::ZoneId),
    /// This shard is not retiring.
    Forgotten(ShardId),
}

impl Running {
    /// An operation that is about to be written.
    #[must_use]
    pub fn proposed(change: &Change, on: Revision, now: Duration) -> Self {
        let (from, effect) = match change {
            Change::Split { shard, new, .. } => (vec![*shard], Effect::Appears(*new)),
            Change::Merge { giver, .. } => (vec![*giver], Effect::Ends(*giver)),
            Change::Slide { first, second, cut } => (vec![*first, *second], Effect::Border(*first, *second, cut.at)),
            Change::Move { shard, .. } => (vec![*shard], Effect::Ends(*shard)),
            Change::Assign { shard, zone } => (vec![], Effect::Served(*shard, zone.zone.clone())),
            Change::Forget { shard } => (vec![], Effect::Forgotten(*shard)),
        };
        Self {
            kind: change.label(),
            since: now,
            phase: Phase::Proposed,
            moved: 0,
            from: from.into_iter().collect(),
            effect,
            proposed_on: on,
        }
    }

    /// The operations that the map and the reports show to be under way, for a planner that has just started.
    #[must_use]
    pub fn resumed(observed: &Observed) -> Vec<Self> {
        let revision = observed.map.revision();
        let running = handover::under_way(observed).into_iter().map(|handover| Self {
            kind: "handover",
            since: observed.now,
            phase: Phase::Committed { revision },
            moved: handover.left(),
            from: BTreeSet::from([handover.from]),
            effect: Effect::Forgotten(handover.from),
            proposed_on: revision,
        });
        running.collect()
    }

    /// Takes note of the world as it is now and says how far the operation is. Call it with every look at the world until
    /// it says `Done` or `Superseded`.
    pub fn step(&mut self, observed: &Observed) -> Phase {
        if self.phase == Phase::Proposed {
            self.phase = match self.effect.shows_in(&observed.map) {
                true => Phase::Committed { revision: observed.map.revision() },
                false if observed.map.revision() > self.proposed_on => Phase::Superseded,
                false => Phase::Proposed,
            };
        }
        if let Phase::Committed { revision } = self.phase
            && self.from.iter().all(|shard| self.is_gone(observed, *shard) || has_map(observed, *shard, revision))
        {
            self.phase = Phase::HandingOver { left: 0 };
        }
        if let Phase::HandingOver { .. } = self.phase {
            self.phase = self.hand_over(observed);
        }
        self.phase
    }

    fn hand_over(&mut self, observed: &Observed) -> Phase {
        let (mut left, mut settled) = (0, true);
        for &shard in self.from.iter().filter(|shard| !self.is_gone(observed, **shard)) {
            match handover::of_shard(observed, shard) {
                Some(handover) => {
                    left += handover.left();
                    settled &= handover::is_over(observed, &handover);
                }
                // It does not report at the moment, so nobody knows.
                None => settled = false,
            }
        }
        self.moved = self.moved.max(left);
        if settled { Phase::Done } else { Phase::HandingOver { left } }
    }

    /// Whether the shard is gone from the map, and with it everything that it had to hand over.
    fn is_gone(&self, observed: &Observed, shard: ShardId) -> bool {
        observed.map.shard(shard).is_none() && !observed.map.is_retiring(shard)
    }
}

fn has_map(observed: &Observed, shard: ShardId, revision: Revision) -> bool {
    observed.reports.get(&shard).is_some_and(|report| report.revision >= revision)
}

impl Effect {
    fn shows_in(&self, map: &Topology) -> bool {
        match self {
            Self::Appears(shard) => map.shard(*shard).is_some(),
            Self::Ends(shard) => map.shard(*shard).is_none(),
            Self::Border(first, second, at) => {
                let bounds = map.shard(*first).zip(map.shard(*second)).map(|(a, b)| (a.bounds, b.bounds));
                bounds.is_some_and(|(a, b)| {
                    a.joined_along(&b).is_some_and(|axis| axis.of(a.max).min(axis.of(b.max)) == *at)
                })
            }
            Self::Served(shard, zone) => map.endpoint(*shard).is_some_and(|endpoint| endpoint.zone == *zone),
            Self::Forgotten(shard) => !map.is_retiring(*shard),
        }
    }
}
