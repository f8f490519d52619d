//! What one client is shown: which entities have a slot, what it has acknowledged of each, and what to send next.
//!
//! What flows in are the entities around the client, once a snapshot, and its acknowledgements; what flows out is an entity
//! block within a byte budget. A delta always names a snapshot that this client acknowledged (invariant I7). What does not
//! fit grows older and comes first the next time, weighted by how near it stands.

use darkages_protocol::{Age, BlockWriter, EntityState, Slot, SnapshotNumber};
use darkages_topology::world::{INTEREST_RINGS, UNITS_PER_METRE};
use darkages_topology::{EntityId, Position};

use super::scene::{Handle, Scene};

/// Entities that one client has slots for, at most. Whoever comes when all are taken is not shown until one is free.
pub const MAX_TRACKED: usize = 2_048;

/// An entity that is shown stays shown until it is this much beyond the last ring, in metres, so that nothing flickers there:
/// two sprinters who run apart and turn need two seconds for it.
pub const HYSTERESIS_M: i32 = 40;

/// A view that fills reaches this much farther, in metres: nearly to where the zone before it lets go of what it showed. The 12 m
/// between take two sprinters 40 ticks, so that nothing that the one has just taken away is shown by the other at once.
const YOUNG_REACH_M: i32 = HYSTERESIS_M - 12;

/// States of one entity that wait for an acknowledgement, at most: the oldest, whose acknowledgement comes first however slow the
/// line is, and the newest. Those in between are forgotten, so that a baseline is at most two round trips old.
const MAX_PENDING: usize = 4;

/// Snapshots whose contents are remembered, so that an acknowledgement finds its entities: what an age can name.
const REMEMBERED: usize = 64;

/// Entities that are chosen for one snapshot, at most: about as many as ever fit.
const MAX_CHOSEN: usize = 256;

/// Of these, entities that the client has never been shown, at most.
const MAX_CHOSEN_NEW: usize = 72;

/// The share of a block that entities may take which the client has never been shown, in percent: they come first, because a
/// view that fills slowly hides what stands there, but what moves nearby goes on moving meanwhile.
const NEW_PERCENT: usize = 60;

/// For so many snapshots a view is young, from the beginning and again from when the client follows it: it takes in what another
/// zone may have shown to this client, also what that zone was about to let go of.
const YOUNG: u32 = 60;

/// Snapshots from when the client follows a view until it reaches as far as the zone before it held what it showed: what that zone
/// took away last is then long enough ago, and what the client lets go of in the end is as far away as what a zone takes away, so
/// that a third zone does not show it at once.
const REACHES_FARTHER_AFTER: u32 = 20;

/// Within the first ring the nearest come first in a crowd: up to so many metres at this weight.
const NEAREST: [(i32, u32); 2] = [(10, 4 * DUE), (25, 2 * DUE)];

/// A handle without a slot.
const NO_SLOT: u16 = u16::MAX;

/// Age at which an entity of weight 100 is due, in percent of snapshots.
const DUE: u32 = 100;

/// A state as it was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    number: SnapshotNumber,
    state: EntityState,
}

/// What is looked at for every entity around the client at every snapshot: as little as can be, side by side in memory.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// The entity in this slot; 0 when it is empty or waits for a removal to be acknowledged.
    entity: EntityId,
    /// The snapshot for which it was last seen around the client.
    seen: SnapshotNumber,
    /// The snapshot in which it was last sent.
    sent: SnapshotNumber,
}

/// What was sent of the entity in a slot.
#[derive(Clone, Debug, Default)]
struct Tracked {
    acked: Option<Sent>,
    pending: [Sent; MAX_PENDING],
    pending_count: u8,
    /// The first snapshot that took it away, while that is not acknowledged.
    removed: Option<SnapshotNumber>,
    /// Counted in [`ClientView::unseen`], under this.
    unseen: Option<Since>,
}

/// When an entity came into a view of which the client has acknowledged nothing yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    /// While it was young.
    Young,
    /// While it still waited for some of those.
    Later,
}

impl Tracked {
    /// Whether the client may show something in this slot.
    const fn is_shown(&self) -> bool {
        self.pending_count > 0 || self.acked.is_some()
    }

    /// Whether the client has acknowledged exactly `state` and nothing else is under way.
    fn is_settled(&self, state: &EntityState) -> bool {
        self.pending_count == 0 && self.acked.is_some_and(|acked| acked.state == *state)
    }

