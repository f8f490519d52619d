//! What a player sees, across zones.
//!
//! What flows in are the tables of decoded sessions; what flows out are entities by their world-wide id. A change of zone
//! replaces the table, but nobody respawns: what the old zone showed and the new zone has not yet shown is carried on for
//! [`GRACE`] ticks (invariant I6).

use std::collections::{HashMap, VecDeque};

use darkages_topology::{EntityId, Tick};

mod history;
mod table;

pub use table::{HISTORY_NUMBERS, MAX_SLOTS, MissingBaseline, SlotTable};

/// How long near entities of the old zone's view are kept after a change of zone, in ticks: four seconds, in which the new
/// zone has sent every ring of interest at least once, even to a crowd.
pub const GRACE: u64 = 240;
/// The same for far ones. A zone goes on showing what leaves its last ring for a while; the next zone shows it only once it
/// is inside, and whoever walks in from there needs seconds.
pub const FAR_GRACE: u64 = 360;
/// While the new zone says that its view still fills, what is carried stays for at least so many ticks more.
pub const FILLING_GRACE: u64 = 60;
/// However long that takes, nothing is carried for longer than so many ticks after a change of zone: 20 s.
pub const LONGEST_GRACE: u64 = 1_200;
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
    /// When it was shown again.
    pub back: Tick,
}

/// The part of the view that outlives a session: what is carried over, and what vanished a moment ago.
#[derive(Clone, Debug)]
pub struct View<S> {
    carried: HashMap<EntityId, Carried<S>>,
    /// When nothing is carried any more.
    carried_until: Tick,
    gone: VecDeque<(EntityId, Tick)>,
}

#[derive(Clone, Copy, Debug)]
struct Carried<S> {
    state: S,
    until: Tick,
}

impl<S> Default for View<S> {
    fn default() -> Self {
        Self { carried: HashMap::new(), carried_until: Tick(0), gone: VecDeque::new() }
    }
}

impl<S: Copy + Default> View<S> {
    /// An entity of the followed zone is shown that this zone has not shown before.
    pub fn appeared(&mut self, id: EntityId, tick: Tick) -> Option<Reappeared> {
        if self.carried.remove(&id).is_some() {
            return None;
        }
        let index = self.gone.iter().rposition(|(gone, _)| *gone == id)?;
        let (_, vanished) = self.gone.remove(index)?;
        (tick.since(vanished) <= REAPPEARS).then_some(Reappeared { id, vanished, back: tick })
    }

    /// The followed zone has taken an entity out of the view.
    pub fn vanished(&mut self, id: EntityId, tick: Tick) {
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back((id, tick));
    }

    /// The zone that showed `old` is followed no more. Everybody is carried on, until another zone is followed and for
    /// some ticks of its time.
    pub fn leave_behind(&mut self, old: &SlotTable<S>) {
        for (id, state) in old.iter() {
            self.carried.insert(id, Carried { state: *state, until: Tick(u64::MAX) });
        }
    }

    /// One entity is carried on until `until`: the followed zone has taken it away, but the next one shows it.
    pub fn carry(&mut self, id: EntityId, state: S, until: Tick) {
        self.carried.insert(id, Carried { state, until });
    }

    /// The zone that shows `new` is followed from now on: what it shows is carried no more, or appears now. The others are
    /// carried for as many ticks as `grace` says.
    pub fn follow(
        &mut self,
        new: &SlotTable<S>,
        tick: Tick,
        grace: impl Fn(&S) -> u64,
        mut report: impl FnMut(Reappeared),
    ) {
        for (id, _) in new.iter() {
            if let Some(reappeared) = self.appeared(id, tick) {
                report(reappeared);
            }
        }
        self.carried_until = tick.plus(LONGEST_GRACE);
        for carried in self.carried.values_mut() {
            carried.until = tick.plus(grace(&carried.state));
        }
    }

    /// The followed zone has not shown everything yet that it is going to show.
    pub fn still_fills(&mut self, tick: Tick) {
        let until = tick.plus(FILLING_GRACE).min(self.carried_until);
        for carried in self.carried.values_mut() {
            carried.until = carried.until.max(until);
        }
    }

    /// Lets go of what was carried for too long and forgets what vanished long ago.
    pub fn expire(&mut self, tick: Tick) {
        if !self.carried.is_empty() {
            let lapsed: Vec<EntityId> =
                self.carried.iter().filter(|(_, carried)| carried.until <= tick).map(|(id, _)| *id).collect();
            for id in lapsed {
                self.carried.remove(&id);
                self.vanished(id, tick);
            }
        }
        while self.gone.front().is_some_and(|(_, vanished)| tick.since(*vanished) > REAPPEARS) {
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
        view.expire(Tick(1_000_000));
        assert_eq!(view.carried_len(), 3);
        view.follow(&table(&[3]), Tick(100), |_| GRACE, |found| reports.push(found));
        assert_eq!(view.carried_len(), 2);
        assert_eq!(view.appeared(EntityId(1), Tick(150)), None);
        assert_eq!(view.carried_len(), 1);
        // The new zone never shows entity 2: it lapses, and may come back much later.
        view.expire(Tick(100 + GRACE));
        assert_eq!(view.carried_len(), 0);
        view.expire(Tick(100 + GRACE + REAPPEARS + 1));
        assert_eq!(view.appeared(EntityId(2), Tick(100 + GRACE + REAPPEARS + 1)), None);
        assert_eq!(reports, vec![]);
    }

    #[test]
    fn what_is_carried_stays_while_the_new_zone_says_that_its_view_fills() {
        let mut view = View::default();
        view.leave_behind(&table(&[1]));
        view.follow(&table(&[2]), Tick(100), |_| GRACE, |_| {});
        for tick in 100..=100 + 2 * GRACE {
            view.still_fills(Tick(tick));
            view.expire(Tick(tick));
        }
        assert_eq!(view.carried_len(), 1);
        view.expire(Tick(100 + 2 * GRACE + FILLING_GRACE));
        assert_eq!(view.carried_len(), 0);
        view.leave_behind(&table(&[1]));
        view.follow(&table(&[2]), Tick(10_000), |_| GRACE, |_| {});
        view.still_fills(Tick(10_000 + LONGEST_GRACE - 1));
        view.expire(Tick(10_000 + LONGEST_GRACE));
        assert_eq!(view.carried_len(), 0, "not for ever");
    }

    #[test]
    fn flicker_is_noticed_also_across_zones() {
        let mut view: View<u8> = View::default();
        view.vanished(EntityId(9), Tick(100));
        view.vanished(EntityId(8), Tick(100));
        let back = Reappeared { id: EntityId(9), vanished: Tick(100), back: Tick(130) };
        assert_eq!(view.appeared(EntityId(9), Tick(130)), Some(back));
        assert_eq!(view.appeared(EntityId(9), Tick(130)), None, "it is told once");
        let mut reports = Vec::new();
        view.follow(&table(&[8]), Tick(110), |_| GRACE, |found| reports.push(found.id));
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
