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
mod traffic;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use laminar::DatagramSocket;
use ring::rand::{SecureRandom, SystemRandom};

pub(crate) use self::greet::DialError;
use self::header::MAX_DATAGRAM;
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
use crate::local::{Down, UP_PREFIX, Up};

/// Where a datagram is put in laminar's buffer: the shortest header and this are exactly as long as the prefix that replaces them.
const DATAGRAM_AT: usize = UP_PREFIX - header::SHORT_HEADER;
/// Bytes of laminar's buffer: a datagram of the largest size and enough of a longer one to see that it is.
pub(crate) const RECEIVE_BUFFER: usize = DATAGRAM_AT + MAX_DATAGRAM + 1;

/// What waits to go up besides the datagrams on the socket.
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
            limiter: SourceLimiter::new(limits.handshakes_per_source_per_s, limits.handshakes_per_s, now),
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
