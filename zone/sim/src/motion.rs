//! Fixed-point movement: headings, speeds and the sub-unit remainder that makes 6 m/s at 60 Hz exact.
//!
//! One step at 6 m/s is 6.4 units of 1/64 m. The part below one unit is kept per axis as a count of
//! 1/([`TICK_RATE_HZ`] · [`SINE_ONE`]) units, the common denominator of speed and sine, so that no step rounds anything
//! away: after 60 steps along an axis a walker has moved exactly 384 units.

use darkages_topology::world::{TICK_RATE_HZ, UNITS_PER_METRE};
use darkages_topology::{Position, Rect};
use serde::{Deserialize, Serialize};

/// The sine of a right angle in the integer table.
pub const SINE_ONE: i32 = 16_384;

/// Parts of one unit that a [`Remainder`] counts.
pub const PARTS_PER_UNIT: i32 = TICK_RATE_HZ as i32 * SINE_ONE;

/// Fastest that anything moves, in units a second: 1.5 times walking. A game's own speeds are cut to it, because clients,
/// neighbours and the handoff checks rely on it.
pub const MAX_SPEED: i32 = darkages_topology::world::SPRINT_SPEED_M_PER_S * UNITS_PER_METRE;

/// Walking speed in units a second.
pub const WALK_SPEED: i32 = darkages_topology::world::WALK_SPEED_M_PER_S * UNITS_PER_METRE;

/// Sines of the first quarter turn in steps of 1/256 turn. Cut towards zero, so that no direction is longer than one.
const QUARTER: [i32; 65] = [
    0, 402, 803, 1205, 1605, 2005, 2404, 2801, 3196, 3589, 3980, 4369, 4756, 5139, 5519, 5896, 6269, 6639, 7005, 7366,
    7723, 8075, 8423, 8765, 9102, 9434, 9759, 10079, 10393, 10701, 11002, 11297, 11585, 11866, 12139, 12406, 12665,
    12916, 13159, 13395, 13622, 13842, 14053, 14255, 14449, 14634, 14810, 14978, 15136, 15286, 15426, 15557, 15678,
    15790, 15892, 15985, 16069, 16142, 16206, 16260, 16305, 16339, 16364, 16379, 16384,
];

/// A direction in 1/256 turn: 0 is east (+x), 64 north (+y), 128 west, 192 south.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Heading(pub u8);

impl Heading {
    /// The sine of this direction times [`SINE_ONE`]: its share of north.
    #[must_use]
    pub const fn sine(self) -> i32 {
        let within = (self.0 & 63) as usize;
        match self.0 >> 6 {
            0 => QUARTER[within],
            1 => QUARTER[64 - within],
            2 => -QUARTER[within],
            _ => -QUARTER[64 - within],
        }
    }

    /// The cosine of this direction times [`SINE_ONE`]: its share of east.
    #[must_use]
    pub const fn cosine(self) -> i32 {
        Self(self.0.wrapping_add(64)).sine()
    }

    /// The direction from `from` to `to`, rounded down to 1/256 turn; east when they are the same place.
    #[must_use]
    pub fn towards(from: Position, to: Position) -> Self {
        let (dx, dy) = (i64::from(to.x) - i64::from(from.x), i64::from(to.y) - i64::from(from.y));
        // Turn the direction into the first quarter, where the sine grows and the cosine shrinks.
        let (quarter, east, north) = match (dx >= 0, dy >= 0) {
            (true, true) => (0, dx, dy),
            (false, true) => (64, dy, -dx),
            (false, false) => (128, -dx, -dy),
            (true, false) => (192, -dy, dx),
        };
        let reached = |step: usize| north * i64::from(QUARTER[64 - step]) >= east * i64::from(QUARTER[step]);
        let mut step = 0;
        for half in [32, 16, 8, 4, 2, 1] {
            if (east, north) != (0, 0) && reached(step + half) {
                step += half;
            }
        }
        Self(quarter + step as u8)
    }
}

/// How an entity moves, as clients are told so that they can draw it between snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum SpeedClass {
    /// Not moving.
    #[default]
    Standing = 0,
    /// Walking.
    Walking = 1,
    /// Sprinting.
    Sprinting = 2,
}

/// What one axis pair has moved below one unit, each in `0..`[`PARTS_PER_UNIT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Remainder {
    /// Eastward parts.
    pub x: i32,
    /// Northward parts.
    pub y: i32,
}

/// Where an entity is and how it moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Body {
    /// Its place.
    pub position: Position,
    /// What it has moved below one unit.
    pub remainder: Remainder,
    /// Where it looks and walks.
    pub heading: Heading,
    /// How it moved last.
    pub speed: SpeedClass,
}

impl Body {
    /// A body that stands at `position`.
    #[must_use]
    pub const fn at(position: Position) -> Self {
        Self { position, remainder: Remainder { x: 0, y: 0 }, heading: Heading(0), speed: SpeedClass::Standing }
    }

    /// Whether every part is in the range that movement keeps; false only for bytes that were tampered with.
    #[must_use]
    pub fn is_sound(&self, bounds: &Rect) -> bool {
        let parts = 0..PARTS_PER_UNIT;
        bounds.contains(self.position) && parts.contains(&self.remainder.x) && parts.contains(&self.remainder.y)
    }

    /// Moves along the heading for one tick at `speed` units a second, cut to 0..=[`MAX_SPEED`], and stops at the edge of
    /// `bounds`.
    pub fn advance(&mut self, speed: i32, bounds: &Rect) {
        let speed = speed.clamp(0, MAX_SPEED);
        let Self { position, remainder, heading, .. } = self;
        (position.x, remainder.x) =
            axis(position.x, remainder.x + speed * heading.cosine(), bounds.min.x, bounds.max.x);
        (position.y, remainder.y) = axis(position.y, remainder.y + speed * heading.sine(), bounds.min.y, bounds.max.y);
    }

    /// Puts the body at the place inside `bounds` that is nearest to `position`, standing.
    pub fn place(&mut self, position: Position, bounds: &Rect) {
        self.position = clamp(position, bounds);
        self.remainder = Remainder::default();
        self.speed = SpeedClass::Standing;
    }
}

/// The place inside `bounds` that is nearest to `position`.
#[must_use]
pub fn clamp(position: Position, bounds: &Rect) -> Position {
    Position {
        x: position.x.clamp(bounds.min.x, bounds.max.x - 1),
        y: position.y.clamp(bounds.min.y, bounds.max.y - 1),
    }
}

/// Moves one coordinate by `parts` and keeps it in `min..max`; at the edge nothing is left over.
const fn axis(coordinate: i32, parts: i32, min: i32, max: i32) -> (i32, i32) {
    let moved = coordinate + parts.div_euclid(PARTS_PER_UNIT);
    if moved < min {
        (min, 0)
    } else if moved >= max {
        (max - 1, 0)
    } else {
        (moved, parts.rem_euclid(PARTS_PER_UNIT))
    }
}
