//! The store port: who owns what, and what survives a crash.
//!
//! [`Store`] is what zones, the directory and the planner ask for. [`embedded`] keeps a world in one file of one process.
//! [`conformance`] is the suite that every driver passes, [`faulty`] puts slowness, absence and lost answers before one.
//! [`transition`] holds the rules by which owner records may change; it is pure.
#![forbid(unsafe_code)]

mod check;
pub mod clock;
pub mod codec;
pub mod conformance;
pub mod document;
pub mod embedded;
pub mod error;
pub mod faulty;
pub mod journal;
mod judge;
pub mod lease;
pub mod limits;
pub mod owner;
pub mod port;
pub mod session;
pub mod transition;

pub use clock::{Clock, ManualClock, SystemClock};
pub use document::{TopologyDocument, TopologySwapped};
pub use embedded::Embedded;
pub use error::{OpenError, StoreError};
pub use journal::{Checkpoint, Committed, Event, LogEntry, LogSeq, RequestId, Saved, Transaction};
pub use lease::{Acquired, Fence, Lease, LeaseView, Renewed};
pub use owner::{Expect, OpenHandoff, OwnerRecord, Phase, PlayerData, StateVersion, Swap, Swapped};
pub use port::Store;
pub use session::{NonceUse, Session};
