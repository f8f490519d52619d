//! The client library and the swarm of bots.
//!
//! [`player::Player`] is one player's client without sockets, clocks or threads; [`directory`] asks where to play;
//! [`swarm`] plays hundreds of them over real sockets and judges what they see.

#![forbid(unsafe_code)]

pub mod clock;
pub mod directory;
pub mod happening;
pub mod inputs;
pub mod invariant;
pub mod link;
pub mod player;
pub mod swarm;
pub mod view;
