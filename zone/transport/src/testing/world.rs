//! Endpoints on a network in memory, in virtual time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use super::memory::{MemoryIo, MemoryNetwork};
use crate::config::EndpointConfig;
use crate::endpoint::{Endpoint, Event};
use crate::error::ConnectError;
use crate::gatekeeper::{Admitted, Gatekeeper, Refusal};
use crate::ids::SessionId;
use crate::keys::StaticKeypair;

/// Time never moves by more at once, so that nothing is answered unrealistically late.
const LONGEST_STEP: Duration = Duration::from_millis(10);
/// Time never moves by less, so that a run comes to its end whatever the timers say.
const SHORTEST_STEP: Duration = Duration::from_micros(100);
/// Rounds of polls at one moment; datagrams that are answered at once settle in a few.
const MAX_ROUNDS: usize = 16;

/// Lets everybody in whose token is 32 bytes, which are the pre-shared key; says the token back as admission.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenDoor;

impl Gatekeeper for OpenDoor {
    fn admit(&mut self, sealed_token: &[u8], _unix_now: u64) -> Result<Admitted, Refusal> {
        let psk = sealed_token.try_into().map_err(|_| Refusal(1))?;
        Ok(Admitted { psk, admission: sealed_token.to_vec() })
    }
}

/// Endpoints that can reach each other, and their common time.
#[derive(Debug)]
pub struct World<G: Gatekeeper = OpenDoor> {
    /// The network between them.
    pub network: MemoryNetwork,
    /// The endpoints, in the order of their making.
    pub endpoints: Vec<Endpoint<G, MemoryIo>>,
    now: Instant,
}

impl<G: Gatekeeper> World<G> {
    /// A world without endpoints.
    pub fn new() -> Self {
        Self { network: MemoryNetwork::new(), endpoints: Vec::new(), now: Instant::now() }
    }

    /// The virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The address of the endpoint that is made as the `index`th.
    pub fn address(index: usize) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 10_000 + index as u16)
    }

    /// Adds an endpoint after `adjust` has changed its configuration; answers its index.
    pub fn add(&mut self, gatekeeper: G, adjust: impl FnOnce(&mut EndpointConfig)) -> usize {
        let index = self.endpoints.len();
        let address = Self::address(index);
        let mut config =
            EndpointConfig::new(address, StaticKeypair::from_private([index as u8 + 1; 32]), 1_700_000_000);
        adjust(&mut config);
        let io = self.network.bind(address).expect("every index has its own address");
        let endpoint = Endpoint::with_io(config, gatekeeper, io, self.now).expect("the test's configuration works");
        self.endpoints.push(endpoint);
        index
    }

    /// Dials from one endpoint to another with a token that [`OpenDoor`] takes.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub fn dial(&mut self, from: usize, to: usize, psk: [u8; 32]) -> Result<SessionId, ConnectError> {
        let (address, key) = (self.endpoints[to].local_addr(), self.endpoints[to].public_key());
        self.endpoints[from].connect(address, key, psk, &psk, self.now)
    }

    /// Polls one endpoint at this moment.
    pub fn poll(&mut self, index: usize) {
        self.endpoints[index].poll(self.now);
    }

    /// Polls all endpoints until nothing more moves at this moment.
    pub fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let before = self.datagrams();
            for endpoint in &mut self.endpoints {
                endpoint.poll(self.now);
            }
            if self.datagrams() == before {
                return;
            }
        }
    }

    /// Settles, then moves time to the next timer (by 10 ms at most).
    pub fn step(&mut self) {
        self.settle();
        let next = self.endpoints.iter().filter_map(Endpoint::next_timeout).min();
        let latest = self.now + LONGEST_STEP;
        self.now = next.map_or(latest, |next| next.clamp(self.now + SHORTEST_STEP, latest));
    }

    /// Steps until `done` says so; `false` when `limit` of virtual time passed before.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            self.step();
            if done(self) {
                return true;
            }
        }
        false
    }

    /// Lets `time` of virtual time pass.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Dials and waits until both sides are connected, for at most `limit`. Answers the session at the dialer and at the acceptor. Other
    /// events of the two endpoints that come meanwhile are dropped.
    pub fn open(&mut self, from: usize, to: usize, psk: [u8; 32], limit: Duration) -> Option<(SessionId, SessionId)> {
        let dialed = self.dial(from, to, psk).ok()?;
        let (mut here, mut there) = (None, None);
        self.run_until(limit, |world| {
            here = here.or(world.next_connected(from));
            there = there.or(world.next_connected(to));
            here.is_some() && there.is_some()
        });
        (here? == dialed).then_some((dialed, there?))
    }

    fn next_connected(&mut self, index: usize) -> Option<SessionId> {
        std::iter::from_fn(|| self.endpoints[index].next_event()).find_map(|event| match event {
            Event::Connected { session, .. } => Some(session),
            Event::Message { .. } | Event::Closed { .. } => None,
        })
    }

    /// The events of one endpoint so far.
    pub fn events(&mut self, index: usize) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoints[index].next_event()).collect()
    }

    fn datagrams(&self) -> u64 {
        self.endpoints.iter().map(|endpoint| endpoint.stats().datagrams_in).sum()
    }
}

impl<G: Gatekeeper> Default for World<G> {
    fn default() -> Self {
        Self::new()
    }
}
