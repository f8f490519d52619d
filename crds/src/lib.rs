//! The resources by which Kubernetes knows a world, in the group `darkages.io`.
//!
//! What flows in are manifests that an API server has already held to the schemas made here; what flows out are typed values,
//! and the shard map that is kept in a status. Pure but for `crdgen`, which writes the definitions into `generated/`.
//!
//! There is no webhook: whatever can be wrong with a manifest by itself is refused by the API server, by the schema or by a
//! CEL rule of it, with a message that names the field and the fix (ADR 17).
#![forbid(unsafe_code)]

mod definition;
pub mod picture;
pub mod zone_server;

pub use definition::{Definition, definitions};
pub use zone_server::{ZoneServer, ZoneServerSpec, ZoneServerStatus};

/// The group of all resources.
pub const GROUP: &str = "darkages.io";
