//! How a store is, told without asking anybody: what the last calls have shown, what waits, and what a crash would cost.
//!
//! For metrics and for the state `StoreDegraded`. A tier that nobody asks anything is not missed until somebody does; zones
//! renew their leases several times a second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The tier of the embedded driver's file.
pub const REDB: &str = "redb";

/// The tier of a Redis server, whether it keeps the world or only a copy.
pub const REDIS: &str = "redis";

/// The tier of servers that speak CQL.
pub const CQL: &str = "cql";

/// The tier of a store that [`faulty`](crate::faulty) has taken away.
pub const STORE: &str = "store";

/// Answer of [`Store::health`](crate::Store::health).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Tiers that did not answer the last call to them; empty when all is well.
    pub away: Vec<Away>,
    /// Calls that wait or are under way.
    pub queue_depth: usize,
    /// Players whose newest acknowledged checkpoint is not in the durable tier yet: what a crash of everything would set back.
    pub unsaved: usize,
    /// Age of the oldest of those checkpoints; zero when there is none.
    pub lag: Duration,
    /// Records that the copy of the tier behind it had as they are, since the store was opened; 0 where there is no copy.
    pub cache_hits: u64,
    /// Records that it did not have, or not as they are, since the store was opened; 0 where there is no copy.
    pub cache_misses: u64,
}

impl Health {
    /// Whether this tier is away.
    #[must_use]
    pub fn is_away(&self, tier: &str) -> bool {
        self.away.iter().any(|away| away.tier == tier)
    }
}

/// A tier that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Away {
    /// Which: a static label for metrics, one of this module's.
    pub tier: &'static str,
    /// Since when no call to it was answered.
    pub since: Instant,
}

/// Whether a tier answers, as its calls find out.
pub(crate) struct Presence {
    tier: &'static str,
    away_since: Mutex<Option<Instant>>,
}

impl Presence {
    /// A tier that is taken to answer until a call shows otherwise.
    pub const fn new(tier: &'static str) -> Self {
        Self { tier, away_since: Mutex::new(None) }
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        // One word; it is whole whatever panicked.
        self.away_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call was answered; whether the tier was away before.
    pub fn answered(&self) -> bool {
        self.since().take().is_some()
    }

    /// A call was not answered; whether the tier was there before.
    pub fn failed(&self) -> bool {
        let mut since = self.since();
        let first = since.is_none();
        since.get_or_insert_with(Instant::now);
        first
    }

    /// The tier, while it is away.
    pub fn away(&self) -> Option<Away> {
        self.since().map(|since| Away { tier: self.tier, since })
    }
}

/// How many calls are under way.
#[derive(Default)]
pub(crate) struct Depth(AtomicUsize);

/// One of them; it is over when this is dropped.
pub(crate) struct UnderWay<'a>(&'a AtomicUsize);

impl Depth {
    pub fn enter(&self) -> UnderWay<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.0)
    }

    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_away_from_the_first_call_that_failed_until_one_is_answered() {
        let tier = Presence::new(REDIS);
        assert_eq!(tier.away(), None);
        assert!(tier.failed(), "it was there");
        let away = tier.away().expect("it is away");
        assert!(!tier.failed());
        assert_eq!(tier.away(), Some(away), "since the first");
        assert!(tier.answered() && tier.away().is_none() && !tier.answered());
    }

    #[test]
    fn calls_are_under_way_until_they_are_dropped() {
        let depth = Depth::default();
        let calls = [depth.enter(), depth.enter()];
        assert_eq!(depth.now(), 2);
        drop(calls);
        assert_eq!(depth.now(), 0);
    }
}
