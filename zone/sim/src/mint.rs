//! Ids that this incarnation of a shard makes: never made before, never made again.

use darkages_topology::{EntityId, ShardEpoch, ShardId};
use serde::{Deserialize, Serialize};

/// Bits of the counter that count within one incarnation; the incarnation's epoch has the 12 bits above them. A shard can
/// be reincarnated 4,095 times, and each incarnation makes 268 million ids: months of the busiest shard.
pub const COUNTER_BITS_PER_EPOCH: u32 = 28;

/// Makes the ids of entities and items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mint {
    shard: ShardId,
    next: u64,
    end: u64,
}

/// Why a shard can make no ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// The epoch does not fit in its bits.
    #[error("{shard} is in its incarnation {epoch} and has used up its ids: move its ground to a new shard")]
    EpochsUsedUp {
        /// The shard.
        shard: ShardId,
        /// Its incarnation.
        epoch: ShardEpoch,
    },
}

impl Mint {
    /// The mint of one incarnation of a shard.
    ///
    /// # Errors
    /// When the epoch has more than 12 bits.
    pub fn new(shard: ShardId, epoch: ShardEpoch) -> Result<Self, MintError> {
        if epoch.0 >= 1 << (EntityId::COUNTER_BITS - COUNTER_BITS_PER_EPOCH) {
            return Err(MintError::EpochsUsedUp { shard, epoch });
        }
        let first = epoch.0 << COUNTER_BITS_PER_EPOCH;
        Ok(Self { shard, next: first, end: first + (1 << COUNTER_BITS_PER_EPOCH) })
    }

    /// The shard whose ids these are.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// A new id, or `None` when this incarnation has used up its own.
    pub fn entity(&mut self) -> Option<EntityId> {
        if self.next >= self.end {
            return None;
        }
        let id = EntityId::new(self.shard, self.next);
        self.next += 1;
        Some(id)
    }
}
