//! Fixed-point positions and half-open rectangles.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::world::{MAX_COORDINATE_M, UNITS_PER_METRE};

/// A place in the world, in units of 1/64 m.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// East, in units.
    pub x: i32,
    /// North, in units.
    pub y: i32,
}

impl Position {
    /// The position at these whole metres.
    #[must_use]
    pub const fn from_metres(x: i32, y: i32) -> Self {
        Self { x: x * UNITS_PER_METRE, y: y * UNITS_PER_METRE }
    }

    /// Square of the distance to `other`, in square units. Cannot overflow within the bounds of a world.
    #[must_use]
    pub const fn distance_squared(self, other: Self) -> i64 {
        let dx = self.x as i64 - other.x as i64;
        let dy = self.y as i64 - other.y as i64;
        dx * dx + dy * dy
    }

    /// Whether `other` is at most `metres` away.
    #[must_use]
    pub const fn within(self, other: Self, metres: i32) -> bool {
        let reach = metres as i64 * UNITS_PER_METRE as i64;
        self.distance_squared(other) <= reach * reach
    }
}

/// A direction along which ground is measured and cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// West to east; a cut along it is a north-south line.
    X,
    /// South to north; a cut along it is an east-west line.
    Y,
}

impl Axis {
    /// Both axes.
    pub const BOTH: [Self; 2] = [Self::X, Self::Y];

    /// The axis at a right angle to this one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::X => Self::Y,
            Self::Y => Self::X,
        }
    }

    /// The coordinate of `position` along this axis, in units.
    #[must_use]
    pub const fn of(self, position: Position) -> i32 {
        match self {
            Self::X => position.x,
            Self::Y => position.y,
        }
    }

    /// `position` with its coordinate along this axis replaced by `at` units.
    #[must_use]
    pub const fn with(self, position: Position, at: i32) -> Position {
        match self {
            Self::X => Position { x: at, y: position.y },
            Self::Y => Position { x: position.x, y: at },
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X => "x",
            Self::Y => "y",
        })
    }
}

/// One of the two halves of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// West or south of the cut.
    Low,
    /// East or north of the cut; the cut line itself belongs to it.
    High,
}

/// A half-open rectangle, in units: `min` belongs to it, `max` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rect {
    /// South-west corner, inside.
    pub min: Position,
    /// North-east corner, outside.
    pub max: Position,
}

/// Why a rectangle cannot be the bounds of anything. Messages name the field and the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RectError {
    /// A number that is not finite.
    #[error("{field} is not a finite number: give metres between -100000 and 100000")]
    NotFinite {
        /// The field that is wrong.
        field: &'static str,
    },
    /// A coordinate beyond ±100 km.
    #[error("{field} lies beyond ±100 km: give metres between -100000 and 100000")]
    TooFar {
        /// The field that is wrong.
        field: &'static str,
    },
    /// No ground between the corners.
    #[error("min{axis} must be less than max{axis}: swap them or move one")]
    Empty {
        /// `X` or `Y`.
        axis: char,
    },
}

impl Rect {
    /// The rectangle between these corners.
    ///
    /// # Errors
    /// When a corner lies beyond ±100 km or the rectangle is empty.
    pub fn new(min: Position, max: Position) -> Result<Self, RectError> {
        for (field, value) in [("minX", min.x), ("minY", min.y), ("maxX", max.x), ("maxY", max.y)] {
            if value.unsigned_abs() > (MAX_COORDINATE_M * UNITS_PER_METRE).unsigned_abs() {
                return Err(RectError::TooFar { field });
            }
        }
        if min.x >= max.x {
            return Err(RectError::Empty { axis: 'X' });
        }
        if min.y >= max.y {
            return Err(RectError::Empty { axis: 'Y' });
        }
        Ok(Self { min, max })
    }

    /// The rectangle between these corners in metres, rounded to the nearest 1/64 m.
    ///
    /// # Errors
    /// When a number is not finite, a corner lies beyond ±100 km or the rectangle is empty.
    pub fn from_metres(min_x: f64, min_y: f64, max_x: f64, max_y: f64) -> Result<Self, RectError> {
        let mut units = [0; 4];
        let fields = [("minX", min_x), ("minY", min_y), ("maxX", max_x), ("maxY", max_y)];
        for (unit, (field, metres)) in units.iter_mut().zip(fields) {
            if !metres.is_finite() {
                return Err(RectError::NotFinite { field });
            }
            if metres.abs() > f64::from(MAX_COORDINATE_M) {
                return Err(RectError::TooFar { field });
            }
            *unit = (metres * f64::from(UNITS_PER_METRE)).round() as i32;
        }
        let [min_x, min_y, max_x, max_y] = units;
        Self::new(Position { x: min_x, y: min_y }, Position { x: max_x, y: max_y })
    }

