//! The ground of a world, as users give it.

use darkages_topology::world::MAX_COORDINATE_M;
use darkages_topology::{Rect, RectError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A half-open rectangle in whole metres, within ±100 km: `minX` and `minY` belong to it, `maxX` and `maxY` do not.
///
/// Flat, because a key `y` without quotes is `true` in the YAML that `kubectl` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Western edge, in metres.
    #[schemars(range(min = -MAX_COORDINATE_M, max = MAX_COORDINATE_M))]
    pub min_x: i32,
    /// Southern edge, in metres.
    #[schemars(range(min = -MAX_COORDINATE_M, max = MAX_COORDINATE_M))]
    pub min_y: i32,
    /// Eastern edge, in metres.
    #[schemars(range(min = -MAX_COORDINATE_M, max = MAX_COORDINATE_M))]
    pub max_x: i32,
    /// Northern edge, in metres.
    #[schemars(range(min = -MAX_COORDINATE_M, max = MAX_COORDINATE_M))]
    pub max_y: i32,
}

impl TryFrom<Bounds> for Rect {
    type Error = RectError;

    fn try_from(bounds: Bounds) -> Result<Self, RectError> {
        let Bounds { min_x, min_y, max_x, max_y } = bounds;
        Self::from_metres(min_x.into(), min_y.into(), max_x.into(), max_y.into())
    }
}
