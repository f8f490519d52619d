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

/// The gRPC contract between an operator and a zone, generated from `proto/control.proto`, where every field is explained.
#[cfg(feature = "control")]
#[allow(missing_docs, clippy::all)]
pub mod control {
    tonic::include_proto!("darkages.control.v1");
}