    /// Whether `position` stands in this rectangle.
    #[must_use]
    pub const fn contains(&self, position: Position) -> bool {
        self.min.x <= position.x && position.x < self.max.x && self.min.y <= position.y && position.y < self.max.y
    }

    /// Square of the distance from `position` to the nearest point of this rectangle, in square units; 0 inside.
    #[must_use]
    pub fn distance_squared(&self, position: Position) -> i64 {
        let nearest = Position {
            x: position.x.clamp(self.min.x, self.max.x - 1),
            y: position.y.clamp(self.min.y, self.max.y - 1),
        };
        nearest.distance_squared(position)
    }

    /// Extent from west to east, in units.
    #[must_use]
    pub const fn width(&self) -> i32 {
        self.max.x - self.min.x
    }

    /// Extent from south to north, in units.
    #[must_use]
    pub const fn height(&self) -> i32 {
        self.max.y - self.min.y
    }

    /// Extent along `axis`, in units.
    #[must_use]
    pub const fn extent(&self, axis: Axis) -> i32 {
        axis.of(self.max) - axis.of(self.min)
    }

    /// The two halves that a cut at `at` units along `axis` leaves, or `None` when one of them would be empty.
    #[must_use]
    pub const fn cut(&self, axis: Axis, at: i32) -> Option<(Self, Self)> {
        if at <= axis.of(self.min) || at >= axis.of(self.max) {
            return None;
        }
        let low = Self { min: self.min, max: axis.with(self.max, at) };
        let high = Self { min: axis.with(self.min, at), max: self.max };
        Some((low, high))
    }

    /// Whether any ground belongs to both rectangles.
    #[must_use]
    pub const fn overlaps(&self, other: &Self) -> bool {
        self.min.x < other.max.x && other.min.x < self.max.x && self.min.y < other.max.y && other.min.y < self.max.y
    }

    /// Whether all ground of `other` belongs to this rectangle.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.min.x <= other.min.x && other.max.x <= self.max.x && self.min.y <= other.min.y && other.max.y <= self.max.y
    }

    /// The axis along which `other` follows this rectangle or precedes it such that the two share a whole edge, so that
    /// their union is a rectangle. `None` when they do not.
    #[must_use]
    pub fn joined_along(&self, other: &Self) -> Option<Axis> {
        Axis::BOTH.into_iter().find(|&axis| {
            let across = axis.other();
            let touch = axis.of(self.max) == axis.of(other.min) || axis.of(other.max) == axis.of(self.min);
            let same_span = across.of(self.min) == across.of(other.min) && across.of(self.max) == across.of(other.max);
            touch && same_span
        })
    }

    /// The union of two rectangles that share a whole edge, or `None` when it would not be a rectangle.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Option<Self> {
        self.joined_along(other)?;
        let min = Position { x: self.min.x.min(other.min.x), y: self.min.y.min(other.min.y) };
        let max = Position { x: self.max.x.max(other.max.x), y: self.max.y.max(other.max.y) };
        Some(Self { min, max })
    }

    /// Square of the distance between the nearest positions of two rectangles, in square units: 0 when they overlap, 1 when
    /// they share an edge, because `max` does not belong to a rectangle.
    #[must_use]
    pub fn gap_squared(&self, other: &Self) -> i64 {
        let gap = |axis: Axis| {
            let after = axis.of(other.min) - (axis.of(self.max) - 1);
            let before = axis.of(self.min) - (axis.of(other.max) - 1);
            i64::from(after.max(before).max(0))
        };
        let (dx, dy) = (gap(Axis::X), gap(Axis::Y));
        dx * dx + dy * dy
    }

    /// Area in square units.
    #[must_use]
    pub const fn area(&self) -> i64 {
        self.width() as i64 * self.height() as i64
    }
}

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metres = |units: i32| f64::from(units) / f64::from(UNITS_PER_METRE);
        let Self { min, max } = self;
        write!(f, "[{}, {})×[{}, {}) m", metres(min.x), metres(max.x), metres(min.y), metres(max.y))
    }
}
