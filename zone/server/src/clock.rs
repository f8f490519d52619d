//! World ticks on absolute deadlines.
//!
//! What flows in are the time of now and the ticks of neighbours; what flows out is which tick is due and when. A deadline is
//! computed from the tick's number, never from the one before, so that 60 Hz is exact over any time. Zones slew towards the
//! neighbour that is furthest ahead, and never step back.

use std::time::{Duration, Instant};

use darkages_topology::Tick;
use darkages_topology::world::TICK_RATE_HZ;

/// A zone that is behind its neighbours shortens a tick by this share, in parts of a thousand, until it has caught up.
const SLEW_PER_MILLE: u32 = 20;

/// A zone this many ticks behind a neighbour jumps ahead at once: it is new, or was frozen.
const JUMP_TICKS: u64 = 30;

/// A process that is further behind than this skips ticks instead of simulating them all: catching up would make it later.
pub const MAX_BEHIND_TICKS: u64 = 4;

/// The world's clock as one zone keeps it.
#[derive(Clone, Debug)]
pub struct TickClock {
    /// The tick that is simulated at `anchor`.
    anchor_tick: Tick,
    anchor: Instant,
    /// How far behind its neighbours this zone is, in ticks.
    behind: u64,
}

impl TickClock {
    /// A clock whose tick number is the time since the Unix epoch, so that zones of one world start out nearly aligned.
    #[must_use]
    pub fn new(now: Instant, unix: Duration) -> Self {
        let ticks = unix.as_nanos() * u128::from(TICK_RATE_HZ) / 1_000_000_000;
        Self { anchor_tick: Tick(ticks as u64), anchor: now, behind: 0 }
    }

    /// When `tick` is due.
    #[must_use]
    pub fn deadline(&self, tick: Tick) -> Instant {
        self.anchor + ticks_to_time(tick.since(self.anchor_tick))
    }

    /// The newest tick whose deadline is not after `now`.
    #[must_use]
    pub fn due(&self, now: Instant) -> Tick {
        let elapsed = now.saturating_duration_since(self.anchor).as_nanos();
        self.anchor_tick.plus((elapsed * u128::from(TICK_RATE_HZ) / 1_000_000_000) as u64)
    }

    /// A neighbour says at `now` that it has simulated `theirs`. What counts is the tick that is due here, not the one that was
    /// simulated last: a zone that was frozen is late and not behind.
    pub fn heard(&mut self, now: Instant, theirs: Tick) {
        self.behind = self.behind.max(theirs.since(self.due(now)));
    }

    /// Moves the clock on after `tick` was simulated at `now`, by nothing, by a little, or by a jump when this zone is far
    /// behind. Returns the tick that comes next.
    pub fn advance(&mut self, tick: Tick, now: Instant) -> Tick {
        // One tick apart is no difference: frames are under way for part of a tick.
        match std::mem::take(&mut self.behind) {
            0 | 1 => {}
            far if far >= JUMP_TICKS => {
                self.anchor_tick = self.due(now).plus(far);
                self.anchor = now;
                return self.anchor_tick.plus(1);
            }
            _ => {
                let gained = ticks_to_time(1) * SLEW_PER_MILLE / 1_000;
                let due = self.deadline(tick.plus(1));
                self.anchor_tick = tick.plus(1);
                self.anchor = due - gained;
            }
        }
        tick.plus(1)
    }
}

/// Whether something that is due once in `every` ticks became due after `before` and up to `now`; `phase` spreads what has the
/// same period. It is due once in each period also when ticks are skipped: on a busy machine, where always the same ticks may
/// be, nobody is forgotten.
#[must_use]
pub const fn is_due(before: Tick, now: Tick, phase: u64, every: u64) -> bool {
    let phase = phase % every;
    (now.0 + phase) / every != (before.0 + phase) / every
}

fn ticks_to_time(ticks: u64) -> Duration {
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(TICK_RATE_HZ);
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_ticks_take_exactly_a_second() {
        let start = Instant::now();
        let clock = TickClock::new(start, Duration::from_secs(1_000));
        assert_eq!(clock.due(start), Tick(60_000));
        for seconds in [1, 2, 3_600, 86_400] {
            let deadline = clock.deadline(Tick(60_000 + 60 * seconds));
            assert_eq!(deadline - start, Duration::from_secs(seconds));
        }
    }

    #[test]
    fn a_tick_is_due_from_its_deadline_on() {
        let start = Instant::now();
        let clock = TickClock::new(start, Duration::ZERO);
        for tick in 1..1_000 {
            let deadline = clock.deadline(Tick(tick));
            assert!(clock.due(deadline + Duration::from_nanos(20)) == Tick(tick));
            assert!(clock.due(deadline - Duration::from_nanos(20)) == Tick(tick - 1));
        }
    }

    #[test]
    fn a_zone_behind_its_neighbours_catches_up_and_never_steps_back() {
        let start = Instant::now();
        let (mut clock, ahead) =
            (TickClock::new(start, Duration::from_millis(1_000)), TickClock::new(start, Duration::from_millis(1_200)));
        let mut tick = clock.due(start);
        let (mut now, mut last) = (start, start);
        for _ in 0..1_000 {
            tick = tick.plus(1);
            now = clock.deadline(tick);
            assert!(now > last, "deadlines only go forward");
            last = now;
            clock.heard(now, ahead.due(now));
            assert_eq!(clock.advance(tick, now), tick.plus(1));
        }
        assert!(ahead.due(now).since(tick) <= 1, "{} behind", ahead.due(now).since(tick));
    }

    #[test]
    fn a_zone_that_was_frozen_is_late_and_not_behind() {
        let start = Instant::now();
        let mut clock = TickClock::new(start, Duration::from_secs(10));
        let tick = clock.due(start);
        let thawed = start + Duration::from_millis(600);
        clock.heard(thawed, clock.due(thawed));
        assert_eq!(clock.advance(tick.plus(36), thawed), tick.plus(37));
        assert_eq!(clock.due(thawed), tick.plus(36));
    }

    #[test]
    fn what_is_due_once_in_a_period_is_due_in_each_whatever_ticks_are_skipped() {
        for (every, phase, step) in [(3, 0, 3), (3, u64::MAX, 6), (12, 7, 5), (15, 15, 1), (2, 1, 4)] {
            let ticks = (0..200).map(|at| Tick(1_000_000 + at * step));
            let due = ticks.map(|now| is_due(Tick(now.0 - step), now, phase, every)).collect::<Vec<_>>();
            let most_apart = every.div_ceil(step) as usize;
            assert!(due.windows(most_apart).all(|window| window.contains(&true)), "every {every} in steps of {step}");
            let count = due.iter().filter(|due| **due).count() as u64;
            assert!(count <= 200 * step / every + 1, "{count} times every {every} in steps of {step}");
        }
    }

    #[test]
    fn a_zone_far_behind_jumps() {
        let start = Instant::now();
        let mut clock = TickClock::new(start, Duration::from_secs(10));
        let tick = clock.due(start);
        clock.heard(start, tick.plus(1_000));
        assert_eq!(clock.advance(tick, start), tick.plus(1_001));
        assert_eq!(clock.due(start), tick.plus(1_000));
    }
}
