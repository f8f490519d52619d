//! Attempts at transactions that were begun here and are not under way any more: their callers have dropped them, or a
//! statement failed.
//!
//! Such an attempt leaves its request open, and marks on its parties. Nobody waits for it, for it can only be decided by a
//! statement that is on its way already; and whoever asks for its request again looks first what became of it. Without this
//! each repetition would wait for the one before as if that still went on, which after an outage can take longer than a caller
//! has, so that it would be dropped as well.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::marks::Mark;
use crate::journal::RequestId;

/// Attempts that are remembered, at most; beyond it all are forgotten, and then they are waited for like any other.
const MAX: usize = 4_096;

/// The newest attempt at each request that was given up here.
#[derive(Default)]
pub(super) struct Abandoned(Mutex<HashMap<RequestId, u128>>);

/// An attempt while it is under way; dropped before it is [`over`](Self::over) it is given up.
pub(super) struct UnderWay<'a> {
    abandoned: &'a Abandoned,
    mark: Mark,
    is_over: bool,
}

impl Abandoned {
    fn attempts(&self) -> MutexGuard<'_, HashMap<RequestId, u128>> {
        // Each insertion and removal is whole, whatever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an attempt at this request was given up here.
    pub fn has_request(&self, request: RequestId) -> bool {
        self.attempts().contains_key(&request)
    }

    /// Whether this very attempt was given up here.
    pub fn has(&self, mark: &Mark) -> bool {
        self.attempts().get(&mark.request) == Some(&mark.attempt)
    }

    /// An attempt begins.
    pub fn begin(&self, mark: Mark) -> UnderWay<'_> {
        UnderWay { abandoned: self, mark, is_over: false }
    }

    /// What became of the request is known.
    pub fn forget(&self, request: RequestId) {
        self.attempts().remove(&request);
    }
}

impl UnderWay<'_> {
    /// The attempt was decided or called off.
    pub fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut attempts = self.abandoned.attempts();
        if attempts.len() >= MAX {
            attempts.clear();
        }
        attempts.insert(self.mark.request, self.mark.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::Fence;
    use darkages_topology::{PlayerId, ShardEpoch, ShardId};

    fn mark(number: u64, attempt: u128) -> Mark {
        let by = Fence { shard: ShardId(1), epoch: ShardEpoch(1) };
        Mark { request: RequestId { player: PlayerId(1), number }, attempt, by }
    }

    #[test]
    fn an_attempt_is_given_up_when_it_is_dropped_before_it_is_over() {
        let abandoned = Abandoned::default();
        let [first, second, other] = [mark(1, 1), mark(1, 2), mark(2, 3)];
        let under_way = abandoned.begin(first);
        assert!(!abandoned.has(&first) && !abandoned.has_request(first.request));
        drop(under_way);
        assert!(abandoned.has(&first) && abandoned.has_request(first.request));
        drop(abandoned.begin(second));
        assert!(abandoned.has(&second) && !abandoned.has(&first), "the newest counts");
        abandoned.begin(other).over();
        assert!(!abandoned.has_request(other.request));
        abandoned.forget(second.request);
        assert!(!abandoned.has_request(second.request));
    }

    #[test]
    fn so_many_are_remembered() {
        let abandoned = Abandoned::default();
        for number in 0..3 * MAX as u64 {
            drop(abandoned.begin(mark(number, 1)));
            assert!(abandoned.attempts().len() <= MAX);
        }
        assert!(abandoned.has(&mark(3 * MAX as u64 - 1, 1)), "the newest is there");
    }
}
