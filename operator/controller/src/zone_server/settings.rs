//! What the planner is told, from what a user wrote. Pure.

use std::time::Duration;

use darkages_crds::ZoneServerSpec;
use darkages_crds::zone_server::{Merge, Slide, Split};
use darkages_plan::PlanConfig;
use darkages_plan::config::{CutConfig, MergeConfig, SlideConfig, SplitConfig};

/// The planner's limits. The API server has held them to theirs, which are at most as wide.
#[must_use]
pub fn plan_config(spec: &ZoneServerSpec) -> PlanConfig {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let Split {
        max_players,
        sustained_seconds,
        tick_budget_ms,
        tick_sustained_seconds,
        min_extent,
        min_side_percent,
        max_view_share_percent,
    } = spec.split;
    let Merge { max_players: merge_below, sustained_seconds: cold_seconds } = spec.merge;
    let Slide { differ_percent, sustained_seconds: uneven_seconds } = spec.slide;
    PlanConfig {
        split: SplitConfig {
            max_players,
            sustained: seconds(sustained_seconds),
            tick_budget: Duration::from_millis(tick_budget_ms.into()),
            tick_sustained: seconds(tick_sustained_seconds),
            cut: CutConfig {
                min_extent_m: i32::try_from(min_extent).unwrap_or(i32::MAX),
                min_side_percent,
                max_view_share_percent,
                ..CutConfig::default()
            },
        },
        merge: MergeConfig { max_players: merge_below, sustained: seconds(cold_seconds) },
        slide: SlideConfig { differ_percent, sustained: seconds(uneven_seconds) },
        cooldown: seconds(spec.cooldown_seconds),
    }
}

/// Shards below which nothing is merged.
#[must_use]
pub fn at_least(spec: &ZoneServerSpec) -> usize {
    usize::try_from(spec.replicas).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimal_world_is_planned_by_the_planners_own_defaults() {
        let spec = serde_json::json!({"world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}});
        let spec: ZoneServerSpec = serde_json::from_value(spec).expect("it is one");
        assert_eq!(plan_config(&spec), PlanConfig::default());
    }
}
