//! Rivals that swap the same records at once, for every driver.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use darkages_store::{Acquired, Expect, Fence, OwnerRecord, PlayerData, Store, Swap, Swapped};
use darkages_topology::{HandoffId, OwnerEpoch, PlayerId, ShardId, Tick, ZoneId};
use proptest::prelude::*;
use tokio::task::JoinSet;

const SHARDS: u32 = 3;
const PLAYERS: u64 = 4;

/// One rival: which zone it is, whom it wants, and what it tries.
#[derive(Clone, Debug)]
pub struct Attempt {
    zone: u32,
    players: Vec<u64>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Claim,
    Commit,
    Close,
    Release,
}

/// Some rivals.
pub fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let kind = prop_oneof![Just(Kind::Claim), Just(Kind::Commit), Just(Kind::Close), Just(Kind::Release)];
    let players = proptest::collection::vec(0..PLAYERS, 1..4);
    let attempt = (0..SHARDS, players, kind).prop_map(|(zone, players, kind)| Attempt { zone, players, kind });
    proptest::collection::vec(attempt, 4..60)
}

/// What this rival wants to make of a record, legal or not.
fn wanted(attempt: &Attempt, record: &OwnerRecord, fence: Fence, mark: i32) -> OwnerRecord {
    let id = HandoffId { from: fence.shard, from_epoch: fence.epoch, number: 1 };
    let mut data = PlayerData { version: record.data.version, ..PlayerData::default() };
    data.position.x = mark;
    let to = ShardId((fence.shard.0 + 1) % SHARDS);
    let mut next = match attempt.kind {
        Kind::Claim => record.claimed(fence.shard),
        Kind::Commit => record.committed(to, id, fence, Tick(1), data.clone()),
        Kind::Close => record.closed(data.clone()),
        Kind::Release => record.released(data.clone()).unwrap_or_else(|| record.claimed(fence.shard)),
    };
    next.data = data;
    next
}

/// Everything that was done: the player, what was expected, what came of it.
pub type Done = Vec<(PlayerId, Expect, OwnerRecord)>;

/// Lets them loose on an empty store; what they did, and the records that are left.
pub async fn rivals(store: Arc<dyn Store>, attempts: Vec<Attempt>) -> (Done, BTreeMap<PlayerId, OwnerRecord>) {
    let mut fences = Vec::new();
    for shard in (0..SHARDS).map(ShardId) {
        let acquired = store.acquire(shard, &ZoneId(shard.to_string()), Duration::from_secs(60)).await;
        let Acquired::Granted(lease) = acquired.expect("acquire") else { panic!("it is free") };
        fences.push(lease.fence);
    }
    for player in 0..PLAYERS {
        let fence = fences[player as usize % fences.len()];
        let next = OwnerRecord::created(fence.shard, PlayerData::default());
        let swap = Swap { player: PlayerId(player), expect: Expect::Absent, next };
        assert_eq!(store.swap(fence, vec![swap]).await.expect("swap"), [Swapped::Done]);
    }
    let mut tasks = JoinSet::new();
    for (mark, attempt) in attempts.into_iter().enumerate() {
        let (store, fence) = (Arc::clone(&store), fences[attempt.zone as usize]);
        tasks.spawn(async move {
            let mut swaps = Vec::new();
            for player in attempt.players.iter().copied().map(PlayerId) {
                let record = store.owner(player).await.expect("read").expect("created");
                let next = wanted(&attempt, &record, fence, mark as i32 + 1);
                swaps.push(Swap { player, expect: record.expect(), next });
                tokio::task::yield_now().await;
            }
            let answers = store.swap(fence, swaps.clone()).await.expect("swap");
            let done = swaps.into_iter().zip(answers).filter(|(_, answer)| *answer == Swapped::Done);
            done.map(|(swap, _)| (swap.player, swap.expect, swap.next)).collect::<Done>()
        });
    }
    let done = tasks.join_all().await.into_iter().flatten().collect();
    let records = store.scan_owners(None, 100).await.expect("scan").into_iter().collect();
    (done, records)
}

/// From the first record on, the winners form one chain that ends at what is stored.
pub fn check(done: Done, records: BTreeMap<PlayerId, OwnerRecord>) -> Result<(), TestCaseError> {
    let mut successors = BTreeMap::new();
    for (player, expect, next) in done {
        let Expect::At { owner_epoch, phase } = expect else { panic!("all were created before") };
        let key = (player, owner_epoch, format!("{phase:?}"));
        prop_assert!(successors.insert(key.clone(), next).is_none(), "two winners for {:?}", key);
    }
    for (player, record) in records {
        let fence = ShardId(player.0 as u32 % SHARDS);
        let mut last = OwnerRecord::created(fence, PlayerData::default());
        while let Some(next) = successors.remove(&(player, last.owner_epoch, format!("{:?}", last.phase()))) {
            prop_assert!(next.owner_epoch >= last.owner_epoch && next.owner_epoch > OwnerEpoch(0));
            last = next;
        }
        prop_assert_eq!(&last, &record);
    }
    prop_assert!(successors.is_empty(), "winners that nothing leads to: {:?}", successors);
    Ok(())
}
