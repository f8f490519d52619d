//! The client library and the swarm of bots.

#![forbid(unsafe_code)]

pub mod clock;
pub mod inputs;
pub mod swarm;
pub mod view;
