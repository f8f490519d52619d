//! The store port: who owns what, and what survives a crash.
//!
//! [`Store`] is what zones, the directory and the planner ask for. [`transition`] holds the rules by which owner records may
//! change; it is pure.
#![forbid(unsafe_code)]

pub mod clock;
pub mod document;
pub mod error;
pub mod journal;
pub mod lease;
pub mod limits;
pub mod owner;
pub mod port;
pub mod session;
pub mod transition;

pub use clock::{Clock, ManualClock, SystemClock};
pub use document::{TopologyDocument, TopologySwapped};
pub use error::{OpenError, StoreError};
pub use journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, RequestId, Saved, Transaction};
pub use lease::{Acquired, Fence, Lease, LeaseView, Renewed};
pub use owner::{Expect, OpenHandoff, OwnerRecord, Phase, PlayerData, StateVersion, Swap, Swapped};
pub use port::Store;
pub use session::{NonceUse, Session};
