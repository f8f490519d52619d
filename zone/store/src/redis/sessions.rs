//! Sessions and nonces. Sessions expire by the server's own clock; nonces are in one list by their ends, so that their number
//! can be bounded.

use std::time::Duration;

use darkages_topology::PlayerId;
use redis::{Value, cmd};

use super::answer::{int, list, maybe_bytes, next, number};
use super::lane::unavailable;
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::check;
use crate::codec::{self, millis};
use crate::error::StoreError;
use crate::limits::{MAX_EXPIRY, MAX_NONCES};
use crate::session::{NonceUse, Session};

/// Expired nonces that go with each new one; more than one, so that they become fewer.
const PURGED_PER_USE: usize = 4;

/// What the script says to a nonce.
enum Nonce {
    Used(NonceUse),
    Full,
    TooLong(Duration),
}

impl RedisStore {
    pub(super) async fn start_session(&self, session: &Session, ttl: Duration) -> Result<Option<Session>, StoreError> {
        let player = session.player;
        let arguments = vec![
            keys::player(player).into_bytes(),
            codec::encode_session(session),
            millis(ttl).max(1).to_string().into_bytes(),
        ];
        let action = "opening a session";
        let answers = self.quick.call(action, vec![Request::Script(Script::OpenSession, arguments)]).await?;
        read(player, answers).map_err(|trouble| unavailable(action, trouble))
    }

    pub(super) async fn read_session(&self, player: PlayerId) -> Result<Option<Session>, StoreError> {
        let command = cmd("GET").arg(self.key(&format!(":session:{}", keys::player(player)))).to_owned();
        let action = "reading a session";
        let answers = self.quick.call(action, vec![Request::Command(command)]).await?;
        read(player, answers).map_err(|trouble| unavailable(action, trouble))
    }

    pub(super) async fn end_session(&self, player: PlayerId, id: u128) -> Result<bool, StoreError> {
        let arguments = vec![keys::player(player).into_bytes(), id.to_le_bytes().to_vec()];
        let action = "closing a session";
        let answers = self.quick.call(action, vec![Request::Script(Script::CloseSession, arguments)]).await?;
        let closed = answers.first().map_or(Ok(0), int).map_err(|trouble| unavailable(action, trouble))?;
        Ok(closed == 1)
    }

    pub(super) async fn spend_nonce(&self, nonce: u128, expires_unix_s: u64) -> Result<NonceUse, StoreError> {
        let arguments = [
            format!("{nonce:032x}"),
            expires_unix_s.saturating_mul(1_000).to_string(),
            MAX_NONCES.to_string(),
            millis(MAX_EXPIRY).to_string(),
            PURGED_PER_USE.to_string(),
        ];
        let said = self.ask("using a token", Request::script(Script::Nonce, arguments), read_nonce).await?;
        match said {
            Nonce::Used(usage) => Ok(usage),
            Nonce::Full => Err(StoreError::Full { what: "the list of used tokens", limit: MAX_NONCES }),
            Nonce::TooLong(left) => check::nonce(left).map(|()| NonceUse::Expired),
        }
    }

    pub(super) async fn purge_nonces(&self, limit: usize) -> Result<usize, StoreError> {
        let request = Request::script(Script::Purge, [limit.to_string()]);
        let action = "purging";
        let answers = self.quick.call(action, vec![request]).await?;
        let gone = answers.first().map_or(Ok(0), int).map_err(|trouble| unavailable(action, trouble))?;
        Ok(usize::try_from(gone).unwrap_or_default())
    }
}

fn read(player: PlayerId, answers: Vec<Value>) -> Result<Option<Session>, Trouble> {
    let Some(bytes) = maybe_bytes(answers.into_iter().next().unwrap_or(Value::Nil))? else { return Ok(None) };
    let damaged = |_| Trouble::Damaged { what: format!("the session of {player}") };
    codec::decode_session(player, &bytes).map(Some).map_err(damaged)
}

fn read_nonce(answer: Value) -> Result<Nonce, Trouble> {
    let mut parts = list(answer)?.into_iter();
    Ok(match int(&next(&mut parts)?)? {
        0 => Nonce::Used(NonceUse::First),
        1 => Nonce::Used(NonceUse::Again),
        2 => Nonce::Used(NonceUse::Expired),
        3 => Nonce::Full,
        4 => Nonce::TooLong(Duration::from_millis(number(next(&mut parts)?)?)),
        other => return Err(Trouble::Odd { what: format!("{other} to a token") }),
    })
}
