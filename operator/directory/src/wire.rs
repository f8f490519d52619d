//! JSON of the calls that clients make. All bytes are base64 with the standard alphabet and padding.

use serde::{Deserialize, Serialize};

/// Body of `POST /v1/join`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinRequest {
    /// The ticket as its issuer gave it, base64.
    pub ticket: String,
}

/// Answer to `POST /v1/join`: where to play and what opens the door once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// Whom the ticket is for.
    pub player: u64,
    /// The zone's UDP address, `ip:port`.
    pub endpoint: String,
    /// The zone's static X25519 key, 32 bytes in base64.
    pub server_key: String,
    /// The sealed connect token, base64; goes into the handshake as it is.
    pub token: String,
    /// The key that the handshake mixes in, 32 bytes in base64.
    pub psk: String,
    /// When the token expires, in seconds since 1970. Join again after that.
    pub expires_unix_s: u64,
}

/// Body of `POST /v1/dev/ticket`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    /// Whom to issue it for; a new player when left out.
    #[serde(default)]
    pub player: Option<u64>,
    /// Where a player who was never here appears; at the world's choice when left out.
    #[serde(default)]
    pub spawn: Option<Place>,
}

/// A place in 1/64 m.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// East.
    pub x: i32,
    /// North.
    pub y: i32,
}

/// Answer to `POST /v1/dev/ticket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueAnswer {
    /// Whom it is for.
    pub player: u64,
    /// The ticket, base64; admits once.
    pub ticket: String,
    /// When it expires, in seconds since 1970.
    pub expires_unix_s: u64,
}
