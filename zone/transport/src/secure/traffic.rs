//! Session datagrams: opening what comes in, sealing what goes out, and the accounts that connections keep with the endpoint.

use std::cmp::Reverse;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use ring::rand::SecureRandom;

use super::header::{self, Header, MAX_DATAGRAM, TAG_BYTES, WireNumber, nearest};
use super::{DATAGRAM_AT, Inbound, Phase, SecureSocket, control, path};
use crate::close::CloseReason;
use crate::gatekeeper::Gatekeeper;
use crate::io::DatagramIo;
use crate::local::{Report, UP_PREFIX, Up};
use crate::stats::DropReason;

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    /// Takes in the datagram at `DATAGRAM_AT` of `buffer`. Answers the session that it belongs to and where its payload is, when there is
    /// one for a connection.
    pub(super) fn take_in(
        &mut self,
        buffer: &mut [u8],
        length: usize,
        from: SocketAddr,
    ) -> Option<(u32, Range<usize>)> {
        if length > MAX_DATAGRAM {
            self.outlet.stats.drop_one(DropReason::Oversized);
            return None;
        }
        let datagram = &mut buffer[DATAGRAM_AT..DATAGRAM_AT + length];
        let taken = match datagram.first() {
            None => Ok(None),
            Some(first) if header::is_session(*first) => self.open(datagram, from),
            Some(_) => self.greet(datagram, from).map(|()| None),
        };
        let (session, number, plaintext) = match taken {
            Ok(opened) => opened?,
            Err(reason) => {
                self.outlet.stats.drop_one(reason);
                return None;
            }
        };
        let prefix_at = DATAGRAM_AT + plaintext.start - UP_PREFIX;
        buffer[prefix_at..prefix_at + UP_PREFIX].copy_from_slice(&Up::datagram_prefix(number));
        let payload = prefix_at..DATAGRAM_AT + plaintext.end;
        if self.awaken(session) {
            // The connection has to hear that it is open before it hears the first datagram.
            self.inbox.push_back(Inbound::Opened { session, dialed: false });
            self.inbox.push_back(Inbound::Datagram { session, payload: buffer[payload].into() });
            return None;
        }
        Some((session, payload))
    }

    /// Opens a session datagram in place: session, number and where the plaintext is; `None` when it was for this layer.
    fn open(&mut self, datagram: &mut [u8], from: SocketAddr) -> Result<Option<(u32, u64, Range<usize>)>, DropReason> {
        let header = Header::read(datagram).ok_or(DropReason::Malformed)?;
        let session = self.sessions.get_mut(&header.session).ok_or(DropReason::UnknownSession)?;
        if let Phase::Closing { .. } = session.phase {
            self.repeat_farewell(header.session, from);
            return Ok(None);
        }
        let cipher = session.phase.cipher().ok_or(DropReason::UnexpectedHandshake)?;
        let number = match header.number {
            WireNumber::Short(low) => nearest(cipher.replay.next(), low.into(), 16),
            WireNumber::Long(low) => nearest(cipher.replay.next(), low.into(), 32),
            WireNumber::Control(number) => {
                self.take_control(header, number, datagram, from)?;
                return Ok(None);
            }
        };
        if !cipher.replay.check(number) {
            return Err(DropReason::Replayed);
        }
        let bytes = datagram.len();
        let (head, sealed) = datagram.split_at_mut(header.bytes);
        let opened = cipher.keys.open(header.phase, number, head, sealed).ok_or(DropReason::BadSeal)?;
        let newest = cipher.replay.mark(number);
        let random = &self.random;
        let challenge = session.path.heard(from, bytes, newest, control::CHALLENGE_COST, self.outlet.now, || {
            let mut challenge = [0; path::CHALLENGE_BYTES];
            random.fill(&mut challenge).ok().map(|()| challenge)
        });
        if let Some(challenge) = challenge {
            self.send_challenge(header.session, from, challenge);
        }
        Ok(Some((header.session, number, header.bytes..header.bytes + opened)))
    }

    /// The first sealed packet of an accepted session opens it. Answers whether it just did.
    fn awaken(&mut self, id: u32) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if !matches!(session.phase, Phase::HalfOpen { .. }) {
            return false;
        }
        let Phase::HalfOpen { cipher, .. } = std::mem::replace(&mut session.phase, Phase::Ended) else { return false };
        session.phase = Phase::Open { cipher };
        session.accounts.connected = true;
        self.half_open -= 1;
        self.outlet.stats.sessions_accepted += 1;
        true
    }

    /// Seals and sends what a connection wrote.
    pub(super) fn seal(&mut self, id: u32, number: u64, long: bool, plaintext: &[u8]) -> io::Result<usize> {
        // A session that has just ended sends no more; its connection will hear of it.
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(0) };
        let Phase::Open { cipher } = &mut session.phase else { return Ok(0) };
        assert!(number >= cipher.next_seal, "a packet number must never be used twice");
        cipher.next_seal = number + 1;
        let (phase, rekeyed) = cipher.keys.next_phase();
        self.outlet.stats.rekeys += u64::from(rekeyed);
        let out = &mut self.scratch[..];
        let head = Header::write_packet(out, session.remote, phase, number, long);
        let end = head + plaintext.len();
        out[head..end].copy_from_slice(plaintext);
        let (header, body) = out[..end].split_at_mut(head);
        let tag = cipher.keys.seal(number, header, body);
        out[end..end + TAG_BYTES].copy_from_slice(&tag);
        self.outlet.send(session.path.proven(), &out[..end + TAG_BYTES]);
        Ok(plaintext.len())
    }

    /// Takes a connection's report into the endpoint's accounts.
    pub(super) fn account(&mut self, id: u32, report: Report) {
        let Report { freed, held, wake_in, rtt_us, tracked, lost, resent, duplicates } = report;
        if let Some(wake_in) = wake_in {
            self.wakes.push(Reverse(self.outlet.now + wake_in));
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let (accounts, stats) = (&mut session.accounts, &mut self.outlet.stats);
        let freed = (freed as usize).min(accounts.queued);
        accounts.queued -= freed;
        stats.queued_bytes -= freed;
        accounts.tracked += u64::from(tracked);
        accounts.lost += u64::from(lost);
        stats.packets_tracked += u64::from(tracked);
        stats.packets_lost += u64::from(lost);
        stats.messages_resent += u64::from(resent);
        stats.duplicates_in += u64::from(duplicates);
        if rtt_us > 0 && rtt_us != accounts.rtt_us {
            accounts.rtt_us = rtt_us;
            let smoothed = if stats.rtt_us == 0 { rtt_us } else { stats.rtt_us - stats.rtt_us / 16 + rtt_us / 16 };
            stats.rtt_us = smoothed;
        }
        if !session.phase.is_open() {
            return;
        }
        let grown = held as usize > accounts.held;
        stats.held_bytes = stats.held_bytes - accounts.held + held as usize;
        accounts.held = held as usize;
        if grown && stats.held_bytes > self.limits.total_held_bytes && accounts.ended.is_none() {
            accounts.ended = Some(CloseReason::MemoryBound);
            self.parting.push(id);
        }
    }
}
