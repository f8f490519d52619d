//! The time by which a store judges leases and expiries. It is passed in, so that a test can let an hour pass at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock of a store.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment. Never goes back and does not jump when somebody sets the clock on the wall: leases are
    /// judged by it.
    fn elapsed(&self) -> Duration;

    /// Time since the Unix epoch, for what must keep its meaning across restarts: expiries of tokens and sessions, stamps
    /// in the log.
    fn unix(&self) -> Duration;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose elapsed time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    fn unix(&self) -> Duration {
        // A clock set before 1970 makes everything look unexpired, which is the safe side for single-use tokens.
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// A clock that moves only when it is told to.
#[derive(Debug, Default)]
pub struct ManualClock {
    elapsed_nanos: AtomicU64,
}

impl ManualClock {
    /// What [`Clock::unix`] says when no time has passed, in seconds: some moment in November 2023.
    pub const UNIX_START_S: u64 = 1_700_000_000;

    /// Lets `time` pass.
    pub fn advance(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
    }

    fn unix(&self) -> Duration {
        Duration::from_secs(Self::UNIX_START_S) + self.elapsed()
    }
}
