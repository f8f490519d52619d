//! The entity block of a snapshot: bit-packed records of what appears, changes and disappears.
//!
//! A record names its entity by a slot of the session. A full record carries everything; a delta names by its age the
//! older snapshot in which this client acknowledged the entity, and carries what changed since; a remove empties the slot
//! and is repeated until it is acknowledged. The zone fills a block up to a byte budget: a record that does not fit leaves
//! no trace. `docs/PROTOCOL.md` has the layout bit by bit.

mod bits;
mod body;
mod reader;
mod state;
mod writer;

pub use body::{Delta, DeltaBody, FullBody};
pub use reader::{BlockError, BlockReader, Record};
pub use state::{Age, EntityState, Kind, MAX_AGE, MAX_SLOTS, Slot, SpeedClass};
pub use writer::{BlockFull, BlockWriter, Mark};

/// Bytes of a block, at most. Each record has at least three bits, so a block has fewer than 2,934 records.
pub const MAX_BLOCK_BYTES: usize = 1_100;

/// First two bits of a record; zero ends the block.
mod tag {
    pub(super) const END: u64 = 0;
    pub(super) const DELTA: u64 = 1;
    pub(super) const FULL: u64 = 2;
    pub(super) const REMOVE: u64 = 3;
    pub(super) const BITS: u32 = 2;
}

#[cfg(test)]
mod tests;
