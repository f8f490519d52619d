//! Ids, rectangles and the shard map of a world, and the control contract of a zone.
//!
//! Pure: no clock, no I/O, no randomness. What flows in are numbers and rectangles, what flows out are maps that tile their
//! bounds exactly (invariant I8).

#![forbid(unsafe_code)]

pub mod geometry;
pub mod ids;
pub mod map;
pub mod world;

pub use geometry::{Axis, Position, Rect, RectError, Side};
pub use ids::{EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Revision, ShardEpoch, ShardId, Tick, ZoneId};
pub use map::{Retiring, Shard, Topology, TopologyError, ZoneEndpoint};
