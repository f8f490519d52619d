//! Sessions, nonces and the shard map: one row each, replaced by compare-and-swap.
//!
//! Sessions and nonces end by the clock of the server that reads them, to the millisecond; their rows go by themselves
//! [`LINGER`] later, so that servers whose clocks differ by less never take a used nonce for a new one.

use std::time::Duration;

use darkages_topology::{PlayerId, Revision};

use super::Inner;
use super::keys;
use super::wire::unavailable;
use crate::check;
use crate::codec;
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::StoreError;
use crate::session::{NonceUse, Session};

/// How much longer than what it says a row is kept.
const LINGER: Duration = Duration::from_secs(60);

/// Times that a session is looked at again because somebody else has changed it meanwhile.
const ROUNDS: u32 = 16;

/// A stored session: its bytes, which name it in a compare-and-swap, and whether it is open.
struct Stored {
    bytes: Vec<u8>,
    session: Session,
    open: bool,
}

/// Whole seconds after which servers drop a row that says something for `time`.
fn life(time: Duration) -> i32 {
    i32::try_from((time + LINGER).as_secs() + 1).unwrap_or(i32::MAX)
}

impl Inner {
    async fn stored_session(&self, action: &'static str, player: PlayerId) -> Result<Option<Stored>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.read_session, (keys::of_player(player),)).await?;
        let columns: Option<(Vec<u8>, i64, i64)> =
            rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        let Some((bytes, expires, now)) = columns else { return Ok(None) };
        let damaged = |error: codec::CodecError| StoreError::Corrupt {
            what: format!("session of {player}"),
            reason: error.reason(),
        };
        let session = codec::decode_session(player, &bytes).map_err(damaged)?;
        Ok(Some(Stored { bytes, session, open: now < expires }))
    }

    pub async fn open_session(&self, session: Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        const ACTION: &str = "opening a session";
        let key = keys::of_player(session.player);
        for _ in 0..ROUNDS {
            let before = self.stored_session(ACTION, session.player).await?;
            let expires = Duration::from_millis(self.now(ACTION).await?.unsigned_abs()) + ttl;
            let next = codec::encode_session(&Session { expires, ..session.clone() });
            let ends = codec::millis(expires) as i64;
            let done = match &before {
                None => self.wire.cas(ACTION, &self.statements.first_session, (key, next, ends, life(ttl))).await?,
                Some(before) => {
                    let values = (life(ttl), next, ends, key, &before.bytes);
                    self.wire.cas(ACTION, &self.statements.next_session, values).await?
                }
            };
            if done {
                return Ok(before.filter(|before| before.open).map(|before| before.session));
            }
        }
        Err(unavailable(ACTION, "others open sessions of the same player all the time"))
    }

    pub async fn session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        let stored = self.stored_session("reading a session", player).await?;
        Ok(stored.filter(|stored| stored.open).map(|stored| stored.session))
    }

    pub async fn close_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        const ACTION: &str = "closing a session";
        let stored = self.stored_session(ACTION, player).await?;
        let Some(stored) = stored.filter(|stored| stored.open && stored.session.id == id) else { return Ok(false) };
        // Who has swapped it meanwhile has opened another one: this one is over already.
        self.wire.cas(ACTION, &self.statements.end_session, (keys::of_player(player), stored.bytes)).await
    }

    pub async fn use_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        const ACTION: &str = "using a token";
        let now = Duration::from_millis(self.now(ACTION).await?.unsigned_abs());
        let expires = Duration::from_secs(expires_unix_s);
        if expires <= now {
            return Ok(NonceUse::Expired);
        }
        check::nonce(expires - now)?;
        let values = (nonce.to_be_bytes().to_vec(), codec::millis(expires) as i64, life(expires - now));
        let first = self.wire.cas(ACTION, &self.statements.use_nonce, values).await?;
        Ok(if first { NonceUse::First } else { NonceUse::Again })
    }

    pub async fn load_topology(&self, action: &'static str) -> Result<Option<TopologyDocument>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.read_topology, ()).await?;
        let columns: Option<(i64, Vec<u8>)> = rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        Ok(columns.map(|(revision, bytes)| TopologyDocument { revision: Revision(revision.unsigned_abs()), bytes }))
    }

    pub async fn swap_topology(
        &self,
        expected: Option<Revision>,
        next: TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        const ACTION: &str = "swapping the shard map";
        let TopologyDocument { revision, bytes } = next;
        let revision = revision.0 as i64;
        let done = match expected {
            None => self.wire.cas(ACTION, &self.statements.first_topology, (revision, bytes)).await?,
            Some(expected) => {
                let values = (revision, bytes, expected.0 as i64);
                self.wire.cas(ACTION, &self.statements.next_topology, values).await?
            }
        };
        if done {
            return Ok(TopologySwapped::Done);
        }
        Ok(TopologySwapped::Conflict(self.load_topology(ACTION).await?))
    }
}
