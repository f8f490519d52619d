//! When the next backup is due. Pure: times and draws come in, waits go out.

use std::time::Duration;

/// A run that is due starts up to this share of the period later, so that many worlds do not all start at once.
const JITTER: f64 = 0.05;

/// The wait after the first failure in a row. It doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// The longest wait after a failure, unless the period is shorter.
const LAST_RETRY: Duration = Duration::from_secs(3_600);

/// A period and what has happened so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    every: Duration,
    /// When the newest backup was begun, since the Unix epoch.
    last: Option<Duration>,
    /// Failures since then.
    failures: u32,
    /// When the last of them was.
    failed: Duration,
}

impl Schedule {
    /// A backup each `every`, the newest of which was begun at `last` (since the Unix epoch).
    pub const fn new(every: Duration, last: Option<Duration>) -> Self {
        Self { every, last, failures: 0, failed: Duration::ZERO }
    }

    /// When the next run starts, since the Unix epoch, with `draw` between 0 and 1. The first one ever starts at once.
    ///
    /// A clock that was set back by a day does not stop backups for a day: nothing is due later than a period and its
    /// jitter from `now`.
    pub fn due(&self, now: Duration, draw: f64) -> Duration {
        let draw = draw.clamp(0.0, 1.0);
        let jitter = self.every.mul_f64(JITTER * draw);
        if self.failures > 0 {
            // Half of the wait is certain, half is drawn, so that what failed together does not come back together.
            let wait = self.retry();
            return self.failed.min(now) + wait / 2 + (wait / 2).mul_f64(draw);
        }
        match self.last {
            None => now,
            Some(last) => last.min(now) + self.every + jitter,
        }
    }

    /// The most that is waited after the failures so far.
    fn retry(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY).min(self.every)
    }

    /// A run that was begun at `begun` has made a backup.
    pub const fn succeeded(&mut self, begun: Duration) {
        self.last = Some(begun);
        self.failures = 0;
    }

    /// A run has failed at `now`.
    pub const fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.failed = now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn the_first_run_starts_at_once_and_the_next_one_a_period_later() {
        let mut schedule = Schedule::new(DAY, None);
        assert_eq!(schedule.due(NOW, 0.7), NOW);
        schedule.succeeded(NOW);
        assert_eq!(schedule.due(NOW, 0.0), NOW + DAY);
        assert_eq!(schedule.due(NOW, 1.0), NOW + DAY + DAY / 20, "at most a twentieth later");
    }

    #[test]
    fn a_restart_waits_for_what_is_left_of_the_period() {
        let ago = |hours: u64| Schedule::new(DAY, Some(NOW - Duration::from_secs(hours * 3_600)));
        assert_eq!(ago(20).due(NOW, 0.0), NOW + Duration::from_secs(4 * 3_600));
        assert!(ago(30).due(NOW, 0.0) <= NOW, "it is overdue");
    }

    #[test]
    fn failures_are_tried_again_sooner_and_then_seldomer() {
        let mut schedule = Schedule::new(DAY, Some(NOW));
        let mut waits = Vec::new();
        for _ in 0..9 {
            schedule.failed(NOW);
            waits.push((schedule.due(NOW, 1.0) - NOW).as_secs());
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(schedule.due(NOW, 0.0) - NOW, Duration::from_secs(1_800), "half of it is certain");
        schedule.succeeded(NOW);
        assert_eq!(schedule.due(NOW, 0.0), NOW + DAY, "a success ends it");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_backups() {
        let schedule = Schedule::new(DAY, Some(NOW + 10 * DAY));
        assert_eq!(schedule.due(NOW, 0.0), NOW + DAY);
    }

    proptest! {
        #[test]
        fn nothing_is_due_later_than_a_period_and_its_jitter(
            every in 60_u64..10_000_000, last in proptest::option::of(0_u64..4_000_000_000), failures in 0_u32..40, draw in -1.0_f64..2.0,
        ) {
            let every = Duration::from_secs(every);
            let mut schedule = Schedule::new(every, last.map(Duration::from_secs));
            for _ in 0..failures {
                schedule.failed(NOW);
            }
            prop_assert!(schedule.due(NOW, draw) <= NOW + every.mul_f64(1.0 + JITTER) + Duration::from_secs(1));
        }
    }
}
