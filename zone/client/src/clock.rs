//! Aligns the client's clock to the world's ticks, from the ticks that snapshots carry.
//!
//! A snapshot arrives later than its tick by the delay of the network, which varies; the least delayed one is nearest to
//! the truth. So the clock follows an earlier arrival at once and a later one slowly, which also bears a zone that slews.

use std::time::{Duration, Instant};

use darkages_topology::Tick;
use darkages_topology::world::TICK_NANOS;

/// The part of a later arrival's lateness that the clock takes over, as a divisor: at 20 snapshots a second it has half of
/// a lasting change after about two seconds.
const LATE_SHARE: u32 = 64;
/// Lateness beyond which the clock starts anew: the world was away, or this process was.
const START_ANEW: Duration = Duration::from_secs(2);

/// The world's clock as a client sees it: behind the world by the network's least delay.
#[derive(Clone, Copy, Debug, Default)]
pub struct TickClock {
    anchor: Option<(Tick, Instant)>,
}

impl TickClock {
    /// Takes note that a snapshot of `tick` arrived `now`.
    pub fn observe(&mut self, tick: Tick, now: Instant) {
        let Some((base, at)) = self.anchor else {
            self.anchor = Some((tick, now));
            return;
        };
        if tick < base {
            return;
        }
        let expected = at + ticks(tick.since(base));
        let adjusted = match now.checked_duration_since(expected) {
            None => now,
            Some(late) if late > START_ANEW => now,
            Some(late) => expected + late / LATE_SHARE,
        };
        self.anchor = Some((tick, adjusted));
    }

    /// The tick of the world at `now`; `None` before the first snapshot.
    #[must_use]
    pub fn tick_at(&self, now: Instant) -> Option<Tick> {
        let (base, at) = self.anchor?;
        let past = now.saturating_duration_since(at).as_nanos() / u128::from(TICK_NANOS);
        Some(base.plus(u64::try_from(past).unwrap_or(u64::MAX - base.0)))
    }
}

/// The time of so many ticks.
fn ticks(count: u64) -> Duration {
    Duration::from_nanos(count.saturating_mul(TICK_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_delayed_snapshot_sets_the_clock() {
        let start = Instant::now();
        let mut clock = TickClock::default();
        assert_eq!(clock.tick_at(start), None);
        // Delays of 20 to 60 ms, the least of them now and then.
        for snapshot in 0..200_u64 {
            let delay = Duration::from_millis(20 + (snapshot * 7) % 41);
            clock.observe(Tick(1_000 + snapshot * 3), start + ticks(snapshot * 3) + delay);
        }
        let now = start + ticks(600);
        let behind = Tick(1_600).since(clock.tick_at(now).expect("it has seen snapshots"));
        assert!((1..=2).contains(&behind), "{behind} ticks behind, 20 ms is a little more than one");
    }

    #[test]
    fn a_long_silence_starts_the_clock_anew() {
        let start = Instant::now();
        let mut clock = TickClock::default();
        clock.observe(Tick(10), start);
        clock.observe(Tick(20), start + Duration::from_secs(30));
        assert_eq!(clock.tick_at(start + Duration::from_secs(30)), Some(Tick(20)));
    }
}
