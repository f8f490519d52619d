//! The sockets of a swarm. Many bots share one: a socket for each would cost a system call for each datagram.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use darkages_topology::world::TICK_RATE_HZ;
use darkages_transport::{
    Channel, CloseReason, Endpoint, EndpointConfig, Event, FaultPlan, RefuseAll, SessionId, StaticKeypair,
};

use super::SwarmError;
use crate::directory::Door;
use crate::player::Link;

/// Bots that share one socket, at most.
pub(super) const BOTS_PER_LINE: u32 = 48;
/// Inputs that are made late, at most, when the thread was held up; older ones are skipped.
const MOST_LATE_INPUTS: u64 = 6;

/// Datagrams that one look at a socket takes in, at most: a little over a millisecond of work.
const RECEIVE_BUDGET: usize = 64;
/// Bytes that the kernel may hold for one socket, which it doubles: a tenth of a second of snapshots. What a late swarm has not
/// read by then is better lost than late: a queue here is seen as latency of the world.
const RECEIVE_BUFFER_BYTES: usize = 128 * 1024;

/// One socket and who sits at it.
pub(super) struct Line {
    pub(super) endpoint: Endpoint<RefuseAll>,
    pub(super) bots: Vec<u32>,
    sessions: HashMap<SessionId, u32>,
    /// Whether something was queued since the last flush.
    queued: bool,
    began: Instant,
    /// Inputs of each bot that were due before.
    inputs: u64,
}

/// One bot's place at a line.
pub(super) struct Seat<'a> {
    endpoint: &'a mut Endpoint<RefuseAll>,
    sessions: &'a mut HashMap<SessionId, u32>,
    queued: &'a mut bool,
    bot: u32,
}

impl Line {
    /// A line whose first inputs are due at `began`.
    pub(super) fn open(
        bots: Vec<u32>,
        fault: Option<FaultPlan>,
        began: Instant,
        now: Instant,
    ) -> Result<Self, SwarmError> {
        let key = StaticKeypair::generate().map_err(SwarmError::Key)?;
        let unix_now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut config = EndpointConfig::new(anywhere, key, unix_now_s);
        config.fault = fault;
        config.limits.receive_budget = RECEIVE_BUDGET;
        config.limits.receive_buffer_bytes = RECEIVE_BUFFER_BYTES;
        let endpoint = Endpoint::bind(config, RefuseAll, now).map_err(SwarmError::Socket)?;
        Ok(Self { endpoint, bots, sessions: HashMap::new(), queued: false, began, inputs: 0 })
    }

    /// When the next inputs are due: an absolute deadline, computed from their number so that no error adds up.
    pub(super) fn due(&self) -> Instant {
        self.began + Duration::from_nanos(self.inputs * 1_000_000_000 / u64::from(TICK_RATE_HZ))
    }

    /// How many inputs of each bot are due now, and how many are so late that they are not made any more.
    pub(super) fn take_due(&mut self, now: Instant) -> (u64, u64) {
        let Some(since) = now.checked_duration_since(self.began) else { return (0, 0) };
        let should = (since.as_nanos() * u128::from(TICK_RATE_HZ) / 1_000_000_000) as u64 + 1;
        let due = should.saturating_sub(self.inputs);
        self.inputs = self.inputs.max(should);
        (due.min(MOST_LATE_INPUTS), due.saturating_sub(MOST_LATE_INPUTS))
    }

    /// The place of one bot.
    pub(super) fn seat(&mut self, bot: u32) -> Seat<'_> {
        Seat { endpoint: &mut self.endpoint, sessions: &mut self.sessions, queued: &mut self.queued, bot }
    }

    /// Sends what was queued, in one go.
    pub(super) fn flush(&mut self, now: Instant) {
        if std::mem::take(&mut self.queued) {
            self.endpoint.flush(now);
        }
    }

    /// The next event and the bot that it is for.
    pub(super) fn next_event(&mut self) -> Option<(u32, Event)> {
        while let Some(event) = self.endpoint.next_event() {
            let (Event::Connected { session, .. } | Event::Message { session, .. } | Event::Closed { session, .. }) =
                &event;
            let session = *session;
            let bot = self.sessions.get(&session).copied();
            if matches!(event, Event::Closed { .. }) {
                self.sessions.remove(&session);
            }
            if let Some(bot) = bot {
                return Some((bot, event));
            }
        }
        None
    }
}

impl Seat<'_> {
    /// The same place for a shorter time.
    pub(super) fn again(&mut self) -> Seat<'_> {
        Seat { endpoint: self.endpoint, sessions: self.sessions, queued: self.queued, bot: self.bot }
    }
}

impl Link for Seat<'_> {
    type Session = SessionId;

    fn connect(&mut self, door: &Door, now: Instant) -> Option<SessionId> {
        let session = self.endpoint.connect(door.address, door.server_key, door.psk, &door.sealed, now).ok()?;
        self.sessions.insert(session, self.bot);
        *self.queued = true;
        Some(session)
    }

    fn send(&mut self, session: SessionId, channel: Channel, payload: &[u8], now: Instant) -> bool {
        *self.queued = true;
        self.endpoint.send(session, channel, payload, now).is_ok()
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.sessions.remove(&session);
        *self.queued = true;
        self.endpoint.close(session, reason);
    }
}
