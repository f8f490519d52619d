//! The shell around the planner: how an operator hears from zones and tells them what the map wants of them.
//!
//! What flows in are the answers of zones over the control contract, what flows out are looks for the planner; orders go the
//! other way. `darkages local` is the operator of the zones that it starts, so it uses the same link as one on a cluster.

#![forbid(unsafe_code)]

pub mod link;
pub mod look;
pub mod reach;

pub use link::{Link, LinkError};
pub use reach::Reach;
