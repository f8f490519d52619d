//! The zone server: tick loop, interest, replication and handoff.

pub mod handoff;
