//! `SecureSocket`: laminar's socket, with sessions for addresses and everything sealed.
//!
//! Datagrams come in from [`DatagramIo`]; handshakes and control datagrams are answered here, and what opens under a session's key goes
//! up to its connection. What connections send comes down, is sealed and goes out in batches. No session exists before a
//! token was opened, and laminar hears of an accepted session only when its first sealed packet has arrived.

pub(crate) mod aead;
mod control;
mod greet;
pub(crate) mod header;
mod outlet;
mod path;
mod replay;
pub(crate) use self::replay::REPLAY_WINDOW;
mod session;
mod table;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use laminar::DatagramSocket;
use ring::rand::{SecureRandom, SystemRandom};

pub(crate) use self::greet::DialError;
use self::header::{Header, MAX_DATAGRAM, TAG_BYTES, WireNumber, nearest};
use self::outlet::Outlet;
pub(crate) use self::session::{Phase, Session};
use crate::close::CloseReason;
use crate::config::Limits;
use crate::fault::FaultLayer;
use crate::gatekeeper::Gatekeeper;
use crate::handshake::{CookieJar, SourceLimiter};
use crate::ids::SessionId;
use crate::io::DatagramIo;
use crate::keys::{KEY_BYTES, NoRandomness, StaticKeypair};
use crate::local::{Down, Report, UP_PREFIX, Up};
use crate::stats::DropReason;

/// Where a datagram is put in laminar's buffer: the shortest header and this are exactly as long as the prefix that replaces them.
const DATAGRAM_AT: usize = UP_PREFIX - header::SHORT_HEADER;
/// Bytes of laminar's buffer: a datagram of the largest size and enough of a longer one to see that it is.
pub(crate) const RECEIVE_BUFFER: usize = DATAGRAM_AT + MAX_DATAGRAM + 1;

/// What waits to go up besides the datagrams on the socket.
#[derive(Debug)]
enum Inbound {
    Opened { session: u32, dialed: bool },
    Datagram { session: u32, payload: Box<[u8]> },
    Closed { session: u32 },
}

