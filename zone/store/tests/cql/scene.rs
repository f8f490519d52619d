//! What tests of transactions need: an incarnation, players, and a trade between two of them.

use std::time::Duration;

use darkages_store::{
    Acquired, Checkpoint, Event, Expect, Fence, LogEntry, LogSeq, OwnerRecord, PlayerData, RequestId, StateVersion,
    Store, Swap, Swapped, Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, ZoneId};

pub const SHARD: ShardId = ShardId(1);

/// Longer than any test.
const TTL: Duration = Duration::from_secs(600);

/// The lease of a shard that nobody holds.
pub async fn acquire(store: &dyn Store, shard: ShardId) -> Fence {
    match store.acquire(shard, &ZoneId("z".into()), TTL).await.expect("acquire") {
        Acquired::Granted(lease) => lease.fence,
        Acquired::Held { by, .. } => panic!("{by} holds {shard}"),
    }
}

/// Players of `fence` without any transaction.
pub async fn create(store: &dyn Store, fence: Fence, players: &[PlayerId]) {
    let next = OwnerRecord::created(fence.shard, PlayerData::default());
    let swaps: Vec<_> =
        players.iter().map(|player| Swap { player: *player, expect: Expect::Absent, next: next.clone() }).collect();
    let done = store.swap(fence, swaps).await.expect("create");
    assert!(done.iter().all(|done| *done == Swapped::Done), "{done:?}");
}

/// A transaction over `players` whose versions are all `version` before it.
pub fn trade(players: &[PlayerId], number: u64, version: u64) -> Transaction {
    let states = players.iter().map(|player| Checkpoint {
        player: *player,
        owner_epoch: OwnerEpoch(1),
        data: PlayerData {
            state: number.to_le_bytes().to_vec(),
            version: StateVersion(version),
            ..PlayerData::default()
        },
    });
    Transaction {
        request: RequestId { player: players[0], number },
        states: states.collect(),
        event: Event::default(),
        answer: vec![1],
    }
}

/// The versions of players who all have a record.
pub async fn versions(store: &dyn Store, players: &[PlayerId]) -> Vec<u64> {
    let records = store.owners(players).await.expect("read");
    records.into_iter().map(|record| record.expect("created").data.version.0).collect()
}

/// The whole log of a shard.
pub async fn log(store: &dyn Store, shard: ShardId) -> Vec<LogEntry> {
    let (mut entries, mut from) = (Vec::new(), LogSeq(0));
    loop {
        let page = store.read_log(shard, from, 1_000).await.expect("read");
        let Some(last) = page.last() else { return entries };
        from = last.seq.next();
        entries.extend(page);
    }
}
