//! Writing sessions and nonces, and removing what has expired.

use std::time::Duration;

use darkages_topology::PlayerId;
use redb::{ReadableTable, ReadableTableMetadata};

use super::tables::{Tables, Trouble};
use crate::codec::{self, millis};
use crate::error::StoreError;
use crate::limits::MAX_NONCES;
use crate::session::{NonceUse, Session};

/// Expired ones that go with each new one; more than one, so that they become fewer.
const PURGED_PER_WRITE: usize = 4;

/// The player's session, expired or not.
pub(super) fn read(
    sessions: &impl ReadableTable<u64, &'static [u8]>,
    player: PlayerId,
) -> Result<Option<Session>, Trouble> {
    let Some(bytes) = sessions.get(player.0)? else { return Ok(None) };
    let corrupt =
        |error: codec::CodecError| StoreError::Corrupt { what: format!("session of {player}"), reason: error.reason() };
    Ok(Some(codec::decode_session(player, bytes.value()).map_err(corrupt)?))
}

/// Opens a session in place of the one that was open.
pub(super) fn open(tables: &mut Tables<'_>, session: &Session, now: Duration) -> Result<Option<Session>, Trouble> {
    let player = session.player;
    let previous = remove(tables, player)?;
    tables.sessions.insert(player.0, codec::encode_session(session).as_slice())?;
    tables.session_ends.insert((millis(session.expires), player.0), ())?;
    purge_sessions(tables, now, PURGED_PER_WRITE)?;
    Ok(previous.filter(|previous| previous.expires > now))
}

/// Ends the player's session if it is this one.
pub(super) fn close(tables: &mut Tables<'_>, player: PlayerId, id: u128, now: Duration) -> Result<bool, Trouble> {
    match read(&tables.sessions, player)? {
        Some(session) if session.id == id => {
            remove(tables, player)?;
            Ok(session.expires > now)
        }
        _ => Ok(false),
    }
}

fn remove(tables: &mut Tables<'_>, player: PlayerId) -> Result<Option<Session>, Trouble> {
    let session = read(&tables.sessions, player)?;
    if let Some(session) = &session {
        tables.sessions.remove(player.0)?;
        tables.session_ends.remove((millis(session.expires), player.0))?;
    }
    Ok(session)
}

/// Uses up a nonce that has not expired.
pub(super) fn use_nonce(
    tables: &mut Tables<'_>,
    nonce: u128,
    expires: Duration,
    now: Duration,
) -> Result<NonceUse, Trouble> {
    if tables.nonces.get(nonce)?.is_some() {
        return Ok(NonceUse::Again);
    }
    purge_nonces(tables, now, PURGED_PER_WRITE)?;
    if tables.nonces.len()? >= MAX_NONCES as u64 {
        return Err(StoreError::Full { what: "the list of used tokens", limit: MAX_NONCES }.into());
    }
    tables.nonces.insert(nonce, millis(expires))?;
    tables.nonce_ends.insert((millis(expires), nonce), ())?;
    Ok(NonceUse::First)
}

/// Removes what has expired, at most `limit` of each; says how many.
pub(super) fn purge(tables: &mut Tables<'_>, now: Duration, limit: usize) -> Result<usize, Trouble> {
    Ok(purge_sessions(tables, now, limit)? + purge_nonces(tables, now, limit)?)
}

fn purge_sessions(tables: &mut Tables<'_>, now: Duration, limit: usize) -> Result<usize, Trouble> {
    let over = tables.session_ends.range(..=(millis(now), u64::MAX))?.take(limit);
    let over: Vec<_> = over.map(|row| row.map(|(key, _)| key.value())).collect::<Result<_, _>>()?;
    for (end, player) in &over {
        tables.session_ends.remove((*end, *player))?;
        tables.sessions.remove(*player)?;
    }
    Ok(over.len())
}

fn purge_nonces(tables: &mut Tables<'_>, now: Duration, limit: usize) -> Result<usize, Trouble> {
    let over = tables.nonce_ends.range(..=(millis(now), u128::MAX))?.take(limit);
    let over: Vec<_> = over.map(|row| row.map(|(key, _)| key.value())).collect::<Result<_, _>>()?;
    for (end, nonce) in &over {
        tables.nonce_ends.remove((*end, *nonce))?;
        tables.nonces.remove(*nonce)?;
    }
    Ok(over.len())
}
