//! Sessions of players and the nonces of their tokens.

use std::time::Duration;

use darkages_topology::PlayerId;

/// Where a player is connected. A player has one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub player: PlayerId,
    /// Which session, chosen at random by whoever opens it.
    pub id: u128,
    /// What its owner wants to know about it, opaque to the store; at most
    /// [`MAX_SESSION_BYTES`](crate::limits::MAX_SESSION_BYTES).
    pub data: Vec<u8>,
    /// When it ends unless it is opened anew, since the Unix epoch, in whole milliseconds.
    pub expires: Duration,
}

/// Answer of [`Store::use_nonce`](crate::Store::use_nonce).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceUse {
    /// Nobody used it before.
    First,
    /// Somebody did: the token is a copy.
    Again,
    /// Its time is over.
    Expired,
}
