//! The log of a shard keeps a bounded number of entries, the newest.

use std::sync::Arc;
use std::time::Duration;

use darkages_store::embedded::LOG_KEPT_PER_SHARD;
use darkages_store::limits::MAX_BATCH;
use darkages_store::{Acquired, Embedded, Event, LogSeq, ManualClock, Store};
use darkages_topology::{ShardId, ZoneId};

#[tokio::test]
async fn old_entries_go_when_there_are_too_many() {
    let store = Embedded::in_memory("log", Arc::new(ManualClock::default())).expect("memory");
    let shard = ShardId(1);
    let acquired = store.acquire(shard, &ZoneId("z".into()), Duration::from_secs(60)).await.expect("acquire");
    let Acquired::Granted(lease) = acquired else { panic!("it is free") };
    let mut last = LogSeq(0);
    while last.0 < LOG_KEPT_PER_SHARD + 100 {
        last = store.append(lease.fence, vec![Event::default(); MAX_BATCH]).await.expect("append");
    }
    let first = store.read_log(shard, LogSeq(0), 1).await.expect("read")[0].seq;
    assert_eq!(last.0 - first.0 + 1, LOG_KEPT_PER_SHARD);
    let newest = store.read_log(shard, last, 10).await.expect("read");
    assert_eq!(newest.len(), 1);
}
