//! What the socket keeps about one session.

use std::time::Instant;

use super::aead::SessionKeys;
use super::path::Path;
use super::replay::ReplayWindow;
use crate::close::CloseReason;
use crate::handshake::{Cookie, Dialing};
use crate::keys::KEY_BYTES;

/// One session of any phase.
pub(crate) struct Session {
    /// The number that the peer wants to receive; 0 until it is known.
    pub(crate) remote: u32,
    pub(crate) path: Path,
    pub(crate) phase: Phase,
    /// Whether this endpoint dialed.
    pub(crate) dialed: bool,
    /// What the gatekeeper said; given to the application when the session opens.
    pub(crate) admission: Vec<u8>,
    /// How this session was accepted, to answer a repeated question in the same words.
    pub(crate) accepted: Option<Box<Accepted>>,
    pub(crate) accounts: Accounts,
}

/// The life of a session.
pub(crate) enum Phase {
    /// Dialed; waiting for a cookie or for the reply.
    Dialing(Box<Dial>),
    /// Keys are known; for an accepted session, nothing sealed has come yet.
    HalfOpen { cipher: Box<Cipher>, deadline: Instant },
    /// In use.
    Open { cipher: Box<Cipher> },
    /// Over. Stays for a moment to tell the peer again, in case the first word was lost.
    Closing { cipher: Box<Cipher>, farewell: Farewell },
    /// The peer ended it; stays until the application has been told.
    Ended,
}

/// Keys and what was seen under them.
pub(crate) struct Cipher {
    pub(crate) keys: SessionKeys,
    pub(crate) replay: ReplayWindow,
    pub(crate) control_replay: ReplayWindow,
    /// One above the highest number sealed: numbers must rise, or two packets would share a nonce.
    pub(crate) next_seal: u64,
}

/// A handshake that this endpoint started.
pub(crate) struct Dial {
    pub(crate) noise: Dialing,
    pub(crate) cookie: Option<Cookie>,
    /// Times that the first message went out under the current cookie.
    pub(crate) inits: u32,
    pub(crate) attempt: u32,
    pub(crate) next_send: Instant,
    pub(crate) deadline: Instant,
}

/// How a session was accepted.
pub(crate) struct Accepted {
    pub(crate) ephemeral: [u8; KEY_BYTES],
    pub(crate) dialer: u32,
    pub(crate) reply: Box<[u8]>,
}

/// The end of a session, as it is told to the peer.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) reason: CloseReason,
    pub(crate) until: Instant,
    pub(crate) repeats: u32,
    pub(crate) next_send: Instant,
}

/// What a session owes to the bounds of its endpoint.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) queued: usize,
    pub(crate) held: usize,
    pub(crate) rtt_us: u32,
    pub(crate) tracked: u64,
    pub(crate) lost: u64,
    /// Set once the session ended, so that the application can be told why.
    pub(crate) ended: Option<CloseReason>,
    /// The application ended it itself and wants to hear no more.
    pub(crate) silenced: bool,
    /// laminar has a connection for it.
    pub(crate) connected: bool,
}

impl Cipher {
    pub(crate) fn new(keys: SessionKeys) -> Self {
        Self { keys, replay: ReplayWindow::new(), control_replay: ReplayWindow::new(), next_seal: 0 }
    }
}

impl Phase {
    /// The keys, where there are any.
    pub(crate) fn cipher(&mut self) -> Option<&mut Cipher> {
        match self {
            Self::Dialing(_) | Self::Ended => None,
            Self::HalfOpen { cipher, .. } | Self::Open { cipher } | Self::Closing { cipher, .. } => Some(cipher),
        }
    }

    /// Whether the application may send.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}
