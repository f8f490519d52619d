//! What a player sees, across zones.
//!
//! What flows in are the tables of decoded sessions; what flows out are entities by their world-wide id. A change of zone
//! replaces the table, but nobody respawns: what the old zone showed and the new zone has not yet shown is carried on while
//! the new one says that its view still fills (invariant I6). Then it is let go at once: whatever the zone has not shown by
//! then stands far beyond its reach, and needs longer to come near than an entity may not come back within.

use std::collections::{HashMap, VecDeque};

use darkages_topology::{EntityId, Tick};

mod history;
mod table;

pub use table::{HISTORY_NUMBERS, MAX_SLOTS, MissingBaseline, SlotTable};

/// However long a view fills, nothing is carried for longer than so many ticks after a change of zone: 20 s.
pub const LONGEST_GRACE: u64 = 1_200;
/// What the followed zone takes away while the next one shows it is carried for so many ticks: as long as a handoff takes.
pub const HANDOFF_GRACE: u64 = 240;
/// An entity that vanishes must not reappear within so many ticks (I6).
pub const REAPPEARS: u64 = 30;
/// Vanished entities that are remembered, at most.
const MAX_GONE: usize = 1_024;

/// An entity that vanished and came back too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reappeared {
    /// Which.
    pub id: EntityId,
    /// When it was no longer shown.
    pub vanished: Tick,
    /// Whether it had been carried over from another zone and was let go.
    pub was_carried: bool,
    /// When it was shown again.
    pub back: Tick,
}

/// The part of the view that outlives a session: what is carried over, and what vanished a moment ago.
#[derive(Clone, Debug)]
pub struct View<S> {
    carried: HashMap<EntityId, Carried<S>>,
    gone: VecDeque<Gone>,
}

#[derive(Clone, Copy, Debug)]
struct Carried<S> {
    state: S,
    until: Tick,
    /// Whether it goes as soon as the view of the followed zone is filled.
    fills: bool,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    id: EntityId,
    at: Tick,
    was_carried: bool,
}

impl<S> Default for View<S> {
    fn default() -> Self {
        Self { carried: HashMap::new(), gone: VecDeque::new() }
    }
}

impl<S: Copy + Default> View<S> {
    /// An entity of the followed zone is shown that this zone has not shown before.
    pub fn appeared(&mut self, id: EntityId, tick: Tick) -> Option<Reappeared> {
        if self.carried.remove(&id).is_some() {
            return None;
        }
        let index = self.gone.iter().rposition(|gone| gone.id == id)?;
        let Gone { at: vanished, was_carried, .. } = self.gone.remove(index)?;
        (tick.since(vanished) <= REAPPEARS).then_some(Reappeared { id, vanished, was_carried, back: tick })
    }

    /// The followed zone has taken an entity out of the view.
    pub fn vanished(&mut self, id: EntityId, tick: Tick) {
        self.note_gone(Gone { id, at: tick, was_carried: false });
    }

    fn note_gone(&mut self, gone: Gone) {
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(gone);
    }

    /// The zone that showed `old` is followed no more. Everybody is carried on, until another zone is followed and for
    /// some ticks of its time.
    pub fn leave_behind(&mut self, old: &SlotTable<S>) {
        for (id, state) in old.iter() {
            self.carried.insert(id, Carried { state: *state, until: Tick(u64::MAX), fills: false });
        }
    }

    /// One entity is carried on: the followed zone has taken it away at `tick`, but the next one shows it.
    pub fn carry(&mut self, id: EntityId, state: S, tick: Tick) {
        self.carried.insert(id, Carried { state, until: tick.plus(HANDOFF_GRACE), fills: false });
    }

    /// The zone that shows `new` is followed from now on: what it shows is carried no more, or appears now. The others are
    /// carried until its view is filled.
    pub fn follow(&mut self, new: &SlotTable<S>, tick: Tick, mut report: impl FnMut(Reappeared)) {
        for (id, _) in new.iter() {
            if let Some(reappeared) = self.appeared(id, tick) {
                report(reappeared);
            }
        }
        for carried in self.carried.values_mut() {
            (carried.until, carried.fills) = (tick.plus(LONGEST_GRACE), true);
        }
    }

