//! Where to cut a crowd.
//!
//! Every line along either axis that keeps enough players on each side is looked at. The best one moves few players and has
//! few players near it, because those are simulated once but paid for twice, as ghosts of the other side.

use darkages_topology::world::UNITS_PER_METRE;
use darkages_topology::{Axis, Position, Rect, Side};
use serde::Serialize;

use crate::config::CutConfig;
use crate::cost::CostModel;
use crate::sight;

/// A cut and what it would do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cut {
    /// The direction along which the ground is cut.
    pub axis: Axis,
    /// Where, in units; the line belongs to the high side.
    pub at: i32,
    /// The side west or south of the line.
    pub low: SideForecast,
    /// The side east or north of the line.
    pub high: SideForecast,
}

/// What one side of a cut would have to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SideForecast {
    /// Players that stand on its ground.
    pub players: u32,
    /// Players beyond its borders, near enough to be known.
    pub ghosts: u32,
    /// Observer–target pairs: for each of its players the players and ghosts within sight.
    pub views: u64,
    /// Predicted time of a tick, in milliseconds.
    pub cost_ms: f64,
}

/// What a search goes by.
#[derive(Clone, Copy, Debug)]
pub struct CutRules<'a> {
    /// What a cut must keep.
    pub config: &'a CutConfig,
    /// What players, views and ghosts cost.
    pub costs: &'a CostModel,
}

/// Why a crowd cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Infeasible {
    /// Nobody to divide.
    #[error("it has {players} players; a cut needs two")]
    TooFewPlayers {
        /// How many there are.
        players: u32,
    },
    /// Two shards of the least extent do not fit.
    #[error("its ground is {width_m} m × {height_m} m and each part must keep {min_extent_m} m (split.minExtent)")]
    TooNarrow {
        /// Extent from west to east, in whole metres.
        width_m: i32,
        /// Extent from south to north, in whole metres.
        height_m: i32,
        /// Least extent of a shard, in metres.
        min_extent_m: i32,
    },
    /// The crowd stands too close together, or too close to the edge.
    #[error(
        "no line keeps {min_side_percent} % of the players and {min_extent_m} m of ground (split.minExtent) on each side: \
         they stand too close together or to an edge"
    )]
    TooDense {
        /// Least share of the players on the smaller side, in percent.
        min_side_percent: u32,
        /// Least extent of a shard, in metres.
        min_extent_m: i32,
    },
}

impl Infeasible {
    fn too_narrow(config: &CutConfig, ground: Rect) -> Self {
        let (width_m, height_m) = (ground.width() / UNITS_PER_METRE, ground.height() / UNITS_PER_METRE);
        Self::TooNarrow { width_m, height_m, min_extent_m: config.min_extent_m }
    }

    /// Static label for metrics, logs and conditions.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooFewPlayers { .. } => "too_few_players",
            Self::TooNarrow { .. } => "too_narrow",
            Self::TooDense { .. } => "too_dense",
        }
    }
}

impl Cut {
    /// The side that moves to another zone: the one with fewer players.
    #[must_use]
    pub const fn moved_side(&self) -> Side {
        if self.low.players < self.high.players { Side::Low } else { Side::High }
    }

    /// Players that a split along this cut hands over.
    #[must_use]
    pub const fn moved_players(&self) -> u32 {
        match self.moved_side() {
            Side::Low => self.low.players,
            Side::High => self.high.players,
        }
    }

    /// The best cut of `ground`, on which `players` stand; `around` are players beyond its borders. Players of the first
    /// list that stand elsewhere are left out.
    ///
    /// Among the lines that keep the least share of players and the least extent on each side, and the largest share of the
    /// views within its bound, it is the one with the fewest moved players and players in the border bands. When no line
    /// keeps that bound, the one that divides the views most evenly is taken: uneven relief is better than none.
    ///
    /// # Errors
    /// When there is no such line, and why.
    pub fn find(
        rules: CutRules<'_>,
        ground: Rect,
        players: &[Position],
        around: &[Position],
    ) -> Result<Self, Infeasible> {
        let inside: Vec<Position> = players.iter().copied().filter(|&position| ground.contains(position)).collect();
        if inside.len() < 2 {
            return Err(Infeasible::TooFewPlayers { players: inside.len() as u32 });
        }
        let CutConfig { min_extent_m, min_side_percent, .. } = *rules.config;
        let wide_enough = |axis: &Axis| ground.extent(*axis) / 2 >= rules.config.min_extent_units();
        if !Axis::BOTH.iter().any(wide_enough) {
            return Err(Infeasible::too_narrow(rules.config, ground));
        }
        let sights = sight::seen_by(&inside, &inside);
        let lines =
            Axis::BOTH.into_iter().flat_map(|axis| Lines::of(rules.config, ground, axis, &inside, &sights).all());
        let best = lines.min_by_key(Line::badness);
        let Line { axis, at, .. } = best.ok_or(Infeasible::TooDense { min_side_percent, min_extent_m })?;
        Ok(Self::forecast(rules, ground, axis, at, &[players, around]))
    }

    /// The cut of `ground` into two equal parts, across its longer side and on a whole metre: for ground on which nobody stands
    /// whom a cut could go by.
    ///
    /// # Errors
    /// When two shards of the least extent do not fit.
    pub fn halve(
        rules: CutRules<'_>,
        ground: Rect,
        players: &[Position],
        around: &[Position],
    ) -> Result<Self, Infeasible> {
        let axis = if ground.width() >= ground.height() { Axis::X } else { Axis::Y };
        let half = ground.extent(axis) / 2;
        if half < rules.config.min_extent_units() {
            return Err(Infeasible::too_narrow(rules.config, ground));
        }
        let middle = axis.of(ground.min) + half;
        let metre = middle.div_euclid(UNITS_PER_METRE) * UNITS_PER_METRE;
        let keeps = metre - axis.of(ground.min) >= rules.config.min_extent_units();
        Ok(Self::forecast(rules, ground, axis, if keeps { metre } else { middle }, &[players, around]))
    }

