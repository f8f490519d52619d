//! A network in memory and time that moves by command, so that tests of this crate and of the ones above it run endpoints for
//! minutes in milliseconds. Faults come from the endpoints' own [`crate::FaultPlan`]s: this network itself is perfect.

mod memory;
mod world;

pub use memory::{MemoryIo, MemoryNetwork, Recorded};
pub use world::{OpenDoor, World};
