//! What an endpoint answers when it cannot do as asked.

use std::net::SocketAddr;

use thiserror::Error;

use crate::fault::FaultError;
use crate::handshake::MAX_TOKEN_BYTES;
use crate::keys::NoRandomness;

/// An endpoint could not be made.
#[derive(Debug, Error)]
pub enum BindError {
    /// The system did not give the socket.
    #[error("cannot bind UDP {listen}")]
    Bind {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A limit that cannot work.
    #[error("transport limits: {0}")]
    Limits(&'static str),
    /// A fault plan that cannot be followed.
    #[error("fault plan")]
    Fault(#[from] FaultError),
    /// No randomness for secrets.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl BindError {
    /// A stable name for metrics and logs.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
            Self::Limits(_) => "limits",
            Self::Fault(_) => "fault",
            Self::NoRandomness(_) => "no_randomness",
        }
    }
}

/// A session could not be dialed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ConnectError {
    /// The token does not fit into the handshake.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TokenTooLong,
    /// The endpoint has as many sessions as its limits allow.
    #[error("the endpoint has as many sessions as it may")]
    TooManySessions,
    /// The server's key is no X25519 key.
    #[error("the server key is not usable")]
    BadServerKey,
    /// The system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl ConnectError {
    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TokenTooLong => "token_too_long",
            Self::TooManySessions => "too_many_sessions",
            Self::BadServerKey => "bad_server_key",
            Self::NoRandomness(_) => "no_randomness",
        }
    }
}

/// A message was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// There is no such session (any more).
    #[error("no such session")]
    UnknownSession,
    /// The handshake is not over, or the session is.
    #[error("the session is not open")]
    NotOpen,
    /// Longer than the channel allows.
    #[error("the message has more than {limit} bytes")]
    TooLong {
        /// What it allows.
        limit: usize,
    },
    /// The session has [`crate::Limits::send_queue_bytes`] queued or unacknowledged.
    #[error("the session's send queue is full")]
    QueueFull,
    /// All sessions together have [`crate::Limits::total_send_queue_bytes`] queued or unacknowledged.
    #[error("the endpoint's send queues are full")]
    TotalQueueFull,
}

impl SendError {
    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownSession => "unknown_session",
            Self::NotOpen => "not_open",
            Self::TooLong { .. } => "too_long",
            Self::QueueFull => "queue_full",
            Self::TotalQueueFull => "total_queue_full",
        }
    }
}
