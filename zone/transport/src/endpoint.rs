//! One socket with many sessions: what the application holds.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use laminar::{Config, ConnectionManager, Packet, SocketEvent};

use crate::channel::Channel;
use crate::close::CloseReason;
use crate::config::{EndpointConfig, Limits};
use crate::conn::{MAX_MESSAGE_BYTES, MAX_UNRELIABLE_BYTES, MESSAGE_COST, ZoneConn};
use crate::error::{BindError, ConnectError, SendError};
use crate::fault::{FaultError, FaultLayer, FaultPlan};
use crate::gatekeeper::Gatekeeper;
use crate::ids::SessionId;
use crate::io::{DatagramIo, UdpIo, Waker};
use crate::keys::{KEY_BYTES, NoRandomness};
use crate::secure::{DialError, RECEIVE_BUFFER, SecureSocket};
use crate::stats::{SessionStats, Stats};

/// What happened on an endpoint. Its `Debug` form leaves out bytes, because they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Event {
    /// A session is open. On the accepting side `admission` is what the gatekeeper said; on the dialing side it is empty.
    Connected {
        /// The session.
        session: SessionId,
        /// What the gatekeeper said.
        admission: Vec<u8>,
    },
    /// A message arrived.
    Message {
        /// From whom.
        session: SessionId,
        /// The channel that it was sent on.
        channel: Channel,
        /// Its bytes.
        payload: Box<[u8]>,
    },
    /// A session is over, or a dialed one never came about. Not told of a session that the application closed itself.
    Closed {
        /// The session; its number means nothing from now on.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
}

/// One socket with many sessions, accepted and dialed. See the crate's documentation.
pub struct Endpoint<G: Gatekeeper, D: DatagramIo = UdpIo> {
    manager: ConnectionManager<SecureSocket<G, D>, ZoneConn>,
    events: VecDeque<Event>,
    last_poll: Instant,
}

impl<G: Gatekeeper> Endpoint<G> {
    /// Binds a UDP socket.
    ///
    /// # Errors
    /// When the system refuses, or the configuration cannot work.
    pub fn bind(config: EndpointConfig, gatekeeper: G, now: Instant) -> Result<Self, BindError> {
        config.limits.check().map_err(BindError::Limits)?;
        let io = UdpIo::bind(config.listen, &config.limits)
            .map_err(|source| BindError::Bind { listen: config.listen, source })?;
        Self::with_io(config, gatekeeper, io, now)
    }
}

