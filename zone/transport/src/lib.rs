//! Sealed, reliable datagrams between clients and zones.
//!
//! An [`Endpoint`] is one UDP socket with many sessions, accepted and dialed. It is laminar's `ConnectionManager` over a socket that seals
//! (handshake with cookie, token and Noise; AES-256-GCM) and connections with four kinds of [`Channel`]. It is synchronous, knows no
//! clock and starts no thread: the caller passes the time in, polls, takes events, sends, flushes and waits.
//!
//! ```text
//! application ── Endpoint: send, poll, next_event, flush, wait
//! laminar     ── ConnectionManager, Packet, SocketEvent
//! conn        ── ZoneConn: channels, acknowledgements, resending, fragments, timers
//! secure      ── SecureSocket: sessions, handshake, sealing, replay window, paths
//! fault       ── faults on purpose, inert unless asked for
//! io          ── recvmmsg, sendmmsg, ppoll; or memory
//! ```

#![deny(unsafe_code)]

mod channel;
mod close;
mod config;
mod conn;
mod endpoint;
mod error;
pub mod fault;
mod gatekeeper;
mod handshake;
mod ids;
pub mod io;
mod keys;
mod local;
mod secure;
mod stats;
pub mod testing;

pub use channel::Channel;
pub use close::CloseReason;
pub use config::{EndpointConfig, Limits, MAX_PACKETS_PER_KEY};
pub use conn::{MAX_HELD_BYTES, MAX_MESSAGE_BYTES, MAX_UNRELIABLE_BYTES};
pub use endpoint::{Endpoint, Event};
pub use error::{BindError, ConnectError, SendError};
pub use fault::FaultPlan;
pub use gatekeeper::{Admitted, Gatekeeper, Refusal, RefuseAll};
pub use handshake::MAX_TOKEN_BYTES;
pub use ids::SessionId;
pub use io::{DatagramIo, UdpIo, Waker};
pub use keys::{KEY_BYTES, NoRandomness, StaticKeypair};
pub use stats::{DropReason, SessionStats, Stats};