    fn sent(&mut self, number: SnapshotNumber, state: EntityState) {
        if usize::from(self.pending_count) == MAX_PENDING {
            self.pending[1..].rotate_left(1);
            self.pending_count -= 1;
        }
        self.pending[usize::from(self.pending_count)] = Sent { number, state };
        self.pending_count += 1;
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

/// What one client is shown.
#[derive(Debug, Default)]
pub struct ClientView {
    watched: Vec<Watched>,
    tracked: Vec<Tracked>,
    free: Vec<u16>,
    /// The slot of each handle; whose it is says `watched`.
    slots: Vec<u16>,
    shown: usize,
    /// Entities that came into the view while it was young or waited for those that had, and of which the client has
    /// acknowledged nothing yet: by [`Since`].
    unseen: [usize; 2],
    /// Slots that are being taken away.
    leaving: Vec<u16>,
    number: SnapshotNumber,
    /// Whether the client follows this view, or did.
    is_followed: bool,
    /// The snapshot after which the view became young.
    young_since: SnapshotNumber,
    contents: Vec<Vec<u16>>,
    due: Vec<Due>,
    /// What is due and was never sent.
    due_new: Vec<Due>,
}

impl ClientView {
    /// The number of the newest snapshot.
    #[must_use]
    pub const fn number(&self) -> SnapshotNumber {
        self.number
    }

    /// Entities that the client is shown.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.shown
    }

    /// Whether it is shown nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.shown == 0
    }

    /// Whether something that stood around the client when it began to follow this view may not have reached it yet.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.is_wide() || self.unseen != [0, 0]
    }

    /// Whether the view reaches farther, because the client carries on what another zone showed and nothing of that may come
    /// near unseen. It ends when all that came while the view was young is known, so that it does end in a moving crowd; what
    /// came meanwhile is still waited for then, and nothing is added to it.
    const fn is_wide(&self) -> bool {
        self.is_young() || self.unseen[Since::Young as usize] > 0
    }

    const fn is_young(&self) -> bool {
        self.number.0 - self.young_since.0 <= YOUNG
    }

    /// From the next snapshot on the client follows this view, in place of another zone's.
    pub const fn followed(&mut self) {
        (self.is_followed, self.young_since) = (true, self.number);
    }

    /// How far away what is not shown yet comes into the view, in metres.
    const fn reach_m(&self) -> i32 {
        let (last_ring, _) = INTEREST_RINGS[INTEREST_RINGS.len() - 1];
        if !self.is_wide() {
            last_ring
        } else if self.is_followed && self.number.0 - self.young_since.0 > REACHES_FARTHER_AFTER {
            last_ring + HYSTERESIS_M
        } else {
            last_ring + YOUNG_REACH_M
        }
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
                    self.leaving.retain(|leaving| *leaving != slot);
                }
                Some(_) => {}
                None => {
                    tracked.acknowledged(number);
                    if let Some(since) = tracked.unseen.take_if(|_| tracked.acked.is_some()) {
                        self.unseen[since as usize] -= 1;
                    }
                }
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
        self.due_new.clear();
        let since = if self.is_young() { Since::Young } else { Since::Later };
        let since = self.is_wide().then_some(since);
        let reach = self.reach_m();
        let shown = square(reach);
        let Self { watched, tracked, free, slots, shown: count, unseen, due, due_new, number, .. } = self;
        let number = *number;
        scene.grid.within(scene.views, place, reach + HYSTERESIS_M, |at, distance| {
            let entity = scene.views[at].entity;
            let Handle(handle) = scene.handles[at];
            let known = slots
                .get(handle as usize)
                .copied()
                .filter(|slot| watched.get(usize::from(*slot)).is_some_and(|watched| watched.entity == entity));
            let slot = match known {
                Some(slot) => slot,
                None if distance > shown || *count >= MAX_TRACKED => return,
                None => {
                    let Some(slot) = take_slot(watched, tracked, free) else { return };
                    if slots.len() <= handle as usize {
                        slots.resize(handle as usize + 1, NO_SLOT);
                    }
                    slots[handle as usize] = slot;
                    watched[usize::from(slot)].entity = entity;
                    *count += 1;
                    tracked[usize::from(slot)].unseen = since;
                    if let Some(since) = since {
                        unseen[since as usize] += 1;
                    }
                    slot
                }
            };
            let watched = &mut watched[usize::from(slot)];
            watched.seen = number;
            let weight = if entity == own { u32::MAX } else { weight(distance) };
            let priority = weight.saturating_mul(number.0 - watched.sent.0);
            if watched.sent.0 == 0 {
                due_new.push(Due { priority, view: at as u32, slot });
            } else if priority >= DUE {
                due.push(Due { priority, view: at as u32, slot });
            }
        });
    }

    /// Takes away what is no longer around, and repeats what the client has not acknowledged of that.
    fn write_removals(&mut self, block: &mut BlockWriter, contents: &mut Vec<u16>) {
        for (slot, watched) in self.watched.iter_mut().enumerate() {
            if watched.entity != EntityId::default() && watched.seen != self.number {
                *watched = Watched::default();
                self.shown -= 1;
                if let Some(since) = self.tracked[slot].unseen.take() {
                    self.unseen[since as usize] -= 1;
                }
                if self.tracked[slot].is_shown() {
                    self.leaving.push(slot as u16);
                } else {
                    // It was never sent, so there is nothing to take away.
                    self.free.push(slot as u16);
                }
            }
        }
        for slot in &self.leaving {
            let Some(wire) = Slot::new(*slot) else { continue };
            if block.remove(wire).is_err() {
                break;
            }
            self.tracked[usize::from(*slot)].removed.get_or_insert(self.number);
            contents.push(*slot);
        }
    }

    fn write_due(&mut self, scene: &Scene<'_>, block: &mut BlockWriter, contents: &mut Vec<u16>) {
        choose(&mut self.due_new, MAX_CHOSEN_NEW);
        choose(&mut self.due, MAX_CHOSEN - MAX_CHOSEN_NEW);
        let all = block.bits() + block.bits_left();
        let news = std::mem::take(&mut self.due_new);
        let room_for_news = all * NEW_PERCENT / 100;
        let first =
            news.iter().position(|due| block.bits() >= room_for_news || !self.write(due, scene, block, contents));
        let olds = std::mem::take(&mut self.due);
        let left = &news[first.unwrap_or(news.len())..];
        // What is left of the new ones takes the room that the others leave.
        let _ = olds.iter().chain(left).all(|due| self.write(due, scene, block, contents));
        (self.due, self.due_new) = (olds, news);
    }

    /// Writes one entity. Says whether there was room.
    fn write(&mut self, due: &Due, scene: &Scene<'_>, block: &mut BlockWriter, contents: &mut Vec<u16>) -> bool {
        let tracked = &mut self.tracked[usize::from(due.slot)];
        let state = scene.states[due.view as usize];
        if tracked.is_settled(&state) {
            // There is nothing to say; it waits for its next turn like one that was sent.
            self.watched[usize::from(due.slot)].sent = self.number;
            return true;
        }
        let Some(slot) = Slot::new(due.slot) else { return true };
        let baseline = tracked.acked.and_then(|acked| Some((Age::between(acked.number, self.number)?, acked.state)));
        let written = match baseline {
            Some((age, base)) => block.delta(slot, age, &base, &state),
            None => block.full(slot, scene.views[due.view as usize].entity, &state),
        };
        if written.is_err() {
            return false;
        }
        tracked.sent(self.number, state);
        self.watched[usize::from(due.slot)].sent = self.number;
        contents.push(due.slot);
        true
    }
}