    /// Lets go of what was carried for long enough, and forgets what vanished long ago. `filling`: whether the followed zone
    /// says that it has not shown everything yet.
    pub fn expire(&mut self, tick: Tick, filling: bool) {
        if !self.carried.is_empty() {
            let is_over = |carried: &Carried<S>| carried.until <= tick || (carried.fills && !filling);
            let over: Vec<EntityId> =
                self.carried.iter().filter(|(_, carried)| is_over(carried)).map(|(id, _)| *id).collect();
            for id in over {
                self.carried.remove(&id);
                self.note_gone(Gone { id, at: tick, was_carried: true });
            }
        }
        while self.gone.front().is_some_and(|gone| tick.since(gone.at) > REAPPEARS) {
            self.gone.pop_front();
        }
    }

    /// The state in which an entity is carried on.
    #[must_use]
    pub fn carried(&self, id: EntityId) -> Option<&S> {
        self.carried.get(&id).map(|carried| &carried.state)
    }

    /// All entities that are carried on.
    pub fn iter_carried(&self) -> impl Iterator<Item = (EntityId, &S)> {
        self.carried.iter().map(|(id, carried)| (*id, &carried.state))
    }

    /// How many are carried on.
    #[must_use]
    pub fn carried_len(&self) -> usize {
        self.carried.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(ids: &[u64]) -> SlotTable<u8> {
        let mut table = SlotTable::default();
        for (slot, id) in ids.iter().enumerate() {
            table.insert(slot as u16, EntityId(*id), 1, 7);
        }
        table
    }

    #[test]
    fn a_change_of_zone_respawns_nobody() {
        let mut view = View::default();
        let mut reports = Vec::new();
        view.leave_behind(&table(&[1, 2, 3]));
        // However long nobody is followed, nobody vanishes.
        view.expire(Tick(1_000_000), false);
        assert_eq!(view.carried_len(), 3);
        view.follow(&table(&[3]), Tick(100), |found| reports.push(found));
        view.expire(Tick(140), true);
        assert_eq!(view.carried_len(), 2);
        assert_eq!(view.appeared(EntityId(1), Tick(150)), None);
        assert_eq!(view.carried_len(), 1);
        // The new zone has shown all that it is going to, and entity 2 is not among it: it may come back much later.
        view.expire(Tick(280), false);
        assert_eq!(view.carried_len(), 0);
        view.expire(Tick(280 + REAPPEARS + 1), false);
        assert_eq!(view.appeared(EntityId(2), Tick(280 + REAPPEARS + 1)), None);
        assert_eq!(reports, vec![]);
    }

    #[test]
    fn nothing_is_carried_for_ever() {
        let mut view = View::default();
        view.leave_behind(&table(&[1]));
        view.follow(&table(&[2]), Tick(100), |_| {});
        view.carry(EntityId(5), 7, Tick(100));
        view.expire(Tick(100 + HANDOFF_GRACE - 1), true);
        assert_eq!(view.carried_len(), 2);
        view.expire(Tick(100 + HANDOFF_GRACE), true);
        assert_eq!(view.carried_len(), 1);
        view.expire(Tick(100 + LONGEST_GRACE), true);
        assert_eq!(view.carried_len(), 0);
    }

    #[test]
    fn flicker_is_noticed_also_across_zones() {
        let mut view: View<u8> = View::default();
        view.vanished(EntityId(9), Tick(100));
        view.vanished(EntityId(8), Tick(100));
        let back = Reappeared { id: EntityId(9), vanished: Tick(100), was_carried: false, back: Tick(130) };
        assert_eq!(view.appeared(EntityId(9), Tick(130)), Some(back));
        assert_eq!(view.appeared(EntityId(9), Tick(130)), None, "it is told once");
        let mut reports = Vec::new();
        view.follow(&table(&[8]), Tick(110), |found| reports.push(found.id));
        assert_eq!(reports, vec![EntityId(8)]);
    }

    #[test]
    fn what_vanished_is_remembered_within_a_bound() {
        let mut view: View<u8> = View::default();
        for id in 0..10_000 {
            view.vanished(EntityId(id), Tick(1));
        }
        assert_eq!(view.gone.len(), MAX_GONE);
    }
}
