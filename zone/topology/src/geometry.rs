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
