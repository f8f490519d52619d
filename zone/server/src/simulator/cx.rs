//! What every part of the model shares: the time, the queue of what is on its way, the network's faults, the checks.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::Time;
use super::checks::Checks;
use super::mail::{Mail, Node};
use super::stats::Stats;
use super::trace::Trace;
use super::weather::Weather;

/// Something on its way.
struct Queued {
    at: Time,
    seq: u64,
    to: Node,
    mail: Mail,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    /// The earliest is the greatest, so that the heap gives it first; of two at the same time, the one sent first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

/// A broken link.
#[derive(Clone, Copy, Debug)]
struct Cut {
    from: u128,
    to: u128,
    until: Time,
}

/// Something that happens to a pod because it does an important step of a handoff.
#[derive(Clone, Copy, Debug)]
pub enum Strike {
    Kill(usize),
    Freeze(usize, Time),
    Cut(Node, Node, Time),
}

/// What every part of the model shares.
pub struct Cx {
    pub now: Time,
    pub rng: Pcg64Mcg,
    pub weather: Weather,
    pub checks: Checks,
    pub stats: Stats,
    pub trace: Trace,
    pub strikes: Vec<Strike>,
    queue: BinaryHeap<Queued>,
    seq: u64,
    cuts: Vec<Cut>,
}

impl Cx {
    pub fn new(rng: Pcg64Mcg, weather: Weather, trace: Trace) -> Self {
        let checks = Checks::new(weather.players);
        Self {
            now: 0,
            rng,
            weather,
            checks,
            stats: Stats::default(),
            trace,
            strikes: Vec::new(),
            queue: BinaryHeap::new(),
            seq: 0,
            cuts: Vec::new(),
        }
    }

    /// Takes the next thing that arrives, and lets the time pass until then.
    pub fn next(&mut self) -> Option<(Node, Mail)> {
        let Queued { at, to, mail, .. } = self.queue.pop()?;
        self.now = at;
        Some((to, mail))
    }

    /// Lets something arrive at a certain time.
    pub fn at(&mut self, at: Time, to: Node, mail: Mail) {
        self.seq += 1;
        self.queue.push(Queued { at, seq: self.seq, to, mail });
    }

    /// Sends a datagram: it may be lost, doubled, late and overtaken.
    pub fn send(&mut self, from: Node, to: Node, mail: Mail) {
        if self.is_cut(from, to) {
            return;
        }
        let loss = self.weather.loss;
        if loss > 0.0 && self.rng.random_bool(loss) {
            self.stats.datagrams_lost += 1;
            return;
        }
        if self.rng.random_bool(self.weather.duplicated) {
            let delay = self.delay();
            self.at(self.now + delay, to, mail.clone());
        }
        let delay = self.delay();
        self.at(self.now + delay, to, mail);
    }

    /// Sends a message on a reliable channel: what is lost is sent again, which takes time. A broken link loses it.
    pub fn send_reliably(&mut self, from: Node, to: Node, mail: Mail) {
        if self.is_cut(from, to) {
            return;
        }
        let mut delay = self.delay();
        while self.weather.loss > 0.0 && self.rng.random_bool(self.weather.loss) {
            delay += 60_000;
        }
        self.at(self.now + delay, to, mail);
    }

    fn delay(&mut self) -> Time {
        let (least, most) = self.weather.delay;
        self.rng.random_range(least..most)
    }

    /// Sends a request to the store.
    pub fn ask_store(&mut self, from: Node, mail: Mail) {
        if self.is_cut(from, Node::Store) || self.happens(self.weather.request_lost) {
            return;
        }
        let mut delay = self.store_delay();
        if self.happens(self.weather.request_late) {
            delay += self.rng.random_range(200_000..2_500_000);
        }
        self.at(self.now + delay, Node::Store, mail);
    }

    /// Sends the store's answer.
    pub fn answer(&mut self, to: Node, mail: Mail) {
        if !self.is_cut(Node::Store, to) && !self.happens(self.weather.answer_lost) {
            let delay = self.store_delay();
            self.at(self.now + delay, to, mail);
        }
    }

    fn store_delay(&mut self) -> Time {
        let (least, most) = self.weather.store_delay;
        self.rng.random_range(least..most)
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.min(1.0))
    }

    /// Breaks the links from every node in `from` to every node in `to`, both sets of [`Node::bit`].
    pub fn cut(&mut self, from: u128, to: u128, until: Time) {
        self.stats.cuts += 1;
        self.cuts.retain(|cut| cut.until > self.now);
        self.cuts.push(Cut { from, to, until });
    }

    /// Mends all links.
    pub fn mend(&mut self) {
        self.cuts.clear();
    }

    pub fn is_cut(&self, from: Node, to: Node) -> bool {
        let (from, to) = (from.bit(), to.bit());
        self.cuts.iter().any(|cut| cut.until > self.now && cut.from & from != 0 && cut.to & to != 0)
    }
}
