//! A store with what most cases need in it.

use std::sync::Arc;
use std::time::Duration;

use darkages_topology::{HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, ShardId, Tick, ZoneId};

use super::Factory;
use crate::journal::{Checkpoint, Committed, Event, RequestId, Saved, Transaction};
use crate::lease::{Acquired, Fence};
use crate::owner::{Expect, OwnerRecord, PlayerData, StateVersion, Swap, Swapped};
use crate::port::Store;

/// Leases of the cases last as long as those of real zones.
pub(super) const TTL: Duration = Duration::from_millis(1_500);

/// Longer than [`TTL`], with room for a store that counts in whole units.
pub(super) const PAST_TTL: Duration = Duration::from_millis(1_700);

pub(super) const S: ShardId = ShardId(1);
pub(super) const T: ShardId = ShardId(2);
pub(super) const ANNE: PlayerId = PlayerId(11);
pub(super) const BEN: PlayerId = PlayerId(12);

pub(super) struct Scene<'a> {
    pub factory: &'a dyn Factory,
    pub store: Arc<dyn Store>,
}

impl<'a> Scene<'a> {
    pub async fn new(factory: &'a dyn Factory) -> Self {
        Self { factory, store: factory.fresh().await }
    }

    pub async fn reopen(self) -> Self {
        Self { factory: self.factory, store: self.factory.reopen(self.store).await }
    }

    pub async fn pass(&self, time: Duration) {
        self.factory.pass(time).await;
    }

    /// The lease of a shard that nobody holds.
    pub async fn acquire(&self, shard: ShardId) -> Fence {
        match self.store.acquire(shard, &zone(shard), TTL).await.expect("acquire") {
            Acquired::Granted(lease) => lease.fence,
            Acquired::Held { by, left, .. } => panic!("{shard} must be free, but {by} holds it for {left:?}"),
        }
    }

    /// A new player of the writer's shard.
    pub async fn create(&self, fence: Fence, player: PlayerId) -> OwnerRecord {
        let record = OwnerRecord::created(fence.shard, data(1));
        assert_eq!(
            self.swap_from(fence, player, Expect::Absent, record.clone()).await,
            Swapped::Done,
            "create {player}"
        );
        record
    }

    pub async fn swap_from(&self, fence: Fence, player: PlayerId, expect: Expect, next: OwnerRecord) -> Swapped {
        let mut answers = self.store.swap(fence, vec![Swap { player, expect, next }]).await.expect("swap");
        assert_eq!(answers.len(), 1, "one answer for one swap");
        answers.remove(0)
    }

    /// Swaps exactly `from` for `next`.
    pub async fn swap(&self, fence: Fence, player: PlayerId, from: &OwnerRecord, next: &OwnerRecord) -> Swapped {
        self.swap_from(fence, player, from.expect(), next.clone()).await
    }

    /// Swaps that must be done; returns the new record.
    pub async fn step(&self, fence: Fence, player: PlayerId, from: &OwnerRecord, next: OwnerRecord) -> OwnerRecord {
        assert_eq!(self.swap(fence, player, from, &next).await, Swapped::Done, "{from:?} → {next:?} by {fence}");
        assert_eq!(self.record(player).await, next, "the record is what was swapped in");
        next
    }

    pub async fn record(&self, player: PlayerId) -> OwnerRecord {
        self.store.owner(player).await.expect("read").expect("the player has a record")
    }

    pub async fn save(&self, fence: Fence, checkpoint: Checkpoint) -> Saved {
        let answers = self.store.save_batch(fence, vec![checkpoint]).await.expect("save");
        assert_eq!(answers.len(), 1, "one answer for one checkpoint");
        answers[0]
    }

    pub async fn commit(&self, fence: Fence, transaction: Transaction) -> Committed {
        self.store.commit(fence, transaction).await.expect("commit")
    }
}

pub(super) fn zone(shard: ShardId) -> ZoneId {
    ZoneId(format!("zone-{}", shard.0))
}

/// Data that can be told apart by `mark`.
pub(super) fn data(mark: u32) -> PlayerData {
    PlayerData {
        state: vec![mark as u8; 100 + mark as usize % 50],
        version: StateVersion::default(),
        last_input: InputSeq(mark),
        position: Position { x: mark as i32, y: -(mark as i32) },
    }
}

pub(super) fn checkpoint(player: PlayerId, owner_epoch: OwnerEpoch, data: PlayerData) -> Checkpoint {
    Checkpoint { player, owner_epoch, data }
}

/// A handoff of `by` to `to`, from `record`.
pub(super) fn committed(record: &OwnerRecord, by: Fence, to: ShardId) -> OwnerRecord {
    let id = HandoffId { from: by.shard, from_epoch: by.epoch, number: 7 };
    record.committed(to, id, by, Tick(1_000), record.data.clone())
}

pub(super) fn trade(player: PlayerId, number: u64, states: Vec<Checkpoint>) -> Transaction {
    Transaction {
        request: RequestId { player, number },
        states,
        event: Event { kind: 3, tick: Tick(99), payload: number.to_le_bytes().to_vec() },
        answer: format!("traded {number}").into_bytes(),
    }
}
