//! The wire protocol between clients and zones: messages, snapshots and connect tokens.
//!
//! Bytes flow in from anybody, so every decoder here is bounded, checks every field and returns types of the world or an
//! error with a label; none can panic. `docs/PROTOCOL.md` describes the same bytes for other languages, and
//! `tests/vectors` holds examples that both sides test against.

#![forbid(unsafe_code)]

pub mod block;
pub mod code;
pub mod input;
pub mod message;
pub mod nonce;
pub mod snapshot;
pub mod ticket;
pub mod token;

/// Messages as `proto/client.proto` has them, for the codecs of this crate.
mod wire {
    // The hand-written codec of snapshots is compared with the generated one in a test only.
    #![allow(missing_docs, dead_code, clippy::doc_markdown)]
    include!(concat!(env!("OUT_DIR"), "/darkages.v1.rs"));
}

pub use block::{Age, BlockReader, BlockWriter, EntityState, Kind, Record, Slot, SpeedClass};
pub use code::{AdmissionCode, ClosingCode, ResultCode};
pub use input::{InputDatagram, InputValue, SnapshotAck};
pub use message::{
    AttackKind, ClientMessage, Command, Event, Goods, Item, Pong, Redirect, RequestId, SelfState, Welcome, ZoneMessage,
};
pub use nonce::NonceCache;
pub use snapshot::{Snapshot, SnapshotHeader, SnapshotNumber};
pub use ticket::{Ticket, TicketKey};
pub use token::{ConnectToken, Subject, WorldKey};
