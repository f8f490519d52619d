//! The CQL driver against a real Cassandra: conformance, opening, faults and crashes.

mod cassandra;
mod cluster;
mod conformance;
mod crash;
mod faults;
mod proxy;
mod scene;
