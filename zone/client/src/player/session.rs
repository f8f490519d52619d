//! One session with one zone: what it has shown, and which of its snapshots it was told to be decoded.

use std::time::Instant;

use darkages_protocol::block::BlockError;
use darkages_protocol::input::ACK_OLDER_BITS;
use darkages_protocol::{BlockReader, EntityState, Record, Snapshot, SnapshotAck, SnapshotNumber};
use darkages_topology::{EntityId, HandoffId};

use crate::view::{MissingBaseline, SlotTable};

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The player asked to come in and was not welcomed yet.
    Door,
    /// The player plays on it.
    Playing,
    /// The zone that will take over.
    Next {
        /// The handoff that it belongs to.
        handoff: HandoffId,
        /// When to give up.
        until: Instant,
    },
    /// A zone that owned the player before; its last words may still come.
    Old {
        /// When to close it.
        until: Instant,
    },
}

/// One session.
#[derive(Debug)]
pub(super) struct Session<S> {
    pub(super) id: S,
    pub(super) role: Role,
    /// Whether the handshake is over.
    pub(super) open: bool,
    pub(super) table: SlotTable<EntityState>,
    /// Number of the newest snapshot that was decoded; 0 before the first.
    decoded: SnapshotNumber,
    /// Bit i: the snapshot i + 1 before it was decoded as well.
    older: u16,
    tell: bool,
}

/// Why a snapshot cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undecodable {
    /// Its block breaks the format.
    #[error("its block cannot be read: {0}")]
    Block(#[from] BlockError),
    /// A delta against a state that was never acknowledged.
    #[error("a delta without its baseline: {0}")]
    Baseline(#[from] MissingBaseline),
}

/// One record of a snapshot, complete.
#[derive(Clone, Copy, Debug)]
enum Change {
    Full { slot: u16, id: EntityId, state: EntityState },
    Update { slot: u16, against: u32, state: EntityState },
    Remove { slot: u16 },
}

/// What a snapshot changed, and the room to find out: kept from one snapshot to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    records: Vec<Record>,
    changes: Vec<Change>,
    /// Entities that were not shown before.
    pub(super) appeared: Vec<EntityId>,
    /// Entities that are no longer shown.
    pub(super) vanished: Vec<EntityId>,
}

impl<S> Session<S> {
    pub(super) fn new(id: S, role: Role) -> Self {
        let decoded = SnapshotNumber(0);
        Self { id, role, open: false, table: SlotTable::default(), decoded, older: 0, tell: false }
    }

    /// Decodes a snapshot into the table. `Ok(false)` when it is older than one that was decoded before. A snapshot that
    /// cannot be decoded changes nothing and is never told, so that the zone keeps its older baseline.
    pub(super) fn decode(&mut self, snapshot: &Snapshot<'_>, scratch: &mut Scratch) -> Result<bool, Undecodable> {
        scratch.appeared.clear();
        scratch.vanished.clear();
        let number = snapshot.header.number;
        if number <= self.decoded {
            return Ok(false);
        }
        self.read(snapshot, scratch)?;
        for change in &scratch.changes {
            match *change {
                Change::Full { slot, id, state } => {
                    let (replaced, new) = self.table.insert(slot, id, number.0, state);
                    scratch.vanished.extend(replaced);
                    if new {
                        scratch.appeared.push(id);
                    }
                }
                Change::Update { slot, against, state } => self.table.update(slot, against, number.0, state),
                Change::Remove { slot } => scratch.vanished.extend(self.table.remove(slot)),
            }
        }
        self.decoded(number);
        Ok(true)
    }

    /// Completes every record before any is applied. Unpacking comes first, because the memory of many slots is fetched
    /// faster when nothing else happens in between.
    fn read(&self, snapshot: &Snapshot<'_>, scratch: &mut Scratch) -> Result<(), Undecodable> {
        let number = snapshot.header.number;
        let Scratch { records, changes, .. } = scratch;
        records.clear();
        changes.clear();
        for record in BlockReader::new(snapshot.entities) {
            records.push(record?);
        }
        let slots = records.iter().map(|record| match record {
            Record::Full { slot, .. } | Record::Delta { slot, .. } | Record::Remove { slot } => slot.get(),
        });
        self.table.fetch(slots);
        for record in records.iter() {
            changes.push(match record {
                Record::Full { slot, entity, state } => Change::Full { slot: slot.get(), id: *entity, state: *state },
                Record::Delta { slot, age, delta } => {
                    let slot = slot.get();
                    let against = age.baseline(number).map_or(0, |baseline| baseline.0);
                    Change::Update { slot, against, state: delta.apply(self.table.baseline(slot, against)?) }
                }
                Record::Remove { slot } => Change::Remove { slot: slot.get() },
            });
        }
        Ok(())
    }

    fn decoded(&mut self, number: SnapshotNumber) {
        let skipped = number.0 - self.decoded.0;
        let before = if self.decoded.0 > 0 { 1_u32 } else { 0 };
        self.older = if skipped > ACK_OLDER_BITS {
            0
        } else {
            (((u32::from(self.older) << 1) | before) << (skipped - 1)) as u16
        };
        self.decoded = number;
        self.tell = true;
    }

    /// What the zone should be told about decoded snapshots; told once, because the next one repeats it.
    pub(super) fn tell_decoded(&mut self) -> Option<SnapshotAck> {
        std::mem::take(&mut self.tell).then(|| SnapshotAck::new(self.decoded, self.older))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_snapshots_are_told_with_those_before_them() {
        let mut session: Session<u8> = Session::new(1, Role::Door);
        assert_eq!(session.tell_decoded(), None);
        for number in [3, 4, 7] {
            session.decoded(SnapshotNumber(number));
        }
        let told = session.tell_decoded().expect("there is news");
        let numbers: Vec<u32> = told.numbers(SnapshotNumber(9)).map(|number| number.0).collect();
        assert_eq!(numbers, vec![7, 4, 3]);
        assert_eq!(session.tell_decoded(), None, "once");
        session.decoded(SnapshotNumber(100));
        let told = session.tell_decoded().expect("there is news");
        assert_eq!(told.numbers(SnapshotNumber(100)).count(), 1);
    }
}
