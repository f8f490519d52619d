//! The entities that one session has shown, by slot, with the history that deltas refer to.
//!
//! A record names its entity by a slot of this session and its baseline by the number of an older snapshot. A zone that
//! has once used a baseline never goes back to an older one, so older states are dropped as soon as a newer baseline is
//! named: the history is as long as the round trip, and [`HISTORY_NUMBERS`] snapshots at most.

use std::collections::HashMap;

use darkages_topology::EntityId;

use super::history::History;

/// Snapshot numbers for which a state is kept, at most.
pub const HISTORY_NUMBERS: u32 = 64;
/// Entities that one session can show: the slots of the protocol.
pub const MAX_SLOTS: usize = darkages_protocol::block::MAX_SLOTS as usize;

/// A delta against a state that this client does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slot {slot} has no state of snapshot {number}")]
pub struct MissingBaseline {
    /// The slot.
    pub slot: u16,
    /// The snapshot that was named.
    pub number: u32,
}

#[derive(Clone, Debug)]
struct Slot<S> {
    id: EntityId,
    history: History<S>,
}

/// The entities of one session.
#[derive(Clone, Debug)]
pub struct SlotTable<S> {
    slots: Vec<Option<Slot<S>>>,
    by_id: HashMap<EntityId, u16>,
}

impl<S> Default for SlotTable<S> {
    fn default() -> Self {
        Self { slots: Vec::new(), by_id: HashMap::new() }
    }
}

impl<S: Copy + Default> SlotTable<S> {
    /// Puts an entity into a slot. Returns the entity that was shown in this slot before, when it was another one, and
    /// whether `id` is new to this session.
    ///
    /// # Panics
    /// Never: slots beyond [`MAX_SLOTS`] are ignored, as a reader refuses them before.
    pub fn insert(&mut self, slot: u16, id: EntityId, number: u32, state: S) -> (Option<EntityId>, bool) {
        let index = usize::from(slot);
        if index >= MAX_SLOTS {
            return (None, false);
        }
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        if let Some(held) = &mut self.slots[index]
            && held.id == id
        {
            held.history.push(number, state);
            return (None, false);
        }
        let replaced = self.remove(slot);
        // The zone may move an entity to another slot; the old one is then empty.
        let moved = self.by_id.get(&id).copied().and_then(|old| self.remove(old));
        self.slots[index] = Some(Slot { id, history: History::new(number, state) });
        self.by_id.insert(id, slot);
        (replaced, moved.is_none())
    }

    /// The state that `slot` had in snapshot `number`.
    ///
    /// # Errors
    /// When it is not known, or no longer.
    pub fn baseline(&self, slot: u16, number: u32) -> Result<&S, MissingBaseline> {
        self.held(slot).and_then(|held| held.history.find(number)).ok_or(MissingBaseline { slot, number })
    }

    /// Adds the state of an entity in snapshot `number`, decoded against that of snapshot `against`, before which nothing
    /// is needed any more.
    pub fn update(&mut self, slot: u16, against: u32, number: u32, state: S) {
        if let Some(Some(held)) = self.slots.get_mut(usize::from(slot)) {
            held.history.forget_before(against);
            held.history.push(number, state);
        }
    }

    /// Brings slots into the processor's cache: reads that depend on nothing wait for memory together, those of the
    /// decoding that follows would wait one after another.
    pub fn fetch(&self, slots: impl Iterator<Item = u16>) {
        let ids = slots.filter_map(|slot| self.held(slot)).fold(0, |ids, held| ids ^ held.id.0);
        std::hint::black_box(ids);
    }

    /// Empties a slot and returns whom it showed.
    pub fn remove(&mut self, slot: u16) -> Option<EntityId> {
        let held = self.slots.get_mut(usize::from(slot))?.take()?;
        self.by_id.remove(&held.id);
        Some(held.id)
    }

    /// Whether this entity is shown.
    #[must_use]
    pub fn contains(&self, id: EntityId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The newest state of an entity.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&S> {
        self.newest(id).map(|(_, state)| state)
    }

    /// The newest state of an entity and the number of the snapshot that brought it.
    #[must_use]
    pub fn newest(&self, id: EntityId) -> Option<(u32, &S)> {
        let held = self.held(*self.by_id.get(&id)?)?;
        held.history.newest()
    }

    /// All entities with their newest states, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &S)> {
        self.slots.iter().flatten().filter_map(|held| held.history.newest().map(|(_, state)| (held.id, state)))
    }

    /// How many are shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether nobody is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn held(&self, slot: u16) -> Option<&Slot<S>> {
        self.slots.get(usize::from(slot))?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_there_until_a_newer_one_is_used() {
        let mut table = SlotTable::default();
        table.insert(5, EntityId(50), 1, 'a');
        table.update(5, 1, 2, 'b');
        table.update(5, 1, 3, 'c');
        assert_eq!((table.baseline(5, 1), table.baseline(5, 2)), (Ok(&'a'), Ok(&'b')));
        table.update(5, 2, 4, 'd');
        assert_eq!(table.baseline(5, 1), Err(MissingBaseline { slot: 5, number: 1 }));
        assert_eq!(table.newest(EntityId(50)), Some((4, &'d')));
        assert!(table.baseline(6, 1).is_err() && table.baseline(u16::MAX, 1).is_err());
    }

    #[test]
    fn history_is_bounded_even_when_the_zone_sends_keyframes_only() {
        let mut table = SlotTable::default();
        for number in 1..1_000 {
            table.insert(0, EntityId(1), number, number);
        }
        assert!(table.baseline(0, 999 - 63).is_ok() && table.baseline(0, 999 - 64).is_err());
    }

    #[test]
    fn slots_are_reused_and_entities_can_change_slots() {
        let mut table = SlotTable::default();
        assert_eq!(table.insert(1, EntityId(10), 1, 0), (None, true));
        assert_eq!(table.insert(1, EntityId(11), 2, 0), (Some(EntityId(10)), true));
        assert_eq!(table.insert(2, EntityId(11), 3, 0), (None, false));
        assert_eq!((table.len(), table.remove(1), table.remove(2)), (1, None, Some(EntityId(11))));
        assert!(table.is_empty());
        assert_eq!(table.insert(u16::MAX, EntityId(1), 1, 0), (None, false));
        assert!(table.is_empty());
    }
}
