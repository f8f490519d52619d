//! The store behind a queue, so that no tick waits for it.
//!
//! What flows in are requests of the zone's thread, what flows out are their answers, each exactly once, with a nudge that
//! wakes the thread. At most [`MAX_CALLS`] are under way; beyond that a request is answered `Unavailable` at once, which its
//! asker must be able to bear anyway.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use darkages_store::{
    Acquired, Checkpoint, Committed, Event, Fence, Health, LogSeq, OwnerRecord, Renewed, Saved, Store, StoreError,
    Swap, Swapped, Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, ZoneId};
use tokio::runtime::Handle;

use crate::handoff::CallId;

/// Requests under way at a time, at most. A tick makes one of each kind and a commit for each durable action.
pub const MAX_CALLS: usize = 1_024;

/// A request that is not answered by then counts as unavailable; what it did is looked up.
pub const CALL_DEADLINE: Duration = Duration::from_secs(1);

/// What a zone asks.
#[derive(Clone, Debug)]
pub enum Request {
    /// Acquire the lease of a shard.
    Acquire {
        /// The shard.
        shard: ShardId,
        /// For whom.
        zone: ZoneId,
        /// For how long.
        ttl: Duration,
    },
    /// Let a lease last longer.
    Renew {
        /// Whose.
        fence: Fence,
        /// For how long.
        ttl: Duration,
    },
    /// Let go of a lease.
    Release {
        /// Whose.
        fence: Fence,
    },
    /// Compare and swap owner records.
    Swap {
        /// Who writes.
        fence: Fence,
        /// The calls that the answers belong to, in the order of `swaps`.
        calls: Vec<(CallId, PlayerId)>,
        /// The swaps.
        swaps: Vec<Swap>,
    },
    /// Read owner records.
    Owners {
        /// Who asks, so that the answer finds the machine that did.
        fence: Fence,
        /// The calls and whose records they want.
        calls: Vec<(CallId, PlayerId)>,
    },
    /// Write checkpoints.
    Save {
        /// Who writes.
        fence: Fence,
        /// What.
        checkpoints: Vec<Checkpoint>,
    },
    /// Carry out a durable transaction.
    Commit {
        /// Who writes.
        fence: Fence,
        /// What.
        transaction: Transaction,
    },
    /// Append to the event log.
    Append {
        /// Who writes.
        fence: Fence,
        /// What.
        events: Vec<Event>,
    },
}

/// What the store said.
#[derive(Debug)]
pub enum Answer {
    /// To [`Request::Acquire`].
    Acquired {
        /// The shard.
        shard: ShardId,
        /// The answer.
        result: Result<Acquired, StoreError>,
    },
    /// To [`Request::Renew`].
    Renewed {
        /// Whose.
        fence: Fence,
        /// The answer.
        result: Result<Renewed, StoreError>,
    },
    /// To [`Request::Release`].
    Released {
        /// Whose.
        fence: Fence,
        /// The answer.
        result: Result<(), StoreError>,
    },
    /// To [`Request::Swap`].
    Swapped {
        /// Who wrote.
        fence: Fence,
        /// The calls.
        calls: Vec<(CallId, PlayerId)>,
        /// One answer each.
        result: Result<Vec<Swapped>, StoreError>,
    },
    /// To [`Request::Owners`].
    Owners {
        /// Who asked.
        fence: Fence,
        /// The calls.
        calls: Vec<(CallId, PlayerId)>,
        /// One record each.
        result: Result<Vec<Option<OwnerRecord>>, StoreError>,
    },
    /// To [`Request::Save`].
    Saved {
        /// Who wrote.
        fence: Fence,
        /// Whose checkpoints, and the owner epochs that they carried.
        players: Vec<(PlayerId, OwnerEpoch)>,
        /// One answer each.
        result: Result<Vec<Saved>, StoreError>,
    },
    /// To [`Request::Commit`].
    Committed {
        /// Who wrote.
        fence: Fence,
        /// What was to be done, to be tried again after an error.
        transaction: Box<Transaction>,
        /// The answer.
        result: Result<Committed, StoreError>,
    },
    /// To [`Request::Append`].
    Appended {
        /// The answer.
        result: Result<LogSeq, StoreError>,
    },
}

/// A zone's way to the store.
pub struct Storage {
    store: Arc<dyn Store>,
    requests: tokio::sync::mpsc::Sender<Request>,
    answers: Receiver<Answer>,
    under_way: Arc<AtomicUsize>,
    /// Answers to requests that found no place.
    refused: Vec<Answer>,
}

