//! Writes a block record by record, up to a byte budget.

use darkages_topology::EntityId;

use super::bits::{BitBuffer, Bits};
use super::body::{DeltaBody, FullBody};
use super::state::{Age, EntityState, Slot};
use super::{MAX_BLOCK_BYTES, tag};

/// The record did not fit; the block is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block has no room for the record")]
pub struct BlockFull;

/// A block that is being written. Records in ascending order of slots are the shortest, but any order is right.
#[derive(Clone, Debug)]
pub struct BlockWriter {
    buffer: BitBuffer,
    limit: usize,
    before: Before,
    records: usize,
}

/// What the short forms refer to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// The slot after that of the record before; 0 at the beginning.
    pub(super) next_slot: u16,
    /// The age in the delta before.
    pub(super) age: Option<Age>,
}

impl BlockWriter {
    /// An empty block of at most `limit` bytes, cut to [`MAX_BLOCK_BYTES`].
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::reuse(Vec::new(), limit)
    }

    /// An empty block of at most `limit` bytes in the memory of `buffer`, whose content is dropped.
    #[must_use]
    pub fn reuse(buffer: Vec<u8>, limit: usize) -> Self {
        let limit = limit.min(MAX_BLOCK_BYTES) * 8;
        Self { buffer: BitBuffer::reuse(buffer), limit, before: Before::default(), records: 0 }
    }

    /// Adds everything about an entity.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn full(&mut self, slot: Slot, entity: EntityId, state: &EntityState) -> Result<(), BlockFull> {
        self.full_body(slot, &FullBody::new(entity, state))
    }

    /// Adds what changed since the snapshot `age` before this one, in which the client was shown `baseline`.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn delta(&mut self, slot: Slot, age: Age, baseline: &EntityState, now: &EntityState) -> Result<(), BlockFull> {
        self.delta_body(slot, age, &DeltaBody::between(baseline, now))
    }

    /// Empties a slot.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn remove(&mut self, slot: Slot) -> Result<(), BlockFull> {
        self.record(self.head(tag::REMOVE, slot), None, &[], slot)
    }

    /// [`BlockWriter::full`] with a body that was made before.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn full_body(&mut self, slot: Slot, body: &FullBody) -> Result<(), BlockFull> {
        self.record(self.head(tag::FULL, slot), None, &[body.id, body.state], slot)
    }

    /// [`BlockWriter::delta`] with a body that was made before.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn delta_body(&mut self, slot: Slot, age: Age, body: &DeltaBody) -> Result<(), BlockFull> {
        let mut head = self.head(tag::DELTA, slot);
        if self.before.age == Some(age) {
            head.push(0, 1);
        } else {
            head.push(1, 1);
            head.push(u64::from(age.get()), 6);
        }
        self.record(head, Some(age), &[body.0], slot)
    }

    /// Bits that are written.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.buffer.count()
    }

    /// Bits that are still free.
    #[must_use]
    pub fn bits_left(&self) -> usize {
        self.limit - self.buffer.count()
    }

    /// Records that are written.
    #[must_use]
    pub const fn records(&self) -> usize {
        self.records
    }

    /// The block. Bits after the last record are zero, which ends it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    /// The block, in memory that [`BlockWriter::reuse`] can take again.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.buffer.into_bytes()
    }

    /// Where the block stands, to come back to with [`BlockWriter::roll_back`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { bits: self.buffer.count(), before: self.before, records: self.records }
    }

    /// Takes back every record since `mark`, which must be of this block and not be older than the last roll back.
    pub fn roll_back(&mut self, mark: Mark) {
        let Mark { bits, before, records } = mark;
        if bits <= self.buffer.count() {
            self.buffer.truncate(bits);
            self.before = before;
            self.records = records;
        }
    }

    fn head(&self, tag: u64, slot: Slot) -> Bits {
        let mut head = Bits::EMPTY;
        head.push(tag, tag::BITS);
        let number = slot.get();
        match number.checked_sub(self.before.next_slot) {
            Some(0) => head.push(0, 1),
            Some(gap @ 1..=16) => {
                head.push(0b01, 2);
                head.push(u64::from(gap - 1), 4);
            }
            _ if number < 256 => {
                head.push(0b011, 3);
                head.push(u64::from(number), 8);
            }
            _ => {
                head.push(0b111, 3);
                head.push(u64::from(number), 13);
            }
        }
        head
    }

    fn record(&mut self, head: Bits, age: Option<Age>, body: &[Bits], slot: Slot) -> Result<(), BlockFull> {
        let needed = head.count() + body.iter().map(|bits| bits.count()).sum::<u32>();
        if needed as usize > self.bits_left() {
            return Err(BlockFull);
        }
        self.buffer.push(head);
        for bits in body {
            self.buffer.push(*bits);
        }
        self.before = Before { next_slot: slot.get() + 1, age: age.or(self.before.age) };
        self.records += 1;
        Ok(())
    }
}

/// A place in a block, see [`BlockWriter::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bits: usize,
    before: Before,
    records: usize,
}
