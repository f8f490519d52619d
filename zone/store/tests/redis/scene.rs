//! What the tests of faults have in common: an open world with a lease, players in it, and trades.

use std::sync::Arc;
use std::time::{Duration, Instant};

use darkages_servers::DEADLINE;
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Expect, Fence, LogSeq, OwnerRecord, PlayerData, RequestId, Store,
    StoreError, Swap, Swapped, Transaction, open,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, ZoneId};

pub const WORLD: &str = "faults";
pub const SHARD: ShardId = ShardId(1);

/// Longer than any of these tests.
const TTL: Duration = Duration::from_secs(600);

pub async fn opened(url: &str) -> (Arc<dyn Store>, Fence) {
    let store = open(url, WORLD).await.expect("the store opens");
    let acquired = store.acquire(SHARD, &ZoneId("z".into()), TTL).await.expect("acquire");
    let Acquired::Granted(lease) = acquired else { panic!("nobody else is here") };
    (store, lease.fence)
}

pub async fn create(store: &Arc<dyn Store>, fence: Fence, player: PlayerId) -> OwnerRecord {
    let next = OwnerRecord::created(fence.shard, PlayerData::default());
    let swap = Swap { player, expect: Expect::Absent, next: next.clone() };
    assert_eq!(store.swap(fence, vec![swap]).await.expect("swap"), [Swapped::Done]);
    next
}

/// The trade that makes a player's state from `data`, once.
pub fn trade(player: PlayerId, data: PlayerData) -> Transaction {
    Transaction {
        request: RequestId { player, number: data.version.0 },
        states: vec![Checkpoint { player, owner_epoch: OwnerEpoch(1), data }],
        event: Event::default(),
        answer: vec![1],
    }
}

/// Commits until the store says what became of it; how long that took.
pub async fn commit_in_the_end(store: &Arc<dyn Store>, fence: Fence, trade: Transaction) -> Duration {
    let asked = Instant::now();
    loop {
        match store.commit(fence, trade.clone()).await {
            Ok(Committed::Done { .. } | Committed::Repeated { .. }) => return asked.elapsed(),
            Ok(refused) => panic!("the record is the writer's: {refused:?}"),
            Err(StoreError::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(asked.elapsed() < DEADLINE, "the store does not come back");
        // A store that is down answers at once, and a zone would ask again in a later tick.
        tokio::time::sleep(Duration::from_millis(16)).await;
    }
}

/// How many transactions the log has.
pub async fn logged(store: &Arc<dyn Store>) -> u64 {
    let (mut entries, mut from) = (0, LogSeq(0));
    loop {
        let page = store.read_log(SHARD, from, 1_000).await.expect("read");
        let Some(last) = page.last() else { return entries };
        from = last.seq.next();
        entries += page.iter().filter(|entry| entry.request.is_some()).count() as u64;
    }
}
