//! What one client is shown: which entities have a slot, what it has acknowledged of each, and what to send next.
//!
//! What flows in are the entities around the client, once a snapshot, and its acknowledgements; what flows out is an entity
//! block within a byte budget. A delta always names a snapshot that this client acknowledged (invariant I7). What does not
//! fit grows older and comes first the next time, weighted by how near it stands.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use darkages_protocol::{Age, BlockWriter, EntityState, Slot, SnapshotNumber};
use darkages_topology::world::{INTEREST_RINGS, UNITS_PER_METRE};
use darkages_topology::{EntityId, Position};

use super::scene::Scene;

/// Entities that one client has slots for, at most. Slots are given out nearest first, so a crowd beyond it hides its rim.
pub const MAX_TRACKED: usize = 2_048;

/// An entity that is shown stays shown until it is this much beyond the last ring, in metres, so that nothing flickers there.
const HYSTERESIS_M: i32 = 20;

/// States of one entity that wait for an acknowledgement, at most. Older ones are forgotten: their acknowledgement, should it
/// come, only makes the next delta a little longer.
const MAX_PENDING: usize = 4;

/// Snapshots whose contents are remembered, so that an acknowledgement finds its entities: what an age can name.
const REMEMBERED: usize = 64;

/// Age at which an entity of weight 100 is due, in percent of snapshots.
const DUE: u32 = 100;

/// A state as it was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    number: SnapshotNumber,
    state: EntityState,
}

#[derive(Clone, Debug, Default)]
struct Tracked {
    entity: EntityId,
    acked: Option<Sent>,
    pending: [Sent; MAX_PENDING],
    pending_count: u8,
    last_sent: SnapshotNumber,
    /// The snapshot for which it was last seen around the client.
    seen: SnapshotNumber,
    /// The first snapshot that took it away, while that is not acknowledged.
    removed: Option<SnapshotNumber>,
}

impl Tracked {
    /// What the client surely or probably shows now.
    fn newest(&self) -> Option<&EntityState> {
        let pending = self.pending[..usize::from(self.pending_count)].last();
        pending.or(self.acked.as_ref()).map(|sent| &sent.state)
    }

    /// Whether the client has acknowledged exactly `state` and nothing else is under way.
    fn is_settled(&self, state: &EntityState) -> bool {
        self.pending_count == 0 && self.acked.is_some_and(|acked| acked.state == *state)
    }

    fn sent(&mut self, number: SnapshotNumber, state: EntityState) {
        if usize::from(self.pending_count) == MAX_PENDING {
            self.pending.rotate_left(1);
            self.pending_count -= 1;
        }
        self.pending[usize::from(self.pending_count)] = Sent { number, state };
        self.pending_count += 1;
        self.last_sent = number;
    }

    fn acknowledged(&mut self, number: SnapshotNumber) {
        let count = usize::from(self.pending_count);
        let Some(at) = self.pending[..count].iter().position(|sent| sent.number == number) else { return };
        if self.acked.is_none_or(|acked| acked.number < number) {
            self.acked = Some(self.pending[at]);
        }
        self.pending.copy_within(at + 1..count, 0);
        self.pending_count = (count - at - 1) as u8;
    }
}

/// An entity that is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// Weight times age; the own entity has the most.
    priority: u32,
    view: u32,
    slot: u16,
}

/// Entity ids are counters: one multiplication spreads them enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

/// A hash table by entity id.
pub type ById<V> = HashMap<EntityId, V, BuildHasherDefault<IdHasher>>;

/// What one client is shown.
#[derive(Debug, Default)]
pub struct ClientView {
    tracked: Vec<Tracked>,
    free: Vec<u16>,
    by_entity: ById<u16>,
    number: SnapshotNumber,
    contents: Vec<Vec<u16>>,
    due: Vec<Due>,
}

impl ClientView {
    /// The number of the newest snapshot.
    #[must_use]
    pub const fn number(&self) -> SnapshotNumber {
        self.number
    }

