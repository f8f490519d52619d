//! The clock that stamps log entries. It never goes back while the file is open, and once it has said how far the log is
//! complete, no further entry gets that time or an earlier one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::codec::millis;

/// Stamps in whole milliseconds. Clones are the same clock. Used by the thread that writes alone.
#[derive(Clone)]
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    least: Arc<AtomicU64>,
}

impl Stamps {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, least: Arc::default() }
    }

    /// The stamp of an entry that is written now.
    pub fn stamp(&self) -> Duration {
        let now = millis(self.clock.unix());
        Duration::from_millis(self.least.fetch_max(now, Ordering::Relaxed).max(now))
    }

    /// The time up to which everything is written that will ever be.
    pub fn settle(&self) -> Duration {
        let settled = self.stamp();
        self.least.fetch_add(1, Ordering::Relaxed);
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn what_is_settled_gets_no_further_entry_and_stamps_follow_the_clock() {
        let clock = Arc::<ManualClock>::default();
        let stamps = Stamps::new(Arc::<ManualClock>::clone(&clock));
        assert_eq!(stamps.stamp(), stamps.stamp(), "a clock that stands still");
        let settled = stamps.settle();
        assert!(settled < stamps.stamp());
        assert!(settled < stamps.settle());
        clock.advance(Duration::from_secs(1));
        assert_eq!(stamps.stamp(), clock.unix());
    }
}
