//! Two processes on one world, one of which cannot reach Redis.

use darkages_servers::free_port;
use darkages_store::{Fence, OwnerRecord, Saved, Store, Swap, Swapped, open};
use darkages_topology::{HandoffId, PlayerId, ShardId, Tick};

use super::{Tiers, WORLD, flushed, mark, marked, record, save};
use crate::cassandra;
use crate::scene::{SHARD, acquire, create};

const PLAYER: PlayerId = PlayerId(3);
const OTHER: ShardId = ShardId(2);

async fn step(store: &dyn Store, fence: Fence, from: &OwnerRecord, next: OwnerRecord) -> OwnerRecord {
    let swap = Swap { player: PLAYER, expect: from.expect(), next: next.clone() };
    assert_eq!(store.swap(fence, vec![swap]).await.expect("swap"), [Swapped::Done]);
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_cannot_reach_redis_sees_and_is_seen() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let near = tiers.open().await;
    let nowhere = format!("127.0.0.1:{}", free_port());
    let far = open(&tiers.url().replace(&tiers.redis.address(), &nowhere), WORLD).await.expect("it opens");
    let (s, t) = (acquire(&*near, SHARD).await, acquire(&*far, OTHER).await);
    create(&*near, s, &[PLAYER]).await;
    let mut mine = record(&*near, PLAYER).await;
    for round in 0..10 {
        let first = 100 * round;
        // Everything about the player is in Redis, and within a second in CQL.
        for next in first..first + 5 {
            assert_eq!(save(&*near, s, PLAYER, &mine, next).await, Saved::Done);
        }
        flushed(&*near).await;
        assert_eq!(mark(&record(&*far, PLAYER).await.data), first + 4, "{round}: CQL has the last one");
        // The player goes over, and Redis is not told what happens there.
        let id = HandoffId { from: SHARD, from_epoch: s.epoch, number: round };
        let open = step(&*near, s, &mine, mine.committed(OTHER, id, s, Tick(1), marked(&mine, first + 10))).await;
        let theirs = step(&*far, t, &open, open.closed(marked(&open, first + 20))).await;
        assert_eq!(mark(&record(&*near, PLAYER).await.data), first + 20, "{round}: the record, not the copy");
        for next in first + 21..first + 25 {
            assert_eq!(save(&*far, t, PLAYER, &theirs, next).await, Saved::Done);
            assert_eq!(mark(&record(&*near, PLAYER).await.data), next, "{round}: seen at once");
        }
        let id = HandoffId { from: OTHER, from_epoch: t.epoch, number: round };
        let back = step(&*far, t, &theirs, theirs.committed(SHARD, id, t, Tick(2), marked(&theirs, first + 30))).await;
        mine = step(&*near, s, &back, back.closed(marked(&back, first + 40))).await;
    }
}

/// The same incarnation in two processes is none that zones make; it is the sharpest case of a copy with the right head that is
/// older than what CQL has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_of_copy_and_snapshot_counts_under_the_same_head() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let near = tiers.open().await;
    let nowhere = format!("127.0.0.1:{}", free_port());
    let far = open(&tiers.url().replace(&tiers.redis.address(), &nowhere), WORLD).await.expect("it opens");
    let fence = acquire(&*near, SHARD).await;
    create(&*near, fence, &[PLAYER]).await;
    let made = record(&*near, PLAYER).await;
    for round in 0..20 {
        assert_eq!(save(&*near, fence, PLAYER, &made, 2 * round).await, Saved::Done);
        flushed(&*near).await;
        // By the servers' clock, to the millisecond, this one is later or as late; so it reads first, as a successor does.
        assert_eq!(mark(&record(&*far, PLAYER).await.data), 2 * round, "{round}");
        assert_eq!(save(&*far, fence, PLAYER, &made, 2 * round + 1).await, Saved::Done);
        assert_eq!(mark(&record(&*near, PLAYER).await.data), 2 * round + 1, "{round}: CQL's is newer than the copy");
    }
}
