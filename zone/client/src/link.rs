//! How a player reaches zones.

use std::time::Instant;

use darkages_transport::{Channel, CloseReason, DatagramIo, Endpoint, Gatekeeper, SessionId};

use crate::directory::Door;

/// How a player reaches zones. A transport's endpoint is one; a crowd that shares an endpoint and tests bring their own.
pub trait Link {
    /// How this link names its sessions.
    type Session: Copy + Eq + std::fmt::Debug;

    /// Opens a session; the answer comes later. `None` when the link has no room for it.
    fn connect(&mut self, door: &Door, now: Instant) -> Option<Self::Session>;

    /// Queues a message; `false` when the session has no room for it or is gone.
    fn send(&mut self, session: Self::Session, channel: Channel, payload: &[u8], now: Instant) -> bool;

    /// Tells the peer and forgets the session.
    fn close(&mut self, session: Self::Session, reason: CloseReason);
}

impl<G: Gatekeeper, D: DatagramIo> Link for Endpoint<G, D> {
    type Session = SessionId;

    fn connect(&mut self, door: &Door, now: Instant) -> Option<SessionId> {
        Endpoint::connect(self, door.address, door.server_key, door.psk, &door.sealed, now).ok()
    }

    fn send(&mut self, session: SessionId, channel: Channel, payload: &[u8], now: Instant) -> bool {
        Endpoint::send(self, session, channel, payload, now).is_ok()
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        Endpoint::close(self, session, reason);
    }
}
