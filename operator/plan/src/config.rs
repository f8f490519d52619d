//! The thresholds and durations of the planner, and which of them make sense.

use std::time::Duration;

use darkages_topology::world::{BORDER_M, MAX_COORDINATE_M, UNITS_PER_METRE};

/// When to cut a shard in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitConfig {
    /// `split.maxPlayers`: players above which a shard is split; 1 or more.
    pub max_players: u32,
    /// `split.sustainedSeconds`: how long it must have been above.
    pub sustained: Duration,
    /// `split.tickBudgetMs`: 95th percentile of the tick above which a shard is split, however few its players.
    pub tick_budget: Duration,
    /// How long the tick must have been above its budget. Longer than for players, because a tick can be slow for reasons
    /// that no cut takes away.
    pub tick_sustained: Duration,
    /// What a cut must keep.
    pub cut: CutConfig,
}

/// What a cut must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutConfig {
    /// `split.minExtent`: least extent of a shard in metres.
    pub min_extent_m: i32,
    /// Least share of the players on the smaller side, in percent; 1 to 50.
    pub min_side_percent: u32,
    /// Largest share of the observer–target pairs that the larger side should keep, in percent; 50 to 100.
    pub max_view_share_percent: u32,
    /// `border`: width in metres of the band on each side of a border whose players the neighbour knows as ghosts.
    pub border_m: i32,
}

/// When to make two siblings one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeConfig {
    /// `merge.maxPlayers`: siblings are merged when they have fewer players than this together.
    pub max_players: u32,
    /// `merge.sustainedSeconds`: how long they must have had fewer.
    pub sustained: Duration,
}

/// When to move the border of two siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlideConfig {
    /// `slide.differPercent`: the border moves when the smaller side has fewer players than the larger one by more than
    /// this share of the larger one; 1 to 99.
    pub differ_percent: u32,
    /// `slide.sustainedSeconds`: how long they must have differed.
    pub sustained: Duration,
}

/// Everything that the planner can be told. [`PlanConfig::default`] is what a world without further wishes uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanConfig {
    /// When to cut a shard in two.
    pub split: SplitConfig,
    /// When to make two siblings one.
    pub merge: MergeConfig,
    /// When to move the border of two siblings.
    pub slide: SlideConfig,
    /// `cooldownSeconds`: how long a shard rests after an operation. A split because of too many players does not wait for
    /// it, only for the operation itself.
    pub cooldown: Duration,
}

impl Default for PlanConfig {
    fn default() -> Self {
        Self {
            split: SplitConfig {
                max_players: 500,
                sustained: Duration::from_secs(2),
                tick_budget: Duration::from_millis(10),
                tick_sustained: Duration::from_secs(5),
                cut: CutConfig::default(),
            },
            merge: MergeConfig { max_players: 250, sustained: Duration::from_secs(60) },
            slide: SlideConfig { differ_percent: 25, sustained: Duration::from_secs(10) },
            cooldown: Duration::from_secs(30),
        }
    }
}

impl Default for CutConfig {
    fn default() -> Self {
        // At 25 m a sprinting player still takes almost 3 s from one border to the other, about thirty times a handoff.
        Self { min_extent_m: 25, min_side_percent: 30, max_view_share_percent: 65, border_m: BORDER_M }
    }
}

/// A value that the planner cannot work with. The message names the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}: {fix}")]
pub struct ConfigError {
    /// The field, as users write it.
    pub field: &'static str,
    /// What it was set to.
    pub value: String,
    /// What to set it to instead.
    pub fix: String,
}

/// No sensible world waits longer than this, and times that are added to it cannot overflow.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

impl PlanConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// The first field that cannot be used, and the fix.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { split, merge, slide, cooldown } = self;
        split.cut.validate()?;
        let players = |field, value: u32, good: bool, fix: &str| check(field, value.to_string(), good, fix);
        players("split.maxPlayers", split.max_players, split.max_players >= 1, "give 1 or more")?;
        let below = format!("give less than split.maxPlayers, which is {}", split.max_players);
        players("merge.maxPlayers", merge.max_players, merge.max_players < split.max_players, &below)?;
        let differ = slide.differ_percent;
        players("slide.differPercent", differ, (1..=99).contains(&differ), "give 1 to 99")?;
        let budget = split.tick_budget;
        let fits = !budget.is_zero() && budget <= Duration::from_secs(1);
        check("split.tickBudgetMs", budget.as_millis().to_string(), fits, "give more than 0 and at most 1000")?;
        let durations = [
            ("split.sustainedSeconds", split.sustained),
            ("split.tickSustainedSeconds", split.tick_sustained),
            ("merge.sustainedSeconds", merge.sustained),
            ("slide.sustainedSeconds", slide.sustained),
            ("cooldownSeconds", *cooldown),
        ];
        for (field, value) in durations {
            check(field, value.as_secs().to_string(), value <= MAX_DURATION, "give at most 86400")?;
        }
        Ok(())
    }
}

impl CutConfig {
    /// Least extent of a shard, in units.
    #[must_use]
    pub const fn min_extent_units(&self) -> i32 {
        self.min_extent_m.saturating_mul(UNITS_PER_METRE)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that cannot be used, and the fix.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { min_extent_m, min_side_percent, max_view_share_percent, border_m } = *self;
        let whole_world = 1..=2 * MAX_COORDINATE_M;
        check(
            "split.minExtent",
            min_extent_m.to_string(),
            whole_world.contains(&min_extent_m),
            "give 1 to 200000 metres",
        )?;
        let side = (1..=50).contains(&min_side_percent);
        check("split.minSidePercent", min_side_percent.to_string(), side, "give 1 to 50")?;
        let share = (50..=100).contains(&max_view_share_percent);
        check("split.maxViewSharePercent", max_view_share_percent.to_string(), share, "give 50 to 100")?;
        check("border", border_m.to_string(), (0..=10_000).contains(&border_m), "give 0 to 10000 metres")
    }
}

fn check(field: &'static str, value: String, good: bool, fix: &str) -> Result<(), ConfigError> {
    if good { Ok(()) } else { Err(ConfigError { field, value, fix: fix.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(change: impl FnOnce(&mut PlanConfig)) -> String {
        let mut config = PlanConfig::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_good() {
        assert_eq!(PlanConfig::default().validate(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_named_with_its_fix() {
        assert_eq!(complaint(|config| config.split.max_players = 0), "split.maxPlayers is 0: give 1 or more");
        assert_eq!(
            complaint(|config| config.merge.max_players = 500),
            "merge.maxPlayers is 500: give less than split.maxPlayers, which is 500"
        );
        assert!(complaint(|config| config.split.cut.min_extent_m = 0).starts_with("split.minExtent is 0"));
        assert!(complaint(|config| config.split.cut.min_side_percent = 51).starts_with("split.minSidePercent is 51"));
        assert!(complaint(|config| config.split.cut.max_view_share_percent = 49).contains("give 50 to 100"));
        assert!(complaint(|config| config.split.cut.border_m = -1).starts_with("border is -1"));
        assert!(complaint(|config| config.split.tick_budget = Duration::ZERO).starts_with("split.tickBudgetMs is 0"));
        assert!(complaint(|config| config.slide.differ_percent = 100).starts_with("slide.differPercent is 100"));
        assert!(complaint(|config| config.cooldown = Duration::MAX).starts_with("cooldownSeconds is"));
    }
}