impl<G: Gatekeeper, D: DatagramIo> Endpoint<G, D> {
    /// An endpoint over any datagram I/O; `config.listen` is not used.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn with_io(config: EndpointConfig, gatekeeper: G, io: D, now: Instant) -> Result<Self, BindError> {
        let EndpointConfig { listen: _, static_key, limits, fault, unix_now_s } = config;
        limits.check().map_err(BindError::Limits)?;
        let mut layer = FaultLayer::default();
        if let Some(plan) = &fault {
            plan.validate()?;
        }
        layer.set(fault);
        let laminar = Config {
            idle_connection_timeout: limits.idle_timeout,
            heartbeat_interval: Some(limits.keepalive),
            socket_polling_timeout: Some(limits.ack_delay),
            receive_buffer_max_size: RECEIVE_BUFFER,
            max_unestablished_connections: u16::MAX,
            ..Config::default()
        };
        let socket = SecureSocket::new(io, gatekeeper, static_key, limits, layer, (now, unix_now_s))?;
        Ok(Self { manager: ConnectionManager::new(socket, laminar), events: VecDeque::new(), last_poll: now })
    }

    /// The address that peers send to.
    pub fn local_addr(&self) -> SocketAddr {
        self.socket().outlet.io.local_addr()
    }

    /// The key that dialers must know.
    pub fn public_key(&self) -> [u8; KEY_BYTES] {
        self.socket().public_key()
    }

    /// Starts a handshake. [`Event::Connected`] or [`Event::Closed`] tells how it went.
    ///
    /// # Errors
    /// When it cannot even start.
    pub fn connect(
        &mut self,
        remote: SocketAddr,
        server_key: [u8; KEY_BYTES],
        psk: [u8; KEY_BYTES],
        sealed_token: &[u8],
        now: Instant,
    ) -> Result<SessionId, ConnectError> {
        self.manager.socket_mut().dial(remote, &server_key, &psk, sealed_token, now).map_err(|error| match error {
            DialError::TokenTooLong => ConnectError::TokenTooLong,
            DialError::TooManySessions => ConnectError::TooManySessions,
            DialError::BadServerKey => ConnectError::BadServerKey,
            DialError::NoRandomness => ConnectError::NoRandomness(NoRandomness),
        })
    }

    /// Queues a message; the next `flush` or `poll` sends it.
    ///
    /// # Errors
    /// When the session is not open, the message too long or a queue full. Nothing was queued then.
    pub fn send(
        &mut self,
        session: SessionId,
        channel: Channel,
        payload: &[u8],
        _now: Instant,
    ) -> Result<(), SendError> {
        let limit = if channel.is_reliable() { MAX_MESSAGE_BYTES } else { MAX_UNRELIABLE_BYTES };
        if payload.len() > limit {
            return Err(SendError::TooLong { limit });
        }
        self.manager.socket_mut().charge(session.get(), payload.len() + MESSAGE_COST)?;
        let packet: Packet = channel.packet(session.to_address(), payload.to_vec());
        self.manager.event_sender().send(packet).expect("the manager holds the other end");
        Ok(())
    }

    /// Ends a session: what was queued before is sent once more, the peer is told, and no event of this session follows.
    pub fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.manager.socket_mut().close(session.get(), reason);
        self.events.retain(|event| event.session() != session);
    }

    /// Takes in datagrams within the budget, runs what is due and sends what there is to send.
    pub fn poll(&mut self, now: Instant) {
        let room = self.limits().max_pending_events.saturating_sub(self.events.len());
        self.last_poll = now;
        self.run(now, self.limits().receive_budget.min(room));
    }

    /// Sends what is queued, without taking anything in.
    pub fn flush(&mut self, now: Instant) {
        self.run(now, 0);
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Waits until there is something to poll for: a datagram, a timer of this endpoint, the waker, or `deadline`. Datagrams end the wait at
    /// most once in [`Limits::coalesce`]. Reads the system's clock.
    pub fn wait(&mut self, deadline: Instant) {
        let until = self.next_timeout().map_or(deadline, |timeout| timeout.min(deadline));
        let batch = (self.last_poll + self.limits().coalesce).min(until);
        if !self.events.is_empty() || self.socket().has_news() {
            return;
        }
        let io = &mut self.manager.socket_mut().outlet.io;
        let pause = batch.saturating_duration_since(Instant::now());
        if !pause.is_zero() && io.wait(pause, true) {
            return;
        }
        let rest = until.saturating_duration_since(Instant::now());
        if !rest.is_zero() {
            io.wait(rest, false);
        }
    }

    /// When a timer of this endpoint is due, if any is.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.socket().next_timeout()
    }

    /// A handle that ends a wait from another thread.
    pub fn waker(&self) -> Waker {
        self.socket().outlet.io.waker()
    }

    /// What the endpoint did so far.
    pub fn stats(&self) -> &Stats {
        &self.socket().outlet.stats
    }

    /// What is known about one session.
    pub fn session_stats(&self, session: SessionId) -> Option<SessionStats> {
        self.socket().session_stats(session.get())
    }

    /// Changes the faults from now on; `None` makes the layer inert. What is delayed already keeps its time.
    ///
    /// # Errors
    /// When the plan cannot be followed; the one before stays.
    pub fn set_fault(&mut self, plan: Option<FaultPlan>) -> Result<(), FaultError> {
        if let Some(plan) = &plan {
            plan.validate()?;
        }
        self.manager.socket_mut().outlet.fault.set(plan);
        Ok(())
    }

    /// The gatekeeper, for example to tell it of new keys.
    pub fn gatekeeper_mut(&mut self) -> &mut G {
        self.manager.socket_mut().gatekeeper_mut()
    }

    fn run(&mut self, now: Instant, budget: usize) {
        self.manager.socket_mut().begin(now, budget);
        self.manager.manual_poll(now);
        self.manager.socket_mut().end();
        self.collect();
    }

    /// Turns what laminar and the socket tell into events.
    fn collect(&mut self) {
        while let Ok(event) = self.manager.event_receiver().try_recv() {
            let socket = self.manager.socket_mut();
            let event = match event {
                SocketEvent::Packet(packet) => {
                    let Some(session) = SessionId::from_address(&packet.addr()) else { continue };
                    if socket.is_silenced(session.get()) {
                        continue;
                    }
                    socket.outlet.stats.messages_in += 1;
                    Some(Event::Message { session, channel: Channel::of(&packet), payload: packet.payload().into() })
                }
                SocketEvent::Connect(address) => SessionId::from_address(&address).and_then(|session| {
                    let admission = socket.admission(session.get())?;
                    Some(Event::Connected { session, admission })
                }),
                SocketEvent::Disconnect(address) | SocketEvent::Timeout(address) => SessionId::from_address(&address)
                    .and_then(|session| {
                        let reason = socket.disconnected(session.get())?;
                        Some(Event::Closed { session, reason })
                    }),
            };
            self.events.extend(event);
        }
        while let Some((session, reason)) = self.manager.socket_mut().failed.pop_front() {
            self.events.push_back(Event::Closed { session, reason });
        }
    }

    fn socket(&self) -> &SecureSocket<G, D> {
        self.manager.socket()
    }

    fn limits(&self) -> &Limits {
        &self.socket().limits
    }
}

impl Event {
    /// The session that it is about.
    pub const fn session(&self) -> SessionId {
        match self {
            Self::Connected { session, .. } | Self::Message { session, .. } | Self::Closed { session, .. } => *session,
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { session, admission } => {
                write!(f, "Connected {{ {session:?}, admission: {} bytes }}", admission.len())
            }
            Self::Message { session, channel, payload } => {
                write!(f, "Message {{ {session:?}, {channel:?}, payload: {} bytes }}", payload.len())
            }
            Self::Closed { session, reason } => write!(f, "Closed {{ {session:?}, {reason:?} }}"),
        }
    }
}

/// laminar's own form would show its buffers, with what was opened last.
impl<G: Gatekeeper, D: DatagramIo> fmt::Debug for Endpoint<G, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("local_addr", &self.local_addr()).finish_non_exhaustive()
    }
}
