//! The Redis driver against real servers.

mod bounds;
mod crashes;
mod refusals;
#[path = "../rivals/mod.rs"]
mod rivals;
mod scene;
mod suite;
