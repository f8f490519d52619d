//! The operator: what it sees of a cluster and hears from zones flows in, shard maps, pods and statuses flow out.
//!
//! One task for each `ZoneServer` ([`zone_server::steward`]) observes, plans, applies and tells; the planner in between is
//! pure. `darkages local` is the operator of the zones that it starts, so it uses the same [`Link`] as one on a cluster.

#![forbid(unsafe_code)]

pub mod authority;
pub mod census;
pub mod deadline;
pub mod fleet;
pub mod gallery;
pub mod http;
pub mod leader;
pub mod link;
pub mod look;
pub mod metrics;
pub mod metrics_api;
pub mod operator;
pub mod reach;
pub mod scaler;
pub mod zone_server;

pub use link::{Link, LinkError};
pub use reach::Reach;
