//! When the operator changes the map: the limits of the planner, by the names under which it complains of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MAX_ZONE_CAPACITY;

/// A day: longer than anybody waits for a cut.
pub(super) const MAX_SECONDS: u32 = 86_400;

/// Ticks that take a second leave nobody anything to play.
const MAX_TICK_BUDGET_MS: u32 = 1_000;

/// The widest world, in metres.
const MAX_EXTENT_M: u32 = 200_000;

/// When a zone is cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Split {
    /// Players above which a zone is cut.
    #[schemars(range(min = 1, max = MAX_ZONE_CAPACITY - 1))]
    pub max_players: u32,
    /// How long it must have had more of them, in seconds.
    #[schemars(range(max = MAX_SECONDS))]
    pub sustained_seconds: u32,
    /// 95th percentile of the time of a tick above which a zone is cut, however few its players, in milliseconds.
    #[schemars(range(min = 1, max = MAX_TICK_BUDGET_MS))]
    pub tick_budget_ms: u32,
    /// How long its ticks must have taken more, in seconds: longer than for players, because ticks can be slow for reasons
    /// that no cut takes away.
    #[schemars(range(max = MAX_SECONDS))]
    pub tick_sustained_seconds: u32,
    /// Least extent of a zone in metres. A crowd that stands closer than that is not cut, and the condition SplitInfeasible
    /// says so.
    #[schemars(range(min = 1, max = MAX_EXTENT_M))]
    pub min_extent: u32,
    /// Least share of the players on the smaller side of a cut, in percent.
    #[schemars(range(min = 1, max = 50))]
    pub min_side_percent: u32,
    /// Largest share of what players see of each other that may stay with one side of a cut, in percent.
    #[schemars(range(min = 50, max = 100))]
    pub max_view_share_percent: u32,
}

impl Default for Split {
    fn default() -> Self {
        Self {
            max_players: 500,
            sustained_seconds: 2,
            tick_budget_ms: 10,
            tick_sustained_seconds: 5,
            min_extent: 25,
            min_side_percent: 30,
            max_view_share_percent: 65,
        }
    }
}

/// When two zones become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Merge {
    /// Two zones that can become one do when they have fewer players than this together; 0 for never.
    #[schemars(range(max = MAX_ZONE_CAPACITY - 1))]
    pub max_players: u32,
    /// How long they must have had fewer, in seconds.
    #[schemars(range(max = MAX_SECONDS))]
    pub sustained_seconds: u32,
}

impl Default for Merge {
    fn default() -> Self {
        Self { max_players: 250, sustained_seconds: 60 }
    }
}

/// When the border of two zones moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Slide {
    /// The border moves when the smaller side has fewer players than the larger one by more than this share of the larger
    /// one, in percent.
    #[schemars(range(min = 1, max = 99))]
    pub differ_percent: u32,
    /// How long they must have differed, in seconds.
    #[schemars(range(max = MAX_SECONDS))]
    pub sustained_seconds: u32,
}

impl Default for Slide {
    fn default() -> Self {
        Self { differ_percent: 25, sustained_seconds: 10 }
    }
}