    /// What a given cut of `ground` would do. The cut must leave ground on both sides; a side without ground has nobody.
    #[must_use]
    pub fn forecast(rules: CutRules<'_>, ground: Rect, axis: Axis, at: i32, positions: &[&[Position]]) -> Self {
        let low = Rect { min: ground.min, max: axis.with(ground.max, at) };
        let high = Rect { min: axis.with(ground.min, at), max: ground.max };
        let of = |part| SideForecast::of(rules, part, positions);
        Self { axis, at, low: of(low), high: of(high) }
    }
}

impl SideForecast {
    /// What a zone that serves this ground has to do when players stand at these positions.
    #[must_use]
    pub fn of(rules: CutRules<'_>, ground: Rect, positions: &[&[Position]]) -> Self {
        let border = i64::from(rules.config.border_m) * i64::from(UNITS_PER_METRE);
        let all = || positions.iter().copied().flatten().copied();
        let inside: Vec<Position> = all().filter(|&position| ground.contains(position)).collect();
        let is_ghost =
            |&position: &Position| !ground.contains(position) && ground.distance_squared(position) <= border * border;
        let mut known = inside.clone();
        known.extend(all().filter(is_ghost));
        let (players, ghosts) = (inside.len() as u32, (known.len() - inside.len()) as u32);
        // Each player is within sight of itself, which is not a view.
        let views = sight::seen_by(&inside, &known).into_iter().map(|seen| u64::from(seen - 1)).sum();
        Self { players, ghosts, views, cost_ms: rules.costs.tick_ms(players, views, ghosts) }
    }
}

/// A line that could be cut along.
#[derive(Clone, Copy, Debug)]
struct Line {
    axis: Axis,
    at: i32,
    low_players: usize,
    players: usize,
    banded: usize,
    /// Larger share of the views, in 1/1000, when it is above its bound; otherwise 0.
    excess_share: u64,
}

impl Line {
    /// Less is better. Views within their bound first, then moved players and those that become ghosts, then even sides.
    fn badness(&self) -> (u64, usize, usize) {
        let moved = self.low_players.min(self.players - self.low_players);
        (self.excess_share, moved + self.banded, self.players - moved)
    }
}

/// The lines along one axis.
struct Lines<'a> {
    config: &'a CutConfig,
    ground: Rect,
    axis: Axis,
    /// Ascending coordinates of the players.
    coordinates: Vec<i32>,
    /// Sum of the views of the first players, in the order of `coordinates`, one more than there are players.
    views_before: Vec<u64>,
}

impl<'a> Lines<'a> {
    fn of(config: &'a CutConfig, ground: Rect, axis: Axis, players: &[Position], sights: &[u32]) -> Self {
        let mut pairs: Vec<(i32, u32)> =
            players.iter().zip(sights).map(|(&position, &seen)| (axis.of(position), seen)).collect();
        pairs.sort_unstable();
        let mut views_before = Vec::with_capacity(pairs.len() + 1);
        let mut sum = 0;
        views_before.push(sum);
        for &(_, seen) in &pairs {
            sum += u64::from(seen);
            views_before.push(sum);
        }
        Self { config, ground, axis, coordinates: pairs.into_iter().map(|(at, _)| at).collect(), views_before }
    }

    /// Every line that keeps enough on each side, one for each way to divide the players.
    fn all(self) -> Vec<Line> {
        let players = self.coordinates.len();
        let least = (players * self.config.min_side_percent as usize).div_ceil(100).max(1);
        (least..=players - least).filter_map(|low_players| self.line(low_players)).collect()
    }

    fn line(&self, low_players: usize) -> Option<Line> {
        let at = self.place(low_players)?;
        let players = self.coordinates.len();
        let band = self.config.border_m.saturating_mul(UNITS_PER_METRE);
        let first = self.coordinates.partition_point(|&coordinate| coordinate < at.saturating_sub(band));
        let last = self.coordinates.partition_point(|&coordinate| coordinate < at.saturating_add(band));
        let (low_views, views) = (self.views_before[low_players], self.views_before[players]);
        let share = low_views.max(views - low_views) * 1000 / views.max(1);
        let bound = u64::from(self.config.max_view_share_percent) * 10;
        let excess_share = if share > bound { share } else { 0 };
        Some(Line { axis: self.axis, at, low_players, players, banded: last - first, excess_share })
    }

    /// The middle of the gap after the first `low_players`, or what is nearest to it with enough ground on each side, and on
    /// a whole metre when there is one. `None` when the gap is empty.
    fn place(&self, low_players: usize) -> Option<i32> {
        let margin = self.config.min_extent_units();
        let first = (self.coordinates[low_players - 1] + 1).max(self.axis.of(self.ground.min).saturating_add(margin));
        let last = self.coordinates[low_players].min(self.axis.of(self.ground.max).saturating_sub(margin));
        if first > last {
            return None;
        }
        let middle =
            (self.coordinates[low_players - 1] + self.coordinates[low_players] + 1).div_euclid(2).clamp(first, last);
        let metre = (middle + UNITS_PER_METRE / 2).div_euclid(UNITS_PER_METRE) * UNITS_PER_METRE;
        Some(if (first..=last).contains(&metre) { metre } else { middle })
    }
}
