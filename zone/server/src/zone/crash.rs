//! Crashes on order, for tests and chaos experiments. Without an order nothing here costs more than a look at an `Option`.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use darkages_store::{Fence, Swap, Swapped};
use darkages_topology::{PlayerId, ShardId};
use rustix::process::{Signal, getpid, kill_process};

use super::Zone;
use crate::handoff::{CrashPoint, StoreAnswer};
use crate::play::Play;

/// A request counts as under way when it was asked for so long ago: long enough to have left, too short for the answer to be
/// certain.
const UNDER_WAY: Duration = Duration::from_millis(1);

/// An order to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashOrder {
    /// Where.
    pub point: CrashPoint,
    /// The how manieth time the zone gets there, counted from the order on; 1 for the next.
    pub visit: NonZeroU32,
    /// Only in handoffs with this shard; `None` for any.
    pub with: Option<ShardId>,
}

impl CrashOrder {
    /// Counts a visit to a point, with the other side where it is known. Says whether it is the one.
    fn is_due(&mut self, point: CrashPoint, with: Option<ShardId>) -> bool {
        let is_other = self.with.is_some_and(|wanted| with.is_some_and(|with| with != wanted));
        if self.point != point || is_other {
            return false;
        }
        match NonZeroU32::new(self.visit.get() - 1) {
            Some(left) => self.visit = left,
            None => return true,
        }
        false
    }
}

impl<G: Play> Zone<G> {
    /// This zone has come to a point, in a handoff with another shard where that is known. If it was told to crash here, it
    /// does: what the point names has left, or is under way, everything else is lost.
    pub(super) fn reached(&mut self, point: impl Into<Option<CrashPoint>>, with: impl Into<Option<ShardId>>) {
        let Some(order) = &mut self.crash else { return };
        let Some(point) = point.into() else { return };
        if !order.is_due(point, with.into()) {
            return;
        }
        if point.has_left() {
            self.endpoint.flush(Instant::now());
        }
        if point.is_under_way() {
            std::thread::sleep(UNDER_WAY);
        }
        // As kill -9 would: no destructor runs and nothing is flushed. The call does not return unless the system refuses it.
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort();
    }

    /// The commit of a handoff among these swaps, and its taker. Looked for only while there is an order.
    pub(super) fn commit_among(&self, swaps: &[Swap], me: Fence) -> Option<(CrashPoint, ShardId)> {
        self.crash?;
        swaps.iter().find_map(|swap| CrashPoint::asked(&swap.next, me))
    }

    /// The taker, when this answer says that a handoff of the player is committed.
    pub(super) fn taker_of_commit(&self, player: PlayerId, answer: &StoreAnswer) -> Option<ShardId> {
        self.crash?;
        let is_done = *answer == StoreAnswer::Swapped(Swapped::Done);
        self.life.as_ref().filter(|_| is_done)?.machine.committing_to(player)
    }

    /// What this answer shows to a zone that waits for a player: that the giver has committed, and who that is.
    pub(super) fn commit_in(&self, player: PlayerId, answer: &StoreAnswer) -> Option<(CrashPoint, ShardId)> {
        self.crash?;
        let machine = &self.life.as_ref()?.machine;
        match answer {
            StoreAnswer::Looked(Some(record)) if !machine.acts_for(player) => {
                CrashPoint::seen(record, machine.fence().shard)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_visit_that_was_ordered_is_the_one() {
        let visit = NonZeroU32::new(2).expect("not zero");
        let mut order = CrashOrder { point: CrashPoint::Committed, visit, with: Some(ShardId(7)) };
        assert!(!order.is_due(CrashPoint::Released, Some(ShardId(7))), "another point");
        assert!(!order.is_due(CrashPoint::Committed, Some(ShardId(8))), "another shard");
        assert!(!order.is_due(CrashPoint::Committed, Some(ShardId(7))), "the first visit");
        assert!(order.is_due(CrashPoint::Committed, Some(ShardId(7))));
    }
}
