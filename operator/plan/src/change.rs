//! One change of the map, why it is due, and why one that is due is not made.

use darkages_topology::{ShardId, Topology, TopologyError, ZoneEndpoint};
use serde::Serialize;

use crate::cut::{Cut, Infeasible};

/// A change of the map. [`Change::apply`] makes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// Cut a shard in two; the side with fewer players moves to a standby zone.
    Split {
        /// The shard.
        shard: ShardId,
        /// Where, and what each side will have to do.
        cut: Cut,
        /// The id that the moved side gets.
        new: ShardId,
        /// The zone that the moved side goes to.
        zone: ZoneEndpoint,
    },
    /// Make two siblings one.
    Merge {
        /// The shard that ends.
        giver: ShardId,
        /// The shard that gets its ground and players.
        taker: ShardId,
    },
    /// Move the border of two siblings.
    Slide {
        /// One of them.
        first: ShardId,
        /// The other.
        second: ShardId,
        /// The new border, and what each side will have to do.
        cut: Cut,
    },
    /// Serve the ground of a shard by another zone, players on board.
    Move {
        /// The shard that ends.
        shard: ShardId,
        /// The id under which the other zone serves its ground.
        new: ShardId,
        /// The other zone.
        zone: ZoneEndpoint,
    },
    /// Give a shard a zone: it has none, or a dead one.
    Assign {
        /// The shard.
        shard: ShardId,
        /// The zone.
        zone: ZoneEndpoint,
    },
    /// Forget a retiring shard. Its zone is on standby then.
    Forget {
        /// The shard.
        shard: ShardId,
    },
}

impl Change {
    /// The map after this change.
    ///
    /// # Errors
    /// When the map is not one that it can be made on, for example because another writer was first.
    pub fn apply(&self, map: &Topology) -> Result<Topology, TopologyError> {
        match self {
            Self::Split { shard, cut, new: _, zone } => {
                let moved = cut.moved_side();
                map.split(*shard, cut.axis, cut.at, moved, Some(zone.clone())).map(|(map, _)| map)
            }
            Self::Merge { giver, taker } => map.merge(*giver, *taker),
            Self::Slide { first, second, cut } => map.slide(*first, *second, cut.at),
            Self::Move { shard, new: _, zone } => map.move_to(*shard, zone.clone()).map(|(map, _)| map),
            Self::Assign { shard, zone } => map.assign(*shard, zone.clone()),
            Self::Forget { shard } => map.retired(*shard),
        }
    }

    /// Static label for metrics, logs and status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Split { .. } => "split",
            Self::Merge { .. } => "merge",
            Self::Slide { .. } => "slide",
            Self::Move { .. } => "move",
            Self::Assign { .. } => "assign",
            Self::Forget { .. } => "forget",
        }
    }

    /// The shards that it concerns, the new one included.
    #[must_use]
    pub fn shards(&self) -> Vec<ShardId> {
        match self {
            Self::Split { shard, new, .. } | Self::Move { shard, new, .. } => vec![*shard, *new],
            Self::Merge { giver, taker } => vec![*giver, *taker],
            Self::Slide { first, second, .. } => vec![*first, *second],
            Self::Assign { shard, .. } | Self::Forget { shard } => vec![*shard],
        }
    }
}

/// A change that the plan makes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Operation {
    /// The change.
    pub change: Change,
    /// Why it is due.
    pub why: Why,
}

/// Why a change is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Why {
    /// More players than `split.maxPlayers` for long enough.
    #[error("{players} players are more than {limit}")]
    TooManyPlayers {
        /// Players of the shard.
        players: u32,
        /// The limit.
        limit: u32,
    },
    /// Ticks over `split.tickBudgetMs` for long enough.
    #[error("ticks take {p95_us} µs, more than {budget_us} µs")]
    TickOverBudget {
        /// 95th percentile, in microseconds.
        p95_us: u64,
        /// The budget, in microseconds.
        budget_us: u64,
    },
    /// More shards are wanted than there are, and this is the hottest.
    #[error("{desired} shards are wanted and there are {shards}")]
    ShardsWanted {
        /// Shards that there are.
        shards: usize,
        /// Shards that are wanted.
        desired: usize,
    },
    /// Fewer players than `merge.maxPlayers` together for long enough.
    #[error("{players} players together are fewer than {limit}")]
    Cold {
        /// Players of both.
        players: u32,
        /// The limit.
        limit: u32,
    },
    /// Siblings differ by more than `slide.differPercent` for long enough.
    #[error("{less} and {more} players differ by more than {differ_percent} %")]
    Uneven {
        /// Players of the emptier one.
        less: u32,
        /// Players of the fuller one.
        more: u32,
        /// The share of the fuller one that they may differ by.
        differ_percent: u32,
    },
    /// The zone has to go.
    #[error("its zone has to go")]
    Draining,
    /// No zone serves the shard.
    #[error("no zone serves it")]
    Unserved,
    /// The zone is dead.
    #[error("its zone is dead")]
    ZoneDead,
    /// Every player of a retiring shard is over.
    #[error("its last player is over")]
    Empty,
}

/// A change that is due and is not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The shard, for a pair the first of the two.
    pub shard: ShardId,
    /// Why a change is due.
    pub due: Why,
    /// Why it is not made.
    pub because: Refusal,
}

/// Why a change that is due is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// No cut relieves the crowd: condition `SplitInfeasible`.
    #[error("split infeasible: {cut}")]
    SplitInfeasible {
        /// Why.
        cut: Infeasible,
    },
    /// No zone is on standby. One more is wanted ([`crate::Plan::zones_wanted`]).
    #[error("no zone is on standby")]
    NoStandby,
    /// The shard still takes part in an earlier operation.
    #[error("an operation on it is not over")]
    Busy,
    /// The shard rests after its last operation.
    #[error("it rests for another {left_ms} ms")]
    CoolingDown {
        /// How much longer, in milliseconds.
        left_ms: u64,
    },
    /// The map cannot be changed that way.
    #[error("the map refuses it: {label}")]
    Map {
        /// Label of the [`TopologyError`].
        label: &'static str,
    },
}

impl Refusal {
    /// Static label for metrics, logs and status.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::SplitInfeasible { .. } => "split_infeasible",
            Self::NoStandby => "no_standby",
            Self::Busy => "busy",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Map { label } => label,
        }
    }
}
