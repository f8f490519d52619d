//! Zones from outside: as a library and as a process, over real UDP and a real store.

mod bounds;
mod client;
mod control_tls;
mod frozen;
mod library;
mod process;
mod server;
mod store_source;
mod world;
