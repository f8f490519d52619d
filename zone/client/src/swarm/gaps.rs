//! How long a player was without an authoritative snapshot around a handoff.

use std::time::{Duration, Instant};

use darkages_topology::world::SNAPSHOT_RATE_HZ;

/// Time between two snapshots that is not a gap.
pub const SNAPSHOT_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / SNAPSHOT_RATE_HZ as u64);
/// How long after the change of zone a silence still counts as the handoff's.
const SETTLES: Duration = Duration::from_millis(500);

/// Watches one player.
#[derive(Clone, Copy, Debug, Default)]
pub struct GapMeter {
    last: Option<Instant>,
    /// When the last snapshot came before the player was lost and had to join again.
    lost: Option<Instant>,
    handoff: Option<Handoff>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Handoff {
    longest: Duration,
    over_at: Option<Instant>,
}

impl GapMeter {
    /// The zone said that another zone will take over.
    pub fn redirected(&mut self) {
        self.handoff.get_or_insert_default();
    }

    /// An authoritative snapshot was decoded; `switched` when it is the first one of another zone. Returns the gap of a
    /// handoff that is over: its longest silence beyond the snapshot period.
    pub fn snapshot(&mut self, now: Instant, switched: bool) -> Option<Duration> {
        let silence = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.last = Some(now);
        if switched {
            // A zone that died without a word redirects nobody: the handoff begins with the silence itself.
            self.handoff.get_or_insert_default().over_at = Some(now + SETTLES);
        }
        let handoff = self.handoff.as_mut()?;
        handoff.longest = handoff.longest.max(silence);
        let over = handoff.over_at.is_some_and(|over_at| over_at <= now);
        over.then(|| self.finish()).flatten()
    }

    /// The player leaves: what a handoff that was followed has shown until now.
    pub fn finish(&mut self) -> Option<Duration> {
        let handoff = self.handoff.take()?;
        handoff.over_at.map(|_| handoff.longest.saturating_sub(SNAPSHOT_PERIOD))
    }

    /// The player has joined again, because its zone was lost: the silence is a recovery and not a handoff's.
    pub fn rejoined(&mut self) {
        *self = Self { lost: self.lost.or(self.last), ..Self::default() };
    }

    /// A snapshot came: how long a recovery took that ends with it, from the last snapshot before.
    pub fn recovered(&mut self, now: Instant) -> Option<Duration> {
        self.lost.take().map(|lost| now.saturating_duration_since(lost))
    }

    /// The player begins anew: what happened before is not one silence with what comes.
    pub fn restart(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silence_around_a_handoff_counts_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = GapMeter::default();
        for ms in [0, 50, 300] {
            assert_eq!(meter.snapshot(at(ms), false), None, "no handoff is going on");
        }
        meter.redirected();
        assert_eq!(meter.snapshot(at(350), false), None);
        assert_eq!(meter.snapshot(at(430), true), None);
        assert_eq!(meter.snapshot(at(480), false), None);
        let told: Vec<_> = (0..20).filter_map(|step| meter.snapshot(at(530 + step * 50), false)).collect();
        assert_eq!(told, vec![Duration::from_millis(30)]);
    }

    #[test]
    fn a_recovery_lasts_from_the_last_snapshot_before_to_the_first_after() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut meter = GapMeter::default();
        meter.snapshot(at(0), false);
        meter.rejoined();
        // The zone that it joined is lost as well before it says anything.
        meter.rejoined();
        assert_eq!(meter.recovered(at(2_700)), Some(Duration::from_millis(2_700)));
        assert_eq!(meter.snapshot(at(2_700), true), None);
        assert_eq!(meter.recovered(at(2_750)), None, "once");
    }

    #[test]
    fn a_handoff_that_was_called_off_is_no_gap() {
        let start = Instant::now();
        let mut meter = GapMeter::default();
        meter.redirected();
        meter.snapshot(start, false);
        meter.snapshot(start + Duration::from_secs(3), false);
        assert_eq!(meter.finish(), None);
    }
}
