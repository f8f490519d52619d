//! Whether this incarnation may act: its lease, and what others say when the store does not answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use darkages_store::Fence;
use darkages_topology::ShardId;

use super::action::Action;
use super::core::{Core, Io};
use super::limits::{LEASE_MARGIN, PROBE_BEFORE, PROBE_EVERY, PROMISE};
use super::message::PeerMessage;

/// Whether this incarnation may act. Times are those of [`Moment::elapsed`](super::Moment::elapsed).
pub(super) struct Standing {
    is_over: bool,
    /// When this machine began. What its predecessor promised is over a [`PROMISE`] later.
    born: Option<Duration>,
    /// The lease may be relied upon until then.
    lease_until: Duration,
    /// Everybody who could take players from us has promised not to before then.
    promised_until: Duration,
    is_playing_on: bool,
    pub reaches_store: bool,
    round: u64,
    probe: Option<Probe>,
    /// To whom we promised, until when.
    promises: BTreeMap<ShardId, Duration>,
}

/// One round of asking whether anybody reaches the store.
struct Probe {
    sent: Duration,
    /// Peers whose answer is needed, because records are open to them.
    needed: BTreeSet<ShardId>,
    needs_operator: bool,
    is_answered: bool,
    is_reached: bool,
}

impl Standing {
    pub const fn new(lease_until: Duration) -> Self {
        Self {
            is_over: false,
            born: None,
            lease_until,
            promised_until: Duration::ZERO,
            is_playing_on: false,
            reaches_store: true,
            round: 0,
            probe: None,
            promises: BTreeMap::new(),
        }
    }

    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    pub const fn end(&mut self) {
        self.is_over = true;
    }

    pub fn extend(&mut self, until: Duration) {
        self.lease_until = self.lease_until.max(until);
        self.is_playing_on = false;
    }

    /// Whether the lease or a promise covers `now`.
    pub fn covers(&self, now: Duration) -> bool {
        !self.is_over && now + LEASE_MARGIN < self.lease_until.max(self.promised_until)
    }

    /// Whether the lease itself covers `now`. While a zone plays on it does not: what the store refuses then says only that
    /// the lease has to be renewed first.
    pub fn holds_lease(&self, now: Duration) -> bool {
        !self.is_over && now + LEASE_MARGIN < self.lease_until
    }

    /// Whether writes may be started: under the lease itself, with a store that answers.
    pub fn may_write(&self, now: Duration) -> bool {
        self.reaches_store && self.holds_lease(now)
    }

    /// Whether nothing that was promised to `shard` forbids to take its players.
    pub fn may_take_from(&self, shard: ShardId, now: Duration) -> bool {
        self.born.is_some_and(|born| now >= born + PROMISE)
            && self.promises.get(&shard).is_none_or(|&until| now >= until)
    }

    /// Answers a probe of `from`.
    pub fn answer(&mut self, from: Fence, round: u64, io: &mut Io<'_>) {
        // Who is over may come back as a new incarnation that knows of no promise, so it makes none.
        if self.is_over {
            return;
        }
        if !self.reaches_store {
            self.promises.insert(from.shard, io.now.elapsed + PROMISE);
        }
        io.send(from, PeerMessage::ProbeAnswer { round, reaches_store: self.reaches_store });
    }

    /// An answer to our probe came, from a peer or (`None`) the operator.
    pub fn answered(&mut self, round: u64, by: Option<ShardId>, reaches_store: bool, io: &mut Io<'_>) {
        let Some(probe) = self.probe.as_mut().filter(|_| round == self.round) else { return };
        probe.is_answered = true;
        probe.is_reached |= reaches_store;
        match by {
            Some(shard) => _ = probe.needed.remove(&shard),
            None => probe.needs_operator = false,
        }
        // Whoever could take a player must have promised; who cannot be asked may be the one who reaches the store.
        if !probe.is_reached && probe.needed.is_empty() && !probe.needs_operator && !self.reaches_store {
            self.promised_until = self.promised_until.max(probe.sent + PROMISE);
            if !self.is_playing_on && io.now.elapsed + LEASE_MARGIN >= self.lease_until {
                self.is_playing_on = true;
                io.push(Action::PlayingOn);
            }
        }
    }
}

impl Core {
    /// Asks around when the store does not answer and the lease runs out. `open_to` are the shards to which records are, or
    /// may be, open.
    pub fn probe(&mut self, open_to: impl FnOnce() -> BTreeSet<ShardId>, io: &mut Io<'_>) {
        let now = io.now.elapsed;
        let standing = &mut self.standing;
        standing.born.get_or_insert(now);
        standing.promises.retain(|_, until| *until > now);
        let is_due = !standing.reaches_store && standing.lease_until < now + PROBE_BEFORE;
        if standing.is_over || !is_due || standing.probe.as_ref().is_some_and(|probe| now < probe.sent + PROBE_EVERY) {
            return;
        }
        standing.round += 1;
        let round = standing.round;
        standing.probe = Some(Probe {
            sent: now,
            needed: open_to(),
            needs_operator: self.config.has_operator,
            is_answered: false,
            is_reached: false,
        });
        if self.config.has_operator {
            io.push(Action::ProbeOperator { round });
        }
        for peer in self.peers() {
            io.send(peer, PeerMessage::Probe { round });
        }
    }
}
