//! Control datagrams: path validation and the end of a session. They are numbered apart from packets, because connections number
//! those, and are neither acknowledged nor sent again by anything but the rules here.

use std::net::SocketAddr;
use std::time::Duration;

use super::header::{CONTROL_HEADER, Header, TAG_BYTES};
use super::path::{CHALLENGE_BYTES, Challenge};
use super::session::Farewell;
use super::{Inbound, Phase, SecureSocket};
use crate::close::CloseReason;
use crate::gatekeeper::Gatekeeper;
use crate::io::DatagramIo;
use crate::stats::DropReason;

const CHALLENGE: u8 = 1;
const ANSWER: u8 = 2;
const CLOSE: u8 = 3;

/// Bytes of a challenge on the wire.
pub(super) const CHALLENGE_COST: usize = CONTROL_HEADER + 1 + CHALLENGE_BYTES + TAG_BYTES;

/// How long a closed session still answers its peer.
const LINGER: Duration = Duration::from_secs(1);
/// Farewells without being asked, and the time between the first two; it doubles.
const FAREWELLS: u32 = 3;
const FAREWELL_INTERVAL: Duration = Duration::from_millis(50);

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    /// Takes in a control datagram.
    pub(super) fn take_control(
        &mut self,
        header: Header,
        number: u64,
        datagram: &mut [u8],
        from: SocketAddr,
    ) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(&header.session).ok_or(DropReason::UnknownSession)?;
        let cipher = session.phase.cipher().ok_or(DropReason::UnexpectedHandshake)?;
        if !cipher.control_replay.check(number) {
            return Err(DropReason::Replayed);
        }
        let (head, sealed) = datagram.split_at_mut(header.bytes);
        let opened = cipher.keys.open_control(number, head, sealed).ok_or(DropReason::BadSeal)?;
        cipher.control_replay.mark(number);
        match &sealed[..opened] {
            [CHALLENGE, secret @ ..] if secret.len() == CHALLENGE_BYTES => {
                let mut answer = [ANSWER; 1 + CHALLENGE_BYTES];
                answer[1..].copy_from_slice(secret);
                let to = session.path.proven();
                // Only the address that this side already trusts gets the answer: a challenge proves nothing about its sender.
                if to == from {
                    self.send_control(header.session, to, &answer);
                }
            }
            [ANSWER, secret @ ..] => {
                if let Ok(secret) = secret.try_into()
                    && session.path.answered(secret)
                {
                    self.outlet.stats.path_changes += 1;
                }
            }
            &[CLOSE, code, detail] => self.hear_farewell(header.session, CloseReason::from_wire(code, detail)),
            _ => return Err(DropReason::Malformed),
        }
        Ok(())
    }

    /// Asks an unproven address to prove that it receives.
    pub(super) fn send_challenge(&mut self, id: u32, to: SocketAddr, challenge: Challenge) {
        let mut message = [CHALLENGE; 1 + CHALLENGE_BYTES];
        message[1..].copy_from_slice(&challenge);
        self.send_control(id, to, &message);
    }

    /// The application or the connection ends an open session: tells the peer and keeps the keys for a moment.
    pub(super) fn part(&mut self, id: u32, reason: CloseReason) {
        self.settle(id);
        let now = self.outlet.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.accounts.ended = Some(reason);
        let farewell =
            Farewell { reason, until: now + LINGER, repeats: FAREWELLS - 1, next_send: now + FAREWELL_INTERVAL };
        session.phase = match std::mem::replace(&mut session.phase, Phase::Ended) {
            Phase::HalfOpen { cipher, .. } => {
                self.half_open -= usize::from(!session.dialed);
                Phase::Closing { cipher, farewell }
            }
            Phase::Open { cipher } => Phase::Closing { cipher, farewell },
            other => other,
        };
        self.say_farewell(id);
        self.schedule(id, now + FAREWELL_INTERVAL);
    }

    /// Tells the peer of a closing session that it is over.
    pub(super) fn say_farewell(&mut self, id: u32) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Phase::Closing { farewell, .. } = &session.phase else { return };
        let message = [CLOSE, farewell.reason.code(), farewell.reason.detail()];
        self.send_control(id, session.path.proven(), &message);
    }

    /// A peer that still sends to a closing session did not hear the farewell.
    pub(super) fn repeat_farewell(&mut self, id: u32, from: SocketAddr) {
        let now = self.outlet.now;
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let known = session.path.proven() == from;
        let Phase::Closing { farewell, .. } = &mut session.phase else { return };
        if known && farewell.repeats == 0 && now >= farewell.next_send {
            farewell.next_send = now + FAREWELL_INTERVAL;
            self.say_farewell(id);
        }
    }

    fn hear_farewell(&mut self, id: u32, reason: CloseReason) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match &session.phase {
            Phase::Open { .. } => {
                // When both sides close at once, the application keeps the reason that it gave itself.
                session.accounts.ended.get_or_insert(reason);
                session.phase = Phase::Ended;
                self.settle(id);
                self.inbox.push_back(Inbound::Closed { session: id });
            }
            Phase::HalfOpen { .. } => self.forget(id),
            Phase::Dialing(_) | Phase::Closing { .. } | Phase::Ended => {}
        }
    }

    fn send_control(&mut self, id: u32, to: SocketAddr, message: &[u8]) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let remote = session.remote;
        let Some(cipher) = session.phase.cipher() else { return };
        let Some(number) = cipher.keys.next_control() else { return };
        let out = &mut self.scratch[..];
        let head = Header::write_control(out, remote, number);
        let end = head + message.len();
        out[head..end].copy_from_slice(message);
        let (header, body) = out[..end].split_at_mut(head);
        let tag = cipher.keys.seal_control(number, header, body);
        out[end..end + TAG_BYTES].copy_from_slice(&tag);
        self.outlet.send(to, &out[..end + TAG_BYTES]);
    }
}
