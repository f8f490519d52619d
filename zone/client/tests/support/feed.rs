//! The zone's side of one session's snapshots: slots, what was sent, and what the client acknowledged.

use std::collections::{BTreeMap, HashMap, VecDeque};

use darkages_protocol::{
    Age, BlockWriter, EntityState, InputDatagram, InputValue, Slot, SnapshotHeader, SnapshotNumber,
};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, Tick};

const REMEMBERED: usize = 64;

/// What one snapshot showed, and in which slots.
type Shown = Vec<(EntityId, u16, EntityState)>;

/// Snapshots for one session.
#[derive(Default)]
pub struct Feed {
    /// Whether its snapshots say that the view still fills.
    pub filling: bool,
    pub number: SnapshotNumber,
    slots: BTreeMap<EntityId, u16>,
    free: Vec<u16>,
    acked: HashMap<u16, (SnapshotNumber, EntityState)>,
    sent: VecDeque<(SnapshotNumber, Shown)>,
    removes: BTreeMap<u16, SnapshotNumber>,
    removed_in: HashMap<u16, Vec<SnapshotNumber>>,
}

impl Feed {
    /// The next snapshot, showing `entities`.
    pub fn snapshot(
        &mut self,
        tick: Tick,
        owner_epoch: OwnerEpoch,
        applied: InputSeq,
        entities: &[(EntityId, EntityState)],
    ) -> Vec<u8> {
        self.number = self.number.next();
        let mut block = BlockWriter::new(1_000);
        let shown: HashMap<EntityId, EntityState> = entities.iter().copied().collect();
        let gone: Vec<EntityId> = self.slots.keys().filter(|id| !shown.contains_key(id)).copied().collect();
        for id in gone {
            let slot = self.slots.remove(&id).expect("it was there");
            self.acked.remove(&slot);
            self.removes.insert(slot, self.number);
        }
        let mut sent = Vec::new();
        for slot in self.removes.keys() {
            block.remove(Slot::new(*slot).expect("few slots")).expect("it fits");
            self.removed_in.entry(*slot).or_default().push(self.number);
        }
        for (id, state) in entities {
            let slot = self.slot(*id);
            let wire_slot = Slot::new(slot).expect("few slots");
            let baseline = self.acked.get(&slot);
            let aged = baseline.and_then(|(number, state)| Some((Age::between(*number, self.number)?, state)));
            let fits = match aged {
                Some((age, before)) => block.delta(wire_slot, age, before, state),
                None => block.full(wire_slot, *id, state),
            };
            if fits.is_ok() {
                sent.push((*id, slot, *state));
            }
        }
        self.sent.push_back((self.number, sent));
        if self.sent.len() > REMEMBERED {
            self.sent.pop_front();
        }
        let mut out = Vec::new();
        SnapshotHeader { number: self.number, tick, owner_epoch, applied, filling: self.filling }
            .encode(block.as_bytes(), &mut out);
        out
    }

    /// Takes an input datagram: acknowledges snapshots and returns the inputs after `known`.
    pub fn inputs(&mut self, datagram: &[u8], known: InputSeq) -> Vec<(InputSeq, InputValue)> {
        let datagram = InputDatagram::decode(datagram, known).expect("a client sends valid inputs");
        if let Some(ack) = datagram.ack {
            for number in ack.numbers(self.number) {
                self.acknowledge(number);
            }
        }
        datagram.iter().collect()
    }

    fn acknowledge(&mut self, number: SnapshotNumber) {
        let Some((_, states)) = self.sent.iter().find(|(of, _)| *of == number) else { return };
        for (id, slot, state) in states {
            // The slot may show somebody else by now.
            let held = self.slots.get(id) == Some(slot);
            if held && self.acked.get(slot).is_none_or(|(before, _)| *before < number) {
                self.acked.insert(*slot, (number, *state));
            }
        }
        let removed: Vec<u16> =
            self.removed_in.iter().filter(|(_, numbers)| numbers.contains(&number)).map(|(slot, _)| *slot).collect();
        for slot in removed {
            self.removed_in.remove(&slot);
            if self.removes.remove(&slot).is_some() {
                self.free.push(slot);
            }
        }
    }

    fn slot(&mut self, id: EntityId) -> u16 {
        if let Some(slot) = self.slots.get(&id) {
            return *slot;
        }
        let slot = self.free.pop().unwrap_or((self.slots.len() + self.removes.len()) as u16);
        self.slots.insert(id, slot);
        slot
    }
}
