//! The CQL driver against a real Cassandra, alone and with copies in Redis: conformance, opening, faults and crashes.

mod cassandra;
mod cluster;
mod conformance;
mod crash;
mod faults;
mod known;
mod layered;
mod proxy;
mod scene;
