//! The store port: who owns what, and what survives a crash.
//!
//! [`Store`] is what zones, the directory and the planner ask for, [`open`] makes one from a URL. [`embedded`] keeps a world in
//! one file of one process, [`redis`] in Redis and [`cql`] in servers that speak CQL, shared by all processes of a world;
//! [`layered`] is CQL with copies in Redis.
//! [`conformance`] is the suite that every driver passes, [`faulty`] puts slowness, absence and lost answers before one.
//! [`transition`] holds the rules by which owner records may change; it is pure.
#![forbid(unsafe_code)]

mod check;
pub mod clock;
pub mod codec;
pub mod conformance;
pub mod cql;
pub mod document;
pub mod embedded;
pub mod error;
pub mod faulty;
pub mod health;
mod held;
pub mod inventory;
pub mod journal;
mod judge;
pub mod layered;
pub mod lease;
pub mod limits;
mod open;
pub mod owner;
pub mod port;
pub mod redis;
pub mod session;
mod snapshot;
pub mod source;
pub mod transition;
pub mod url;

pub use clock::{Clock, ManualClock, SystemClock};
pub use cql::{Cql, CqlOptions};
pub use document::{TopologyDocument, TopologySwapped};
pub use embedded::Embedded;
pub use error::{OpenError, StoreError};
pub use health::{Away, Health};
pub use inventory::{Inventory, inventory};
pub use journal::{Checkpoint, Committed, Event, Kept, LogEntry, LogSeq, LogState, RequestId, Saved, Transaction};
pub use layered::Layered;
pub use lease::{Acquired, Fence, Lease, LeaseView, Renewed};
pub use open::{open, open_to_restore};
pub use owner::{Expect, OpenHandoff, OwnerRecord, Phase, PlayerData, StateVersion, Swap, Swapped};
pub use port::Store;
pub use redis::RedisStore;
pub use session::{NonceUse, Session};
pub use url::StoreUrl;
