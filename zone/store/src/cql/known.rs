//! Records as this process has written them last: what the next writer in it need not read.
//!
//! A revision names the contents of a row for ever, so a record that is remembered here is as good as one that was read a long
//! time ago: whoever builds on it swaps the revision, and when somebody else has written meanwhile the swap fails. One thing
//! ends "for ever": [`clear`](super::clear) empties the table, and revisions begin anew. Whoever does that holds all leases, so
//! every other incarnation is over. So what is remembered counts only for the incarnation that wrote it, and only after its
//! lease was found live: then nobody else can have cleared the store since. Who clears it forgets everything.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use darkages_topology::PlayerId;

use super::owners::Free;
use crate::lease::Fence;

/// Bytes of the states of all records that are remembered, about; beyond it all are forgotten.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What a record takes beside its state, about.
const RECORD_BYTES: usize = 200;

/// Records by player, and who wrote them.
#[derive(Default)]
pub(super) struct Known(Mutex<Records>);

#[derive(Default)]
struct Records {
    by_player: HashMap<PlayerId, (Fence, Free)>,
    bytes: usize,
}

fn bytes(free: &Free) -> usize {
    RECORD_BYTES + free.record.data.state.len()
}

impl Records {
    fn forget(&mut self, player: PlayerId) {
        if let Some((_, free)) = self.by_player.remove(&player) {
            self.bytes -= bytes(&free);
        }
    }
}

impl Known {
    fn records(&self) -> MutexGuard<'_, Records> {
        // What a panic leaves half done is at worst a record too few, or bytes that are counted too high.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of a player as this incarnation left it.
    pub fn of(&self, fence: Fence, player: PlayerId) -> Option<Free> {
        let records = self.records();
        let (by, free) = records.by_player.get(&player)?;
        (*by == fence).then(|| free.clone())
    }

    /// This incarnation has just written the record.
    pub fn learn(&self, fence: Fence, player: PlayerId, free: Free) {
        let mut records = self.records();
        records.forget(player);
        let size = bytes(&free);
        if records.bytes + size > MAX_BYTES {
            *records = Records::default();
        }
        records.bytes += size;
        records.by_player.insert(player, (fence, free));
    }

    /// The record is another one now, or may be.
    pub fn forget(&self, player: PlayerId) {
        self.records().forget(player);
    }

    /// All records are others now.
    pub fn forget_all(&self) {
        *self.records() = Records::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::{OwnerRecord, PlayerData};
    use darkages_topology::{ShardEpoch, ShardId};

    fn free(revision: i64, state: usize) -> Free {
        let data = PlayerData { state: vec![0; state], ..PlayerData::default() };
        Free { revision, record: OwnerRecord::created(ShardId(1), data) }
    }

    #[test]
    fn what_one_incarnation_wrote_is_nothing_to_another() {
        let known = Known::default();
        let [fence, later] = [1, 2].map(|epoch| Fence { shard: ShardId(1), epoch: ShardEpoch(epoch) });
        known.learn(fence, PlayerId(1), free(3, 10));
        known.learn(fence, PlayerId(1), free(4, 10));
        assert_eq!(known.of(fence, PlayerId(1)).map(|free| free.revision), Some(4));
        assert!(known.of(later, PlayerId(1)).is_none() && known.of(fence, PlayerId(2)).is_none());
        known.forget(PlayerId(1));
        assert!(known.of(fence, PlayerId(1)).is_none());
        assert_eq!(known.records().bytes, 0);
    }

    #[test]
    fn so_many_bytes_are_remembered() {
        let known = Known::default();
        let fence = Fence { shard: ShardId(1), epoch: ShardEpoch(1) };
        for player in 0..2_000 {
            known.learn(fence, PlayerId(player), free(1, 64 * 1024));
            assert!(known.records().bytes <= MAX_BYTES);
        }
        assert!(known.of(fence, PlayerId(1_999)).is_some(), "the newest is there");
        known.forget_all();
        assert!(known.of(fence, PlayerId(1_999)).is_none());
    }
}
