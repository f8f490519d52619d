//! How a pod of the model gets and keeps the lease of its shard.

use darkages_topology::ShardId;

use super::Time;
use super::cx::Cx;
use super::mail::{Ask, Mail, Node};
use super::pod::{Pod, elapsed};
use super::store::{LEASE, Leased, ModelStore};
use crate::handoff::Event;

/// From one renewal to the next, and while the store does not answer.
const RENEW_EVERY: Time = 400_000;
const RETRY_EVERY: Time = 150_000;

/// The store counts as away when it has not answered for so long.
const UNREACHED_AFTER: Time = 450_000;

/// What a pod remembers of its lease.
#[derive(Debug, Default)]
pub struct LeaseKeeper {
    asked: Time,
    heard: Time,
    is_reached: bool,
    /// The shard that was asked for.
    wanted: Option<ShardId>,
}

impl Pod {
    /// Renews the lease, or acquires the one that the map asks for.
    pub fn keep_lease(&mut self, cx: &mut Cx, store: &ModelStore) {
        let serves = self.world.map.shard_of(self.index);
        let is_live = self.machine.as_ref().is_some_and(|machine| !machine.is_over());
        if is_live && serves != self.shard() {
            self.retire(cx, store);
            return;
        }
        let every = if is_live && self.lease.is_reached { RENEW_EVERY } else { RETRY_EVERY };
        if is_live && self.lease.is_reached && self.lease.heard + UNREACHED_AFTER < cx.now {
            self.reached(false, cx, store);
        }
        if cx.now < self.lease.asked + every {
            return;
        }
        self.lease.asked = cx.now;
        match self.machine.as_ref().filter(|machine| !machine.is_over()) {
            Some(machine) => self.ask(Ask::Renew { asked: cx.now, fence: machine.fence() }, cx),
            None => {
                self.lease.wanted = serves;
                if let Some(shard) = serves {
                    self.ask(Ask::Acquire { asked: cx.now, shard }, cx);
                }
            }
        }
        self.beat(cx);
    }

    /// Tells the operator how things are.
    fn beat(&mut self, cx: &mut Cx) {
        let serves = self.machine.as_ref().filter(|machine| !machine.is_over());
        let is_empty =
            self.is_retiring() && serves.is_some_and(|machine| machine.is_empty()) && self.world.players.is_empty();
        let serves = serves.map(|machine| machine.fence().shard);
        cx.send(self.node(), Node::Operator, Mail::Heartbeat { pod: self.index, serves, is_empty });
    }

    /// The map gives this pod something else to do: its shard has retired, or was given to somebody else.
    fn retire(&mut self, cx: &mut Cx, store: &ModelStore) {
        if let Some(fence) = self.machine.as_ref().map(|machine| machine.fence()) {
            self.step(Event::LeaseOver, cx, store);
            self.ask(Ask::GiveUp { fence }, cx);
        }
    }

    /// The store answered, or did not.
    pub fn reached(&mut self, is_reached: bool, cx: &mut Cx, store: &ModelStore) {
        if is_reached {
            self.lease.heard = cx.now;
        }
        if self.lease.is_reached != is_reached {
            self.lease.is_reached = is_reached;
            self.step(Event::StoreReach { reached: is_reached }, cx, store);
        }
    }

    /// An answer about the lease.
    pub fn leased(&mut self, asked: Time, leased: Leased, cx: &mut Cx, store: &ModelStore) {
        let me = self.machine.as_ref().filter(|machine| !machine.is_over()).map(|machine| machine.fence());
        let until = asked + LEASE;
        // A renewal of an incarnation that has stopped may come through late: it stays over all the same.
        let was_mine = |fence| self.machine.as_ref().is_some_and(|machine| machine.fence() == fence);
        match (leased, me) {
            (Leased::Granted(fence), None) if was_mine(fence) => self.ask(Ask::GiveUp { fence }, cx),
            (Leased::Granted(fence), Some(me)) if fence == me => {
                self.step(Event::Lease { until: elapsed(until) }, cx, store);
            }
            (Leased::Granted(fence), None) if Some(fence.shard) == self.world.map.shard_of(self.index) => {
                self.begin(fence, until, cx, store);
                self.step(Event::StoreReach { reached: true }, cx, store);
            }
            // An answer to a request of before: nobody acts under it.
            (Leased::Granted(fence), _) => self.ask(Ask::GiveUp { fence }, cx),
            (Leased::Over, Some(_)) => self.step(Event::LeaseOver, cx, store),
            (Leased::Over | Leased::Held, _) => {}
        }
    }
}
