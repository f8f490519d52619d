//! Moving the border of siblings that carry different loads. It needs no zone, so it is the cheapest relief.

use darkages_topology::{Position, ShardId};

use super::Draft;
use crate::change::{Change, Refusal, Why};
use crate::cut::Cut;
use crate::memory::differ;

impl Draft<'_> {
    /// Borders of siblings that differ too much move, unless a split of one of them is due: that would move it again. Where
    /// the split is due and cannot be made, sliding is the relief that is left.
    pub(super) fn slide_uneven(&mut self) {
        let slide = self.config.slide;
        let pairs: Vec<_> = self.memory.uneven(self.observed.now, slide.sustained).collect();
        for (first, second) in pairs {
            let (Some(of_first), Some(of_second)) = (self.observed.at_home(first), self.observed.at_home(second))
            else {
                continue;
            };
            let is_overfull = |players| players > self.config.split.max_players;
            let will_be_split = |shard, players| is_overfull(players) && !self.cannot_be_split(shard);
            if will_be_split(first, of_first) || will_be_split(second, of_second) {
                continue;
            }
            let (less, more) = (of_first.min(of_second), of_first.max(of_second));
            let why = Why::Uneven { less, more, differ_percent: slide.differ_percent };
            if self.may_change(&[first, second], why)
                && let Some(cut) = self.even_border(first, second)
            {
                self.make(Change::Slide { first, second, cut }, why);
            }
        }
    }

    fn cannot_be_split(&self, shard: ShardId) -> bool {
        self.plan.refused.iter().any(|refused| {
            refused.shard == shard && matches!(refused.because, Refusal::NoStandby | Refusal::SplitInfeasible { .. })
        })
    }

    /// The border nearest to the present one at which the two differ by at most half of what they may, so that it does not
    /// move again at once. `None` when there is none, or either would be too narrow: then a slide would only cost.
    fn even_border(&self, first: ShardId, second: ShardId) -> Option<Cut> {
        let (a, b) = (self.map.shard(first)?.bounds, self.map.shard(second)?.bounds);
        let (axis, ground) = (a.joined_along(&b)?, a.joined(&b)?);
        let present = axis.of(a.max).min(axis.of(b.max));
        let reports = [self.observed.reports.get(&first)?, self.observed.reports.get(&second)?];
        let both = || reports.iter().flat_map(|report| report.positions.iter().copied());
        let mut coordinates: Vec<i32> = both().filter(|&at| ground.contains(at)).map(|at| axis.of(at)).collect();
        coordinates.sort_unstable();
        let margin = self.cut_rules().config.min_extent_units();
        let (lowest, highest) =
            (axis.of(ground.min).saturating_add(margin), axis.of(ground.max).saturating_sub(margin));
        let even = |at: i32| {
            let low = coordinates.partition_point(|&coordinate| coordinate < at) as u32;
            !differ(low, coordinates.len() as u32 - low, self.config.slide.differ_percent / 2)
        };
        let places = coordinates.iter().copied().filter(|&at| (lowest..=highest).contains(&at) && even(at));
        let at = places.min_by_key(|&at| at.abs_diff(present)).filter(|&at| at != present)?;
        let positions: Vec<Position> = both().collect();
        let around = |&(&id, _): &(&ShardId, _)| id != first && id != second;
        let others: Vec<Position> = self
            .observed
            .reports
            .iter()
            .filter(around)
            .flat_map(|(_, report)| report.positions.iter().copied())
            .collect();
        Some(Cut::forecast(self.cut_rules(), ground, axis, at, &[&positions, &others]))
    }
}
