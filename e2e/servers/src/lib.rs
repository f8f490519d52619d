//! Real servers for tests: Redis in every way in which it is run, Cassandra, and the API server of Kubernetes.
//!
//! Each server is started on a free port of 127.0.0.0/8 in a folder of its own, waited for with a deadline, and goes with the
//! test, also when that panics. Nothing of ours is used here, so that every crate may test against servers. Whoever calls
//! this is a test: what does not work out is a panic that says so.
#![forbid(unsafe_code)]

pub mod cassandra;
pub mod kubernetes;
mod proxy;
pub mod redis;
mod wait;

pub use proxy::Proxy;
pub use wait::{DEADLINE, free_port, wait_for};