/// Keeps the `most` with the highest priority, highest first.
fn choose(due: &mut Vec<Due>, most: usize) {
    let priority = |due: &Due| std::cmp::Reverse(due.priority);
    if due.len() > most {
        due.select_nth_unstable_by_key(most, priority);
        due.truncate(most);
    }
    due.sort_unstable_by_key(priority);
}

/// A slot that is free, or a new one.
fn take_slot(watched: &mut Vec<Watched>, tracked: &mut Vec<Tracked>, free: &mut Vec<u16>) -> Option<u16> {
    if let Some(slot) = free.pop() {
        return Some(slot);
    }
    // Slots that wait for the acknowledgement of a removal count too.
    if tracked.len() >= 2 * MAX_TRACKED {
        return None;
    }
    watched.push(Watched::default());
    tracked.push(Tracked::default());
    Some((tracked.len() - 1) as u16)
}

/// How often an entity at this distance is sent, in percent of snapshots.
fn weight(distance: i64) -> u32 {
    let ring = NEAREST.iter().chain(&INTEREST_RINGS).find(|(metres, _)| distance <= square(*metres));
    ring.or(INTEREST_RINGS.last()).map_or(DUE, |(_, percent)| *percent)
}

const fn square(metres: i32) -> i64 {
    let units = metres as i64 * UNITS_PER_METRE as i64;
    units * units
}

#[cfg(test)]
mod tests {
    use darkages_sim::EntityView;
    use darkages_topology::ShardId;

    use super::super::scene::SceneBuilder;
    use super::*;

    const OWN: EntityId = EntityId::new(ShardId(1), 0);

    fn crowd(count: u64) -> Vec<EntityView> {
        let view = |number| EntityView {
            entity: EntityId::new(ShardId(1), number),
            position: Position::from_metres(number as i32 % 20, number as i32 / 20),
            ..EntityView::default()
        };
        (0..count).map(view).collect()
    }