pub(crate) struct SecureSocket<G, D> {
    pub(crate) outlet: Outlet<D>,
    pub(crate) sessions: HashMap<u32, Session>,
    /// Sessions that ended without laminar ever knowing them.
    pub(crate) failed: VecDeque<(SessionId, CloseReason)>,
    pub(crate) limits: Limits,
    gatekeeper: G,
    key: StaticKeypair,
    random: SystemRandom,
    cookies: CookieJar,
    limiter: SourceLimiter,
    by_ephemeral: HashMap<[u8; KEY_BYTES], u32>,
    half_open: usize,
    /// Sessions with a handshake or a farewell under way, and when the first of them is due.
    busy: Vec<u32>,
    busy_next: Option<Instant>,
    /// Sessions that the application closes at the end of this poll.
    parting: Vec<u32>,
    /// When connections asked to be updated.
    wakes: BinaryHeap<Reverse<Instant>>,
    inbox: VecDeque<Inbound>,
    budget: usize,
    start: Instant,
    unix_start_s: u64,
    scratch: Box<[u8; MAX_DATAGRAM]>,
}

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    pub(crate) fn new(
        io: D,
        gatekeeper: G,
        key: StaticKeypair,
        limits: Limits,
        fault: FaultLayer,
        (now, unix_now_s): (Instant, u64),
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            outlet: Outlet::new(io, fault, now),
            sessions: HashMap::new(),
            failed: VecDeque::new(),
            gatekeeper,
            key,
            random: SystemRandom::new(),
            cookies: CookieJar::new(now)?,
            limiter: SourceLimiter::new(limits.handshakes_per_source_per_s, now),
            limits,
            by_ephemeral: HashMap::new(),
            half_open: 0,
            busy: Vec::new(),
            busy_next: None,
            parting: Vec::new(),
            wakes: BinaryHeap::new(),
            inbox: VecDeque::new(),
            budget: 0,
            start: now,
            unix_start_s: unix_now_s,
            scratch: Box::new([0; MAX_DATAGRAM]),
        })
    }

    /// Begins a poll: sets its time and how many datagrams it may take in.
    pub(crate) fn begin(&mut self, now: Instant, budget: usize) {
        self.outlet.now = now;
        self.budget = budget;
        while self.wakes.peek().is_some_and(|Reverse(wake)| *wake <= now) {
            self.wakes.pop();
        }
        self.outlet.release();
        self.run_timers();
    }

    /// Ends a poll: what was queued goes out.
    pub(crate) fn end(&mut self) {
        for id in std::mem::take(&mut self.parting) {
            if self.sessions.get(&id).is_some_and(|session| session.phase.is_open()) {
                let reason = self.sessions[&id].accounts.ended.unwrap_or(CloseReason::Done);
                self.part(id, reason);
                self.inbox.push_back(Inbound::Closed { session: id });
            }
        }
        self.outlet.release();
        self.outlet.flush();
        self.outlet.stats.sessions = self.sessions.len();
    }

    /// A session number that is not in use. Zero stays free: it stands for a number that is not known yet.
    fn fresh_session(&self) -> Option<u32> {
        loop {
            let mut bytes = [0; 4];
            self.random.fill(&mut bytes).ok()?;
            let id = u32::from_le_bytes(bytes);
            if id != 0 && !self.sessions.contains_key(&id) {
                return Some(id);
            }
        }
    }

    /// Removes a session and everything that was counted for it.
    pub(crate) fn forget(&mut self, id: u32) {
        self.settle(id);
        if let Some(session) = self.sessions.remove(&id) {
            if let (Phase::HalfOpen { .. }, false) = (&session.phase, session.dialed) {
                self.half_open -= 1;
            }
            if let Some(accepted) = session.accepted {
                self.by_ephemeral.remove(&accepted.ephemeral);
            }
        }
    }

    /// Gives back what a session holds of the endpoint's bounds.
    fn settle(&mut self, id: u32) {
        if let Some(session) = self.sessions.get_mut(&id) {
            self.outlet.stats.queued_bytes -= std::mem::take(&mut session.accounts.queued);
            self.outlet.stats.held_bytes -= std::mem::take(&mut session.accounts.held);
        }
    }

    /// Takes in the datagram at `DATAGRAM_AT` of `buffer`. Answers the session that it belongs to and where its payload is, when there is
    /// one for a connection.
    fn take_in(&mut self, buffer: &mut [u8], length: usize, from: SocketAddr) -> Option<(u32, Range<usize>)> {
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
    fn seal(&mut self, id: u32, number: u64, long: bool, plaintext: &[u8]) -> io::Result<usize> {
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
    fn account(&mut self, id: u32, report: Report) {
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

    fn unix_now_s(&self) -> u64 {
        self.unix_start_s + self.outlet.now.saturating_duration_since(self.start).as_secs()
    }
}

impl<G: Gatekeeper, D: DatagramIo> DatagramSocket for SecureSocket<G, D> {
    fn send_packet(&mut self, address: &SocketAddr, payload: &[u8]) -> io::Result<usize> {
        let id = SessionId::from_address(address).ok_or(io::ErrorKind::InvalidInput)?.get();
        match Down::read(payload).ok_or(io::ErrorKind::InvalidInput)? {
            Down::Datagram { number, long, plaintext } => self.seal(id, number, long, plaintext),
            Down::Report(report) => {
                self.account(id, report);
                Ok(0)
            }
            Down::Close(reason) => {
                if self.sessions.get(&id).is_some_and(|session| session.phase.is_open()) {
                    self.part(id, reason);
                }
                Ok(0)
            }
        }
    }

    fn receive_packet<'a>(&mut self, buffer: &'a mut [u8]) -> io::Result<(&'a [u8], SocketAddr)> {
        loop {
            if let Some(inbound) = self.inbox.pop_front() {
                let (session, bytes) = match inbound {
                    Inbound::Opened { session, dialed } => (session, Up::Opened { dialed }.write_signal(buffer)),
                    Inbound::Closed { session } => (session, Up::Closed.write_signal(buffer)),
                    Inbound::Datagram { session, payload } => {
                        buffer[..payload.len()].copy_from_slice(&payload);
                        (session, payload.len())
                    }
                };
                return Ok((&buffer[..bytes], SessionId::new(session).to_address()));
            }
            if self.budget == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.budget -= 1;
            let (length, from) = self.outlet.receive(&mut buffer[DATAGRAM_AT..]).ok_or(io::ErrorKind::WouldBlock)?;
            if let Some((session, payload)) = self.take_in(buffer, length, from) {
                return Ok((&buffer[payload], SessionId::new(session).to_address()));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.outlet.io.local_addr())
    }

    fn is_blocking_mode(&self) -> bool {
        false
    }
}

impl<G, D> fmt::Debug for SecureSocket<G, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecureSocket").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}
