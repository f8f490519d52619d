//! Faults on purpose, under the sealing: what tests in virtual time and chaos experiments both use.
//!
//! A plan says what happens to datagrams on their way out and in. Every decision is drawn from a generator that is seeded by the
//! plan and the peer's address, so the same datagrams in the same order meet the same fate. Without a plan the layer costs one branch.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_pcg::Pcg32;
use thiserror::Error;

use crate::stats::DropReason;

/// Delayed datagrams at most; more are dropped and counted.
pub const MAX_DELAYED: usize = 32_768;
/// Longest delay that a plan may ask for.
pub const MAX_DELAY: Duration = Duration::from_secs(60);
/// Generators, shared by peers with the same hash so that spoofed addresses cannot grow memory.
const STREAMS: usize = 1024;

/// What to do to datagrams.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FaultPlan {
    /// Seed of every decision.
    pub seed: u64,
    /// What happens on the way out.
    pub egress: LinkFaults,
    /// What happens on the way in.
    pub ingress: LinkFaults,
    /// Peers that cannot be reached or heard.
    pub partitions: Vec<Partition>,
}

/// What one direction suffers. Probabilities are between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkFaults {
    /// Probability that a datagram is lost.
    pub loss: f64,
    /// Probability that a datagram arrives twice.
    pub duplicate: f64,
    /// Probability that a datagram is held back by `reorder_by`, so that later ones overtake it.
    pub reorder: f64,
    /// How long a reordered datagram is held back.
    pub reorder_by: Duration,
    /// Delay of every datagram.
    pub delay: Duration,
    /// Additional delay, uniform between zero and this.
    pub jitter: Duration,
}

/// A cut towards some peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which peers.
    pub peer: PeerMatch,
    /// Which way nothing passes.
    pub direction: Direction,
}

/// Which peers a partition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerMatch {
    /// All of them.
    Any,
    /// One socket.
    Address(SocketAddr),
    /// Every socket of one host.
    Host(IpAddr),
}

/// Which way nothing passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Nothing arrives.
    Inbound,
    /// Nothing leaves.
    Outbound,
    /// Neither.
    Both,
}

/// A plan that cannot be followed.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum FaultError {
    /// A probability outside 0 to 1.
    #[error("{field} must be a probability between 0 and 1, not {value}")]
    Probability {
        /// The field at fault.
        field: &'static str,
        /// What it said.
        value: f64,
    },
    /// A delay beyond [`MAX_DELAY`].
    #[error("{field} must be at most {MAX_DELAY:?}, not {value:?}")]
    Delay {
        /// The field at fault.
        field: &'static str,
        /// What it said.
        value: Duration,
    },
}

impl FaultError {
    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Probability { .. } => "fault_probability",
            Self::Delay { .. } => "fault_delay",
        }
    }
}

impl FaultPlan {
    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// Names the first field that is not.
    pub fn validate(&self) -> Result<(), FaultError> {
        for link in [&self.egress, &self.ingress] {
            for (field, value) in [("loss", link.loss), ("duplicate", link.duplicate), ("reorder", link.reorder)] {
                if !(0.0..=1.0).contains(&value) {
                    return Err(FaultError::Probability { field, value });
                }
            }
            for (field, value) in [("reorder_by", link.reorder_by), ("delay", link.delay), ("jitter", link.jitter)] {
                if value > MAX_DELAY {
                    return Err(FaultError::Delay { field, value });
                }
            }
        }
        Ok(())
    }
}

impl PeerMatch {
    fn matches(self, peer: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Address(address) => address == peer,
            Self::Host(host) => host.to_canonical() == peer.ip().to_canonical(),
        }
    }
}

/// Which way a datagram is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    In,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Goes on at once.
    Pass,
    /// Is kept here and comes out of [`FaultLayer::release`] when its time has come.
    Held,
    /// Is gone.
    Dropped(DropReason),
}

/// The layer itself: follows the current plan and keeps what is delayed.
#[derive(Debug, Default)]
pub(crate) struct FaultLayer {
    plan: Option<Active>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    counter: u64,
}

#[derive(Debug)]
struct Active {
    plan: FaultPlan,
    streams: Vec<[Pcg32; 2]>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delayed {
    release: Instant,
    counter: u64,
    pub(crate) way: Way,
    pub(crate) peer: SocketAddr,
    pub(crate) datagram: Box<[u8]>,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.release, self.counter).cmp(&(other.release, other.counter))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FaultLayer {
    /// Follows `plan` from now on. What is delayed already keeps its time.
    pub(crate) fn set(&mut self, plan: Option<FaultPlan>) {
        self.plan = plan.map(|plan| {
            let streams = (0..STREAMS as u64)
                .map(|stream| [Pcg32::new(plan.seed, 2 * stream), Pcg32::new(plan.seed, 2 * stream + 1)])
                .collect();
            Active { plan, streams }
        });
    }

    /// Decides about one datagram.
    pub(crate) fn judge(&mut self, way: Way, peer: SocketAddr, datagram: &[u8], now: Instant) -> Fate {
        let Some(active) = &mut self.plan else { return Fate::Pass };
        if active.plan.partitions.iter().any(|cut| cut.stops(way, peer)) {
            return Fate::Dropped(DropReason::FaultPartition);
        }
        let faults = match way {
            Way::Out => active.plan.egress,
            Way::In => active.plan.ingress,
        };
        if faults == LinkFaults::default() {
            return Fate::Pass;
        }
        let mut hasher = DefaultHasher::new();
        peer.hash(&mut hasher);
        let rng = &mut active.streams[hasher.finish() as usize % STREAMS][way as usize];
        // Every draw is made for every datagram, so that one fault's setting does not shift the fate of later datagrams.
        let [loss, duplicate, reorder, jitter, again]: [f64; 5] = rng.random();
        if loss < faults.loss {
            return Fate::Dropped(DropReason::FaultLoss);
        }
        let mut delay = faults.delay + faults.jitter.mul_f64(jitter);
        if reorder < faults.reorder {
            delay += faults.reorder_by;
        }
        if duplicate < faults.duplicate {
            let copy = faults.delay + faults.jitter.mul_f64(again);
            self.hold(Delayed { release: now + copy, counter: 0, way, peer, datagram: datagram.into() });
        }
        if delay.is_zero() {
            return Fate::Pass;
        }
        if self.hold(Delayed { release: now + delay, counter: 0, way, peer, datagram: datagram.into() }) {
            Fate::Held
        } else {
            Fate::Dropped(DropReason::FaultQueueFull)
        }
    }

    /// When the next delayed datagram is due.
    pub(crate) fn next_release(&self) -> Option<Instant> {
        self.delayed.peek().map(|Reverse(delayed)| delayed.release)
    }

    /// The next delayed datagram whose time has come.
    pub(crate) fn release(&mut self, now: Instant) -> Option<Delayed> {
        if self.next_release()? > now {
            return None;
        }
        self.delayed.pop().map(|Reverse(delayed)| delayed)
    }

    fn hold(&mut self, mut delayed: Delayed) -> bool {
        if self.delayed.len() >= MAX_DELAYED {
            return false;
        }
        // The counter keeps datagrams with the same release time in their order.
        delayed.counter = self.counter;
        self.counter += 1;
        self.delayed.push(Reverse(delayed));
        true
    }
}

impl Partition {
    fn stops(&self, way: Way, peer: SocketAddr) -> bool {
        let direction = match way {
            Way::Out => Direction::Outbound,
            Way::In => Direction::Inbound,
        };
        (self.direction == Direction::Both || self.direction == direction) && self.peer.matches(peer)
    }
}
