//! Handshake datagrams, on both sides.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::aead::SessionKeys;
use super::path::Path;
use super::session::{Accepted, Accounts, Cipher, Dial, Session};
use super::{Inbound, Phase, SecureSocket};
use crate::close::CloseReason;
use crate::gatekeeper::Gatekeeper;
use crate::handshake::{self, Cookie, Dialing, MAX_TOKEN_BYTES, Message, VERSION};
use crate::ids::SessionId;
use crate::io::DatagramIo;
use crate::keys::KEY_BYTES;
use crate::stats::DropReason;

/// First wait for an answer; doubles up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_millis(800);
/// Times that the first Noise message is sent under one cookie; then a new one is asked for, because it may have expired.
const INITS_PER_COOKIE: u32 = 3;

/// Why dialing did not even start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialError {
    TokenTooLong,
    TooManySessions,
    BadServerKey,
    NoRandomness,
}

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    /// Starts a handshake.
    pub(crate) fn dial(
        &mut self,
        remote: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        psk: &[u8; KEY_BYTES],
        token: &[u8],
        now: Instant,
    ) -> Result<SessionId, DialError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(DialError::TokenTooLong);
        }
        if self.sessions.len() >= self.limits.max_sessions {
            return Err(DialError::TooManySessions);
        }
        let id = self.fresh_session().ok_or(DialError::NoRandomness)?;
        let noise = Dialing::start(server_key, psk, token, id).ok_or(DialError::BadServerKey)?;
        let deadline = now + self.limits.handshake_timeout;
        let dial = Dial { noise, cookie: None, inits: 0, attempt: 0, next_send: now, deadline };
        self.sessions.insert(
            id,
            Session {
                remote: 0,
                path: Path::new(remote),
                phase: Phase::Dialing(Box::new(dial)),
                dialed: true,
                admission: Vec::new(),
                accepted: None,
                accounts: Accounts::default(),
            },
        );
        self.outlet.now = now;
        self.send_dial(id);
        self.outlet.flush();
        Ok(SessionId::new(id))
    }

    /// Sends what the dialing session has to say next, and plans when to say it again.
    pub(super) fn send_dial(&mut self, id: u32) {
        let now = self.outlet.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let remote = session.path.proven();
        let Phase::Dialing(dial) = &mut session.phase else { return };
        if dial.inits >= INITS_PER_COOKIE {
            dial.cookie = None;
            dial.inits = 0;
        }
        let length = match &dial.cookie {
            None => handshake::write_hello(&mut self.scratch, id, dial.noise.ephemeral()),
            Some(cookie) => {
                dial.inits += 1;
                handshake::write_init(&mut self.scratch, id, cookie, dial.noise.first())
            }
        };
        let wait = FIRST_RETRY.saturating_mul(1 << dial.attempt.min(16)).min(LONGEST_RETRY);
        dial.attempt += 1;
        dial.next_send = (now + wait).min(dial.deadline);
        let next = dial.next_send;
        self.outlet.send(remote, &self.scratch[..length]);
        self.schedule(id, next);
    }

    /// Takes in a handshake datagram.
    pub(super) fn greet(&mut self, datagram: &[u8], from: SocketAddr) -> Result<(), DropReason> {
        match Message::read(datagram).ok_or(DropReason::Malformed)? {
            Message::Hello { version, dialer, ephemeral } => {
                self.hear_hello(version, dialer, ephemeral, from);
                Ok(())
            }
            Message::Init { version, dialer, cookie, noise } => self.hear_init(version, dialer, cookie, noise, from),
            Message::Cookie { dialer, cookie } => self.hear_cookie(dialer, cookie, from),
            Message::Reply { dialer, noise } => self.hear_reply(dialer, noise, from),
            Message::Refused { dialer, echo, reason } => {
                let dial = self.dialing(dialer, from)?;
                if !handshake::echoes(echo, dial.noise.ephemeral()) {
                    return Err(DropReason::BadHandshake);
                }
                self.fail(dialer, reason);
                Ok(())
            }
        }
    }

    fn hear_hello(&mut self, version: u8, dialer: u32, ephemeral: &[u8; KEY_BYTES], from: SocketAddr) {
        if version != VERSION {
            self.refuse(dialer, ephemeral, CloseReason::VersionMismatch, from);
            return;
        }
        let cookie = self.cookies.make(from, dialer, ephemeral, self.outlet.now);
        let length = handshake::write_cookie(&mut self.scratch, dialer, &cookie);
        self.outlet.send(from, &self.scratch[..length]);
    }

    fn hear_init(
        &mut self,
        version: u8,
        dialer: u32,
        cookie: &Cookie,
        noise: &[u8],
        from: SocketAddr,
    ) -> Result<(), DropReason> {
        let ephemeral: &[u8; KEY_BYTES] = noise.first_chunk().ok_or(DropReason::Malformed)?;
        let now = self.outlet.now;
        if !self.cookies.check(cookie, from, dialer, ephemeral, now) {
            return Err(DropReason::BadCookie);
        }
        if version != VERSION {
            self.refuse(dialer, ephemeral, CloseReason::VersionMismatch, from);
            return Ok(());
        }
        if let Some(id) = self.by_ephemeral.get(ephemeral) {
            return self.answer_again(*id, dialer, from);
        }
        if !self.limiter.allow(from, now) {
            return Err(DropReason::RateLimited);
        }
        if self.sessions.len() >= self.limits.max_sessions || self.half_open >= self.limits.max_half_open {
            self.refuse(dialer, ephemeral, CloseReason::EndpointFull, from);
            return Ok(());
        }
        let (accepting, token) = handshake::read_token(&self.key, dialer, noise).ok_or(DropReason::BadHandshake)?;
        let admitted = match self.gatekeeper.admit(&token, self.unix_now_s()) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.outlet.stats.tokens_refused += 1;
                self.refuse(dialer, ephemeral, CloseReason::Refused(refusal.0), from);
                return Ok(());
            }
        };
        let id = self.fresh_session().ok_or(DropReason::BadHandshake)?;
        let (reply, secrets) = handshake::accept(accepting, &admitted.psk, id).ok_or(DropReason::BadHandshake)?;
        let keys = SessionKeys::new(&secrets.send, &secrets.receive, self.limits.rekey_after_packets);
        let deadline = now + self.limits.handshake_timeout;
        let accepted = Accepted { ephemeral: *ephemeral, dialer, reply: reply.into() };
        self.sessions.insert(
            id,
            Session {
                remote: dialer,
                path: Path::new(from),
                phase: Phase::HalfOpen { cipher: Box::new(Cipher::new(keys)), deadline },
                dialed: false,
                admission: admitted.admission,
                accepted: Some(Box::new(accepted)),
                accounts: Accounts::default(),
            },
        );
        self.by_ephemeral.insert(*ephemeral, id);
        self.half_open += 1;
        self.schedule(id, deadline);
        self.answer_again(id, dialer, from)
    }

    /// Sends the reply of an accepted session. Asked again, because the reply was lost, it says the same and decides nothing anew.
    fn answer_again(&mut self, id: u32, dialer: u32, from: SocketAddr) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(&id).ok_or(DropReason::UnknownSession)?;
        let accepted = session.accepted.as_ref().ok_or(DropReason::UnexpectedHandshake)?;
        if accepted.dialer != dialer {
            return Err(DropReason::UnexpectedHandshake);
        }
        if let Phase::HalfOpen { .. } = session.phase {
            // The cookie proved this address, so a dialer that moved during the handshake is followed.
            session.path = Path::new(from);
        }
        let length = handshake::write_reply(&mut self.scratch, dialer, &accepted.reply);
        self.outlet.send(from, &self.scratch[..length]);
        Ok(())
    }

    fn refuse(&mut self, dialer: u32, ephemeral: &[u8; KEY_BYTES], reason: CloseReason, to: SocketAddr) {
        let length = handshake::write_refused(&mut self.scratch, dialer, ephemeral, reason);
        self.outlet.send(to, &self.scratch[..length]);
    }

    fn hear_cookie(&mut self, dialer: u32, cookie: &Cookie, from: SocketAddr) -> Result<(), DropReason> {
        let dial = self.dialing(dialer, from)?;
        // A repeated cookie must not make this side send at once again.
        let first = dial.cookie.is_none();
        dial.cookie = Some(*cookie);
        if first {
            dial.attempt = 0;
            dial.inits = 0;
            self.send_dial(dialer);
        }
        Ok(())
    }

    fn hear_reply(&mut self, dialer: u32, noise: &[u8], from: SocketAddr) -> Result<(), DropReason> {
        let rekey_after = self.limits.rekey_after_packets;
        let dial = self.dialing(dialer, from)?;
        let (remote, secrets) = dial.noise.finish(noise).ok_or(DropReason::BadHandshake)?;
        let keys = SessionKeys::new(&secrets.send, &secrets.receive, rekey_after);
        let session = self.sessions.get_mut(&dialer).ok_or(DropReason::UnknownSession)?;
        session.remote = remote;
        session.phase = Phase::Open { cipher: Box::new(Cipher::new(keys)) };
        session.accounts.connected = true;
        self.outlet.stats.sessions_dialed += 1;
        self.inbox.push_back(Inbound::Opened { session: dialer, dialed: true });
        Ok(())
    }

    /// The handshake under way that an answer from `from` belongs to.
    fn dialing(&mut self, dialer: u32, from: SocketAddr) -> Result<&mut Dial, DropReason> {
        let session = self.sessions.get_mut(&dialer).ok_or(DropReason::UnknownSession)?;
        match &mut session.phase {
            Phase::Dialing(dial) if session.path.proven() == from => Ok(dial),
            _ => Err(DropReason::UnexpectedHandshake),
        }
    }

    /// Gives up a session that laminar does not know.
    pub(super) fn fail(&mut self, id: u32, reason: CloseReason) {
        self.forget(id);
        self.failed.push_back((SessionId::new(id), reason));
    }
}