    #[test]
    fn a_view_fills_until_the_client_has_all_that_stood_around_it() {
        let (mut view, mut scenes) = (ClientView::default(), SceneBuilder::default());
        let mut show = |view: &mut ClientView, count| {
            let mut block = BlockWriter::reuse(Vec::new(), 500);
            view.fill(Position::default(), OWN, &scenes.build(&crowd(count)), &mut block)
        };
        // A line that loses everything: the client has nothing, however long it takes.
        for _ in 0..3 * YOUNG {
            show(&mut view, 200);
            assert!(view.is_filling());
        }
        for _ in 0..YOUNG {
            let number = show(&mut view, 200);
            view.acknowledged(number);
        }
        assert!(!view.is_filling());
        // Who comes later has not been shown by any other zone.
        show(&mut view, 220);
        assert!(!view.is_filling());
    }

    #[test]
    fn a_slow_line_gets_deltas_and_a_filled_view_too() {
        for lag in [0, 3, 5, 20, 31] {
            let (mut view, mut scenes) = (ClientView::default(), SceneBuilder::default());
            let mut bits = Vec::new();
            for round in 0..300_u32 {
                let mut views = crowd(20);
                views.iter_mut().for_each(|view| view.position.x += round as i32 * 6);
                let place = views[0].position;
                let mut block = BlockWriter::reuse(Vec::new(), 1_000);
                let number = view.fill(place, OWN, &scenes.build(&views), &mut block);
                bits.push(block.bits());
                if let Some(acked) = number.0.checked_sub(lag).filter(|acked| *acked > 0) {
                    view.acknowledged(SnapshotNumber(acked));
                }
            }
            assert!(!view.is_filling(), "acknowledged {lag} snapshots late");
            // Twenty walkers take some 40 bits each as deltas, and over a hundred as whole entities.
            let late: usize = bits[200..].iter().sum::<usize>() / 100;
            assert!(late < 20 * 64, "{late} bits a snapshot when acknowledged {lag} snapshots late");
        }
    }

    #[test]
    fn what_moves_is_sent_as_often_as_its_ring_says() {
        let (mut view, mut scenes) = (ClientView::default(), SceneBuilder::default());
        let mut sent = [0; 4];
        for round in 0..300 {
            let place = |number| Position::from_metres([0, 40, 90, 180][number], round % 7);
            let views: Vec<EntityView> = (0..4)
                .map(|number| EntityView {
                    entity: EntityId::new(ShardId(1), number as u64),
                    position: place(number),
                    ..EntityView::default()
                })
                .collect();
            let mut block = BlockWriter::reuse(Vec::new(), 500);
            let number = view.fill(Position::default(), OWN, &scenes.build(&views), &mut block);
            for slot in &view.contents[number.0 as usize % REMEMBERED] {
                sent[view.watched[usize::from(*slot)].entity.0 as usize & 0xff] += 1;
            }
            view.acknowledged(number);
        }
        // Rings of 50, 100 and 200 m at 100, 50 and 10 % of the snapshots.
        assert_eq!(sent, [300, 300, 150, 30]);
    }

    #[test]
    fn what_is_let_go_of_is_farther_away_than_another_zone_begins_to_show() {
        let far = |metres| {
            let mut views = crowd(1);
            let position = Position::from_metres(metres, 0);
            views.push(EntityView { entity: EntityId::new(ShardId(1), 7), position, ..EntityView::default() });
            views
        };
        let (mut view, mut scenes) = (ClientView::default(), SceneBuilder::default());
        let mut shown = |view: &mut ClientView, metres| {
            let mut block = BlockWriter::reuse(Vec::new(), 500);
            let number = view.fill(Position::default(), OWN, &scenes.build(&far(metres)), &mut block);
            view.acknowledged(number);
            view.len() == 2
        };
        // What the zone before took away a moment ago, at 240 m, is not shown again.
        assert!((0..YOUNG / 2).all(|_| !shown(&mut view, 235)), "before it is followed");
        view.followed();
        assert!((0..REACHES_FARTHER_AFTER).all(|_| !shown(&mut view, 235)));
        // Before the view says that it is filled, everything up to there is in it.
        assert!(shown(&mut view, 235) && view.is_filling());
    }

    #[test]
    fn what_leaves_before_the_client_has_it_is_not_waited_for() {
        let (mut view, mut scenes) = (ClientView::default(), SceneBuilder::default());
        for count in [100_u64; YOUNG as usize].into_iter().chain([1, 1]) {
            let mut block = BlockWriter::reuse(Vec::new(), 500);
            let number = view.fill(Position::default(), OWN, &scenes.build(&crowd(count)), &mut block);
            if count == 1 {
                view.acknowledged(number);
            }
        }
        assert!(!view.is_filling());
    }
}