impl Storage {
    /// A way to `store` whose calls run on `runtime`. `nudge` is called after each answer.
    pub fn new(store: Arc<dyn Store>, runtime: &Handle, nudge: impl Fn() + Send + Sync + 'static) -> Self {
        let (requests, mut queue) = tokio::sync::mpsc::channel::<Request>(MAX_CALLS);
        let (answer, answers) = bounded(MAX_CALLS);
        let under_way = Arc::new(AtomicUsize::new(0));
        let nudge = Arc::new(nudge);
        let served = Arc::clone(&store);
        runtime.spawn(async move {
            while let Some(request) = queue.recv().await {
                let (store, answer, nudge): (_, Sender<_>, _) = (served.clone(), answer.clone(), nudge.clone());
                tokio::spawn(async move {
                    let said = serve(store.as_ref(), request).await;
                    // There are as many places as calls under way; it fails only when the zone is gone.
                    let _ = answer.try_send(said);
                    nudge();
                });
            }
        });
        Self { store, requests, answers, under_way, refused: Vec::new() }
    }

    /// How the store is, as the calls of this process have found it.
    #[must_use]
    pub fn health(&self) -> Health {
        self.store.health()
    }

    /// Asks. The answer comes through [`Storage::answers`].
    pub fn ask(&mut self, request: Request) {
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= MAX_CALLS {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.refused.push(refusal(request));
            return;
        }
        if let Err(error) = self.requests.try_send(request) {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            self.refused.push(refusal(error.into_inner()));
        }
    }

    /// The answers that have come, in any order.
    pub fn answers(&mut self) -> Vec<Answer> {
        let mut all = std::mem::take(&mut self.refused);
        while let Ok(answer) = self.answers.try_recv() {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
            all.push(answer);
        }
        all
    }

    /// Requests that are not answered yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("no answer within {} ms", CALL_DEADLINE.as_millis())]
    TooLate,
    #[error("{MAX_CALLS} requests are under way already")]
    TooMany,
}

fn unavailable(action: &'static str, why: NoAnswer) -> StoreError {
    StoreError::Unavailable { action, source: Box::new(why) }
}

/// Waits for the answer, but not for ever: a write may still take effect after that.
async fn within<T>(action: &'static str, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(CALL_DEADLINE, call).await {
        Ok(result) => result,
        Err(_) => Err(unavailable(action, NoAnswer::TooLate)),
    }
}

async fn serve(store: &dyn Store, request: Request) -> Answer {
    match request {
        Request::Acquire { shard, zone, ttl } => {
            Answer::Acquired { shard, result: within("acquiring a lease", store.acquire(shard, &zone, ttl)).await }
        }
        Request::Renew { fence, ttl } => {
            Answer::Renewed { fence, result: within("renewing a lease", store.renew(fence, ttl)).await }
        }
        Request::Release { fence } => {
            Answer::Released { fence, result: within("releasing a lease", store.release(fence)).await }
        }
        Request::Swap { fence, calls, swaps } => {
            Answer::Swapped { fence, calls, result: within("swapping owner records", store.swap(fence, swaps)).await }
        }
        Request::Owners { fence, calls } => {
            let players: Vec<_> = calls.iter().map(|(_, player)| *player).collect();
            Answer::Owners { fence, calls, result: within("reading owner records", store.owners(&players)).await }
        }
        Request::Save { fence, checkpoints } => {
            let players = checkpoints.iter().map(|checkpoint| (checkpoint.player, checkpoint.owner_epoch)).collect();
            Answer::Saved { fence, players, result: within("saving", store.save_batch(fence, checkpoints)).await }
        }
        Request::Commit { fence, transaction } => {
            let result = within("committing", store.commit(fence, transaction.clone())).await;
            Answer::Committed { fence, transaction: Box::new(transaction), result }
        }
        Request::Append { fence, events } => {
            Answer::Appended { result: within("appending to the log", store.append(fence, events)).await }
        }
    }
}

fn refusal(request: Request) -> Answer {
    let no = |action| unavailable(action, NoAnswer::TooMany);
    match request {
        Request::Acquire { shard, .. } => Answer::Acquired { shard, result: Err(no("acquiring a lease")) },
        Request::Renew { fence, .. } => Answer::Renewed { fence, result: Err(no("renewing a lease")) },
        Request::Release { fence } => Answer::Released { fence, result: Err(no("releasing a lease")) },
        Request::Swap { fence, calls, .. } => {
            Answer::Swapped { fence, calls, result: Err(no("swapping owner records")) }
        }
        Request::Owners { fence, calls } => Answer::Owners { fence, calls, result: Err(no("reading owner records")) },
        Request::Save { fence, checkpoints } => {
            let players =
                checkpoints.into_iter().map(|checkpoint| (checkpoint.player, checkpoint.owner_epoch)).collect();
            Answer::Saved { fence, players, result: Err(no("saving")) }
        }
        Request::Commit { fence, transaction } => {
            Answer::Committed { fence, transaction: Box::new(transaction), result: Err(no("committing")) }
        }
        Request::Append { .. } => Answer::Appended { result: Err(no("appending to the log")) },
    }
}
