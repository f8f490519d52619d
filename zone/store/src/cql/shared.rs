//! One read of a lease for all who ask for it at the same time.
//!
//! Every write of a zone asks its lease, so in a busy zone hundreds ask the same row at once, which costs the servers as many
//! rounds of agreement on one partition. Here they draw numbers; whoever's turn it is reads, and what it read is the answer of
//! everybody whose number was drawn *before that read began*. So each gets a row that was read after it asked, which is all
//! that the order of fencing needs (see [`owners`](super::owners)).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use darkages_topology::ShardId;
use tokio::sync::Mutex;

use crate::error::StoreError;

/// Shards whose readers are remembered; beyond it all are forgotten, and those who wait read for themselves.
const MAX_SHARDS: usize = 4_096;

/// Who waits for what was read of each shard.
pub(super) struct Shared<T>(std::sync::Mutex<BTreeMap<ShardId, Arc<Queue<T>>>>);

struct Queue<T> {
    drawn: AtomicU64,
    /// The last read, held by whoever reads.
    last: Mutex<Option<Read<T>>>,
}

/// What was read, or that nothing could be, after this number was drawn.
struct Read<T> {
    after: u64,
    found: Option<T>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<T: Clone> Shared<T> {
    /// What is read of `shard` by a read that begins after this call. `missed` is the error when somebody else's read failed.
    pub async fn read(
        &self,
        shard: ShardId,
        read: impl Future<Output = Result<T, StoreError>>,
        missed: impl FnOnce() -> StoreError,
    ) -> Result<T, StoreError> {
        let queue = self.queue(shard);
        let number = queue.drawn.fetch_add(1, Ordering::SeqCst);
        // In the order of numbers, more or less; when whoever reads is dropped, the next one reads.
        let mut last = queue.last.lock().await;
        if let Some(Read { after, found }) = &*last
            && *after > number
        {
            return found.clone().ok_or_else(missed);
        }
        let after = queue.drawn.load(Ordering::SeqCst);
        let found = read.await;
        *last = Some(Read { after, found: found.as_ref().ok().cloned() });
        found
    }

    fn queue(&self, shard: ShardId) -> Arc<Queue<T>> {
        // A map of handles: it is whole whatever panicked.
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.len() >= MAX_SHARDS && !queues.contains_key(&shard) {
            queues.clear();
        }
        let new = || Arc::new(Queue { drawn: AtomicU64::new(0), last: Mutex::new(None) });
        Arc::clone(queues.entry(shard).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    const SHARD: ShardId = ShardId(1);

    fn missed() -> StoreError {
        StoreError::Closed
    }

    /// Reads count up; each needs a permit to end.
    #[derive(Default)]
    struct Row {
        begun: AtomicU64,
        permits: Option<Semaphore>,
    }

    impl Row {
        async fn read(&self) -> Result<u64, StoreError> {
            let number = self.begun.fetch_add(1, Ordering::SeqCst);
            if let Some(permits) = &self.permits {
                permits.acquire().await.expect("open").forget();
            }
            Ok(number)
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_two_reads() {
        let (shared, row) = (Shared::default(), Row { permits: Some(Semaphore::new(0)), ..Row::default() });
        let all = join_all((0..100).map(|_| shared.read(SHARD, row.read(), missed)));
        let freed = async {
            // The first one reads alone; by then all others wait.
            tokio::task::yield_now().await;
            row.permits.as_ref().expect("some").add_permits(2);
        };
        let (found, ()) = tokio::join!(all, freed);
        let found: Vec<u64> = found.into_iter().map(|found| found.expect("read")).collect();
        assert_eq!(found[0], 0);
        assert!(found[1..].iter().all(|read| *read == 1), "none has a read that began before it asked: {found:?}");
        assert_eq!(row.begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_asks_later_gets_a_later_read_and_shards_do_not_mix() {
        let (shared, row) = (Shared::default(), Row::default());
        for wanted in 0..3 {
            assert_eq!(shared.read(SHARD, row.read(), missed).await.expect("read"), wanted);
        }
        assert_eq!(shared.read(ShardId(2), row.read(), missed).await.expect("read"), 3);
    }

    #[tokio::test]
    async fn a_reader_that_is_dropped_or_fails_keeps_nobody_waiting() {
        let (shared, row) = (Shared::default(), Row { permits: Some(Semaphore::new(0)), ..Row::default() });
        let mut dropped = Box::pin(shared.read(SHARD, row.read(), missed));
        assert!(futures_util::poll!(&mut dropped).is_pending());
        let mut next = Box::pin(shared.read(SHARD, row.read(), missed));
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(dropped);
        row.permits.as_ref().expect("some").add_permits(1);
        assert_eq!(next.await.expect("read"), 1);

        let failing = async {
            tokio::task::yield_now().await;
            Err::<u64, _>(StoreError::Full { what: "it", limit: 0 })
        };
        let (first, second, third) = tokio::join!(
            shared.read(SHARD, failing, missed),
            shared.read(SHARD, async { Err(StoreError::Full { what: "it", limit: 1 }) }, missed),
            shared.read(SHARD, row.read(), missed),
        );
        assert!(matches!(first, Err(StoreError::Full { limit: 0, .. })), "{first:?}");
        assert!(matches!(second, Err(StoreError::Full { limit: 1, .. })), "{second:?}");
        assert!(matches!(third, Err(StoreError::Closed)), "it shares the second one's fate: {third:?}");
    }
}
