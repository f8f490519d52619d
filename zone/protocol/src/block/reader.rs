//! Reads a block record by record.

use darkages_topology::EntityId;

use super::bits::BitReader;
use super::body::{Delta, read_delta, read_full};
use super::state::{Age, EntityState, Slot};
use super::writer::Before;
use super::{MAX_BLOCK_BYTES, tag};

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The slot shows this entity in this state from now on, whatever it showed before.
    Full {
        /// Where.
        slot: Slot,
        /// Which entity.
        entity: EntityId,
        /// Its state.
        state: EntityState,
    },
    /// The entity in this slot has changed.
    Delta {
        /// Where.
        slot: Slot,
        /// How many snapshots ago the baseline was sent.
        age: Age,
        /// What to change in the baseline.
        delta: Delta,
    },
    /// The slot is empty from now on; it may be so already.
    Remove {
        /// Where.
        slot: Slot,
    },
}

/// Why a block cannot be read. Nothing of its snapshot counts then, and it must not be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// More than [`MAX_BLOCK_BYTES`].
    #[error("the block is longer than {MAX_BLOCK_BYTES} bytes")]
    TooLong,
    /// It ends inside a record.
    #[error("the block ends inside a record")]
    Cut,
    /// A slot beyond the table.
    #[error("the block names slot {0}, beyond the table")]
    BadSlot(u16),
    /// A delta without age, or one that refers to the age of a delta before it when there is none.
    #[error("the block has a delta without an age")]
    BadAge,
    /// An entity id that is too long.
    #[error("the block has an entity id that is too long")]
    BadId,
    /// A coordinate beyond ±100 km.
    #[error("the block has a coordinate beyond the world")]
    OutOfWorld,
    /// A speed class of a later version.
    #[error("the block has the unknown speed class {0}")]
    UnknownSpeed(u8),
    /// An entity kind of a later version.
    #[error("the block has the unknown entity kind {0}")]
    UnknownKind(u8),
    /// Something follows the end.
    #[error("the block has bits after its end")]
    Trailing,
}

impl BlockError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong => "block_too_long",
            Self::Cut => "block_cut",
            Self::BadSlot(_) => "block_bad_slot",
            Self::BadAge => "block_bad_age",
            Self::BadId => "block_bad_id",
            Self::OutOfWorld => "block_out_of_world",
            Self::UnknownSpeed(_) => "block_unknown_speed",
            Self::UnknownKind(_) => "block_unknown_kind",
            Self::Trailing => "block_trailing",
        }
    }
}

/// An iterator over the records of a block; it ends after the first error.
#[derive(Clone, Debug)]
pub struct BlockReader<'a> {
    bits: BitReader<'a>,
    before: Before,
    is_over: bool,
    is_too_long: bool,
}

impl<'a> BlockReader<'a> {
    /// Reads `block` from its beginning.
    #[must_use]
    pub const fn new(block: &'a [u8]) -> Self {
        let is_too_long = block.len() > MAX_BLOCK_BYTES;
        Self { bits: BitReader::new(block), before: Before { next_slot: 0, age: None }, is_over: false, is_too_long }
    }

    fn read(&mut self) -> Result<Option<Record>, BlockError> {
        if self.is_too_long {
            return Err(BlockError::TooLong);
        }
        let record = match self.bits.take(tag::BITS) {
            // Fewer bits than a tag has are padding.
            None | Some(tag::END) => return self.check_padding(),
            Some(tag::FULL) => {
                let slot = self.slot()?;
                let (entity, state) = read_full(&mut self.bits)?;
                Record::Full { slot, entity, state }
            }
            Some(tag::DELTA) => {
                let slot = self.slot()?;
                let age = self.age()?;
                Record::Delta { slot, age, delta: read_delta(&mut self.bits)? }
            }
            Some(tag::REMOVE) => Record::Remove { slot: self.slot()? },
            Some(_) => return Err(BlockError::Cut),
        };
        Ok(Some(record))
    }

    /// After the end only zero bits follow, and fewer than a byte of them.
    fn check_padding(&mut self) -> Result<Option<Record>, BlockError> {
        let left = self.bits.left();
        if left >= 8 || self.bits.take(left as u32) != Some(0) { Err(BlockError::Trailing) } else { Ok(None) }
    }

    fn slot(&mut self) -> Result<Slot, BlockError> {
        let next = self.before.next_slot;
        let number = if !self.flag()? {
            next
        } else if !self.flag()? {
            next + 1 + self.take(4)? as u16
        } else if !self.flag()? {
            self.take(8)? as u16
        } else {
            self.take(13)? as u16
        };
        let slot = Slot::new(number).ok_or(BlockError::BadSlot(number))?;
        self.before.next_slot = number + 1;
        Ok(slot)
    }

    fn age(&mut self) -> Result<Age, BlockError> {
        let age = if self.flag()? { Age::new(self.take(6)? as u8) } else { self.before.age };
        self.before.age = age;
        age.ok_or(BlockError::BadAge)
    }

    fn flag(&mut self) -> Result<bool, BlockError> {
        self.bits.flag().ok_or(BlockError::Cut)
    }

    fn take(&mut self, count: u32) -> Result<u64, BlockError> {
        self.bits.take(count).ok_or(BlockError::Cut)
    }
}

impl Iterator for BlockReader<'_> {
    type Item = Result<Record, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let record = self.read();
        self.is_over = !matches!(record, Ok(Some(_)));
        record.transpose()
    }
}
