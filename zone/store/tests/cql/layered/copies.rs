//! What is in Redis is believed only where it is true: stale, foreign and damaged copies.

use std::sync::Arc;

use darkages_servers::redis::Server;
use darkages_store::{Fence, OwnerRecord, Saved, Store, Swap, Swapped};
use darkages_topology::{HandoffId, PlayerId, ShardId, Tick};

use super::{Tiers, flushed, mark, marked, record, save};
use crate::cassandra;
use crate::scene::{SHARD, acquire, create, trade, versions};

const PLAYER: PlayerId = PlayerId(7);
const OTHER: ShardId = ShardId(2);

/// Where the owner epoch is in a record's bytes.
const EPOCH: std::ops::Range<usize> = 5..13;

fn put(redis: &Server, key: &str, bytes: &[u8]) {
    let mut connection = redis.connection().expect("it serves");
    redis::cmd("SET").arg(key).arg(bytes).exec(&mut connection).expect("written");
}

fn held(redis: &Server, key: &str) -> Vec<u8> {
    let mut connection = redis.connection().expect("it serves");
    redis::cmd("GET").arg(key).query(&mut connection).expect("read")
}

/// A store that acts for the player, as which shard, and the player's record.
async fn with_the_player(tiers: &Tiers) -> (Arc<dyn Store>, Fence, OwnerRecord) {
    let store = tiers.open().await;
    let fence = acquire(&*store, SHARD).await;
    create(&*store, fence, &[PLAYER]).await;
    let made = record(&*store, PLAYER).await;
    (store, fence, made)
}

/// The player's data is what it was, whatever Redis says, a checkpoint is taken, and the copy is good again.
async fn is_not_believed(store: &dyn Store, fence: Fence, before: u64, what: &str) {
    let found = record(store, PLAYER).await;
    assert_eq!(mark(&found.data), before, "{what}: what was saved");
    assert_eq!(save(store, fence, PLAYER, &found, before + 1).await, Saved::Done, "{what}");
    let after = record(store, PLAYER).await;
    assert_eq!((mark(&after.data), after.expect()), (before + 1, found.expect()), "{what}");
    let hits = store.health().cache_hits;
    assert_eq!(save(store, fence, PLAYER, &found, before + 2).await, Saved::Done, "{what}");
    assert_eq!(store.health().cache_hits, hits + 1, "{what}: it was replaced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_and_damaged_copies_are_never_believed() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let (store, s, made) = with_the_player(&tiers).await;
    let t = acquire(&*store, OTHER).await;
    assert_eq!(save(&*store, s, PLAYER, &made, 100).await, Saved::Done);
    let key = tiers.copy_of(PLAYER).await;
    let old = held(&tiers.redis, &key);

    // The player goes to another shard; Redis has the copy of before.
    let id = HandoffId { from: SHARD, from_epoch: s.epoch, number: 1 };
    let open = made.committed(OTHER, id, s, Tick(1), marked(&made, 200));
    let closed = open.closed(marked(&made, 210));
    let swap =
        |from: &OwnerRecord, next: &OwnerRecord| Swap { player: PLAYER, expect: from.expect(), next: next.clone() };
    let done = [
        store.swap(s, vec![swap(&made, &open)]).await.expect("swap"),
        store.swap(t, vec![swap(&open, &closed)]).await.expect("swap"),
    ];
    assert_eq!(done.concat(), [Swapped::Done, Swapped::Done]);
    put(&tiers.redis, &key, &old);
    is_not_believed(&*store, t, 210, "an older owner epoch").await;

    flushed(&*store).await;
    let good = held(&tiers.redis, &key);
    let mut newer = good.clone();
    newer[EPOCH].copy_from_slice(&99_u64.to_le_bytes());
    put(&tiers.redis, &key, &newer);
    is_not_believed(&*store, t, 212, "a newer owner epoch").await;

    flushed(&*store).await;
    put(&tiers.redis, &key, b"\x01x");
    is_not_believed(&*store, t, 214, "a few bytes").await;

    flushed(&*store).await;
    put(&tiers.redis, &key, &[0xff; 300]);
    is_not_believed(&*store, t, 216, "garbage").await;

    flushed(&*store).await;
    tiers.redis.ask::<()>(&["DEL", &key]);
    tiers.redis.ask::<i64>(&["LPUSH", &key, "x"]);
    is_not_believed(&*store, t, 218, "a list").await;

    // The right head before data that somebody has changed.
    flushed(&*store).await;
    let mut changed = held(&tiers.redis, &key);
    let place = changed.len() - 25;
    changed[place] ^= 1;
    put(&tiers.redis, &key, &changed);
    assert_eq!(mark(&record(&*store, PLAYER).await.data), 220, "its sum is wrong");
    flushed(&*store).await;
    let cut = held(&tiers.redis, &key);
    put(&tiers.redis, &key, &cut[..cut.len() - 3]);
    assert_eq!(mark(&record(&*store, PLAYER).await.data), 220, "it is cut");
}

/// A checkpoint that was taken before a transaction must not come back after it, from whichever side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_before_a_transaction_does_not_undo_it() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let (store, fence, made) = with_the_player(&tiers).await;
    assert_eq!(save(&*store, fence, PLAYER, &made, 5).await, Saved::Done);
    flushed(&*store).await;
    let key = tiers.copy_of(PLAYER).await;
    let before = held(&tiers.redis, &key);
    store.commit(fence, trade(&[PLAYER], 77, 0)).await.expect("commit");
    put(&tiers.redis, &key, &before);
    assert_eq!(versions(&*store, &[PLAYER]).await, [1]);
    assert_eq!(mark(&record(&*store, PLAYER).await.data), 77, "the state of the transaction");
    // Whoever saves what they had before their own transaction may hear that it was taken; nobody will see it.
    save(&*store, fence, PLAYER, &made, 6).await;
    assert_eq!(mark(&record(&*store, PLAYER).await.data), 77);
    flushed(&*store).await;
    tiers.redis.ask::<()>(&["FLUSHALL"]);
    assert_eq!(mark(&record(&*store, PLAYER).await.data), 77, "CQL's snapshot is of before, too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_sees_its_checkpoints_although_redis_has_lost_them() {
    let _together = cassandra::together().await;
    let tiers = Tiers::start().await;
    let (store, fence, made) = with_the_player(&tiers).await;
    for next in 1..=30 {
        // Sooner than CQL has it, most of the time.
        assert_eq!(save(&*store, fence, PLAYER, &made, next).await, Saved::Done);
        tiers.redis.ask::<()>(&["FLUSHALL"]);
        let found = match next % 3 {
            0 => record(&*store, PLAYER).await,
            1 => store.owned_by(SHARD, None, 8).await.expect("read").remove(0).1,
            _ => store.scan_owners(None, 8).await.expect("read").remove(0).1,
        };
        assert_eq!(mark(&found.data), next);
    }
}
