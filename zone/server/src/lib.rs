//! The zone server: the 60 Hz tick loop of one shard, with interest, replication, handoff and the store around it.
//!
//! [`spawn`] starts a zone on a thread of its own; a [`ZoneHandle`] tells it what to serve and shows how it is. The
//! `zone-server` binary and a local world run the same library.

#![forbid(unsafe_code)]

pub mod clients;
pub mod clock;
pub mod config;
pub mod control;
pub mod control_tls;
pub mod drain;
pub mod gate;
pub mod hall;
pub mod handle;
pub mod handoff;
pub mod http;
pub mod metrics;
pub mod peers;
pub mod play;
pub mod replication;
pub mod simulator;
pub mod stats;
pub mod storage;
pub mod zone;

pub use config::ZoneConfig;
pub use handle::{HandleError, ZoneHandle};
pub use play::Play;
pub use stats::{RecentTicks, Stage, Totals, ZoneState, ZoneStats};
pub use zone::{ZoneError, spawn};
