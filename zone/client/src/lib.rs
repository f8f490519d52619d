//! The client library and the swarm of bots.
