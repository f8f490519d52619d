//! Hundreds of bots in one thread.

pub mod gaps;
pub mod ground;
pub mod mind;
pub mod report;
pub mod workload;