    /// Entities that the client is shown.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_entity.len()
    }

    /// Whether it is shown nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_entity.is_empty()
    }

    /// The client has decoded snapshot `number`.
    pub fn acknowledged(&mut self, number: SnapshotNumber) {
        let recent = number.0 <= self.number.0 && self.number.0 - number.0 < REMEMBERED as u32;
        if !recent || self.contents.is_empty() {
            return;
        }
        let mut slots = std::mem::take(&mut self.contents[number.0 as usize % REMEMBERED]);
        for slot in slots.drain(..) {
            let tracked = &mut self.tracked[usize::from(slot)];
            match tracked.removed {
                Some(first) if first <= number => {
                    // A slot is given to another entity only now that the client knows that it is empty.
                    *tracked = Tracked::default();
                    self.free.push(slot);
                }
                _ => tracked.acknowledged(number),
            }
        }
        self.contents[number.0 as usize % REMEMBERED] = slots;
    }

    /// Fills `block` with what the client at `place` is shown next and returns the snapshot's number.
    pub fn fill(
        &mut self,
        place: Position,
        own: EntityId,
        scene: &Scene<'_>,
        block: &mut BlockWriter,
    ) -> SnapshotNumber {
        self.number = self.number.next();
        if self.contents.is_empty() {
            self.contents.resize_with(REMEMBERED, Vec::new);
        }
        let mut contents = std::mem::take(&mut self.contents[self.number.0 as usize % REMEMBERED]);
        contents.clear();
        self.look_around(place, own, scene);
        self.write_removals(block, &mut contents);
        self.write_due(scene, block, &mut contents);
        self.contents[self.number.0 as usize % REMEMBERED] = contents;
        self.number
    }

    /// Gives slots to what came near and collects what is due.
    fn look_around(&mut self, place: Position, own: EntityId, scene: &Scene<'_>) {
        self.due.clear();
        let (last_ring, _) = INTEREST_RINGS[INTEREST_RINGS.len() - 1];
        let shown = square(last_ring);
        let Self { tracked, free, by_entity, due, number, .. } = self;
        let number = *number;
        scene.grid.within(scene.views, place, last_ring + HYSTERESIS_M, |at, distance| {
            let entity = scene.views[at].entity;
            let slot = match by_entity.get(&entity) {
                Some(slot) => *slot,
                None if distance > shown || by_entity.len() >= MAX_TRACKED => return,
                None => {
                    let Some(slot) = take_slot(tracked, free) else { return };
                    tracked[usize::from(slot)].entity = entity;
                    by_entity.insert(entity, slot);
                    slot
                }
            };
            let tracked = &mut tracked[usize::from(slot)];
            tracked.seen = number;
            let weight = if entity == own { u32::MAX } else { weight(distance) };
            let age = number.0 - tracked.last_sent.0;
            let priority = weight.saturating_mul(age);
            if priority >= DUE && !tracked.is_settled(&scene.states[at]) {
                due.push(Due { priority, view: at as u32, slot });
            }
        });
    }

    /// Takes away what is no longer around, and repeats what the client has not acknowledged of that.
    fn write_removals(&mut self, block: &mut BlockWriter, contents: &mut Vec<u16>) {
        for (slot, tracked) in self.tracked.iter_mut().enumerate() {
            let slot = slot as u16;
            if tracked.entity == EntityId::default() || tracked.seen == self.number {
                continue;
            }
            if tracked.removed.is_none() {
                self.by_entity.remove(&tracked.entity);
                if tracked.newest().is_none() {
                    // It was never sent, so there is nothing to take away.
                    *tracked = Tracked::default();
                    self.free.push(slot);
                    continue;
                }
            }
            let Some(wire) = Slot::new(slot) else { continue };
            if block.remove(wire).is_err() {
                continue;
            }
            tracked.removed.get_or_insert(self.number);
            contents.push(slot);
        }
    }

    fn write_due(&mut self, scene: &Scene<'_>, block: &mut BlockWriter, contents: &mut Vec<u16>) {
        self.due.sort_unstable_by_key(|due| std::cmp::Reverse(due.priority));
        for due in &self.due {
            let tracked = &mut self.tracked[usize::from(due.slot)];
            let state = scene.states[due.view as usize];
            let Some(slot) = Slot::new(due.slot) else { continue };
            let baseline =
                tracked.acked.and_then(|acked| Some((Age::between(acked.number, self.number)?, acked.state)));
            let written = match baseline {
                Some((age, base)) => block.delta(slot, age, &base, &state),
                None => block.full(slot, tracked.entity, &state),
            };
            if written.is_err() {
                break;
            }
            tracked.sent(self.number, state);
            contents.push(due.slot);
        }
    }
}

/// A slot that is free, or a new one.
fn take_slot(tracked: &mut Vec<Tracked>, free: &mut Vec<u16>) -> Option<u16> {
    if let Some(slot) = free.pop() {
        return Some(slot);
    }
    // Slots that wait for the acknowledgement of a removal count too.
    if tracked.len() >= 2 * MAX_TRACKED {
        return None;
    }
    tracked.push(Tracked::default());
    Some((tracked.len() - 1) as u16)
}

/// How often an entity at this distance is sent, in percent of snapshots.
fn weight(distance: i64) -> u32 {
    let ring = INTEREST_RINGS.iter().find(|(metres, _)| distance <= square(*metres));
    ring.or(INTEREST_RINGS.last()).map_or(DUE, |(_, percent)| *percent)
}

const fn square(metres: i32) -> i64 {
    let units = metres as i64 * UNITS_PER_METRE as i64;
    units * units
}
