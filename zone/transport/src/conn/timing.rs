//! Round-trip times, and how much may be on its way at once.

use std::time::Duration;

/// Assumed before the first sample.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Bounds of the time after which an unacknowledged packet counts as lost.
const MIN_TIMEOUT: Duration = Duration::from_millis(15);
const MAX_TIMEOUT: Duration = Duration::from_millis(500);
/// Doublings of the timeout; more would pass its bound anyway.
const MAX_BACKOFF: u32 = 8;
/// Variation below which clocks and polls blur the measurement.
const GRANULARITY: Duration = Duration::from_millis(4);

/// The estimator of RFC 6298.
#[derive(Debug)]
pub(super) struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
    /// How long the peer may hold an acknowledgement back.
    ack_delay: Duration,
    backoff: u32,
}

impl RoundTrip {
    pub(super) const fn new(ack_delay: Duration) -> Self {
        Self { smoothed: None, variation: Duration::ZERO, ack_delay, backoff: 0 }
    }

    pub(super) fn sample(&mut self, sample: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    /// The peer answers again.
    pub(super) const fn answered(&mut self) {
        self.backoff = 0;
    }

    /// A timeout passed without an answer: the next one is longer.
    pub(super) fn timed_out(&mut self) {
        self.backoff = (self.backoff + 1).min(MAX_BACKOFF);
    }

    /// Time after which a packet without any answer counts as lost.
    pub(super) fn timeout(&self) -> Duration {
        let base = match self.smoothed {
            None => INITIAL_RTT * 2,
            Some(smoothed) => smoothed + (self.variation * 4).max(GRANULARITY) + self.ack_delay,
        };
        base.max(MIN_TIMEOUT).saturating_mul(1 << self.backoff).min(MAX_TIMEOUT.max(base))
    }

    /// Time after which a packet counts as lost when a later one was acknowledged.
    pub(super) fn overtaken(&self) -> Duration {
        (self.smoothed.unwrap_or(INITIAL_RTT) * 9 / 8).max(Duration::from_millis(1))
    }

    pub(super) fn smoothed_us(&self) -> u32 {
        self.smoothed.map_or(0, |smoothed| u32::try_from(smoothed.as_micros()).unwrap_or(u32::MAX).max(1))
    }
}

/// Packets with reliable data on their way at once. Game traffic is thin; the window only keeps a long queue from flooding a slow path. Its
/// floor is high, because losses here mostly say that the path is bad, not that it is full.
#[derive(Debug)]
pub(super) struct Window {
    packets: f32,
    threshold: f32,
}

const INITIAL_WINDOW: f32 = 32.0;
const MIN_WINDOW: f32 = 16.0;
const MAX_WINDOW: f32 = 256.0;
/// What is left of the window after a loss.
const SHRINK: f32 = 0.7;

impl Window {
    pub(super) const fn new() -> Self {
        Self { packets: INITIAL_WINDOW, threshold: MAX_WINDOW }
    }

    pub(super) fn allows(&self, in_flight: usize) -> bool {
        (in_flight as f32) < self.packets
    }

    pub(super) fn acknowledged(&mut self, in_flight: usize) {
        // A window that is not used up says nothing about what the path can carry.
        if (in_flight as f32) * 2.0 < self.packets {
            return;
        }
        self.packets += if self.packets < self.threshold { 1.0 } else { 1.0 / self.packets };
        self.packets = self.packets.min(MAX_WINDOW);
    }

    /// Some packets of one round trip were lost.
    pub(super) fn lost(&mut self) {
        self.packets = (self.packets * SHRINK).max(MIN_WINDOW);
        self.threshold = self.packets;
    }

    /// Nothing came back for a whole timeout.
    pub(super) fn timed_out(&mut self) {
        self.threshold = (self.packets * SHRINK).max(MIN_WINDOW);
        self.packets = MIN_WINDOW;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_path_and_stays_in_its_bounds() {
        let mut trip = RoundTrip::new(Duration::from_millis(5));
        for _ in 0..100 {
            trip.sample(Duration::from_millis(60));
        }
        assert!((65..=80).contains(&trip.timeout().as_millis()), "{:?}", trip.timeout());
        for _ in 0..20 {
            trip.timed_out();
        }
        assert_eq!(trip.timeout(), MAX_TIMEOUT);
        trip.answered();
        for _ in 0..200 {
            trip.sample(Duration::from_micros(50));
        }
        assert_eq!(trip.timeout(), MIN_TIMEOUT);
        for _ in 0..200 {
            trip.sample(Duration::from_secs(2));
        }
        assert!(trip.timeout() >= Duration::from_secs(2));
    }

    #[test]
    fn the_window_stays_in_its_bounds() {
        let mut window = Window::new();
        for _ in 0..10_000 {
            window.acknowledged(1000);
        }
        assert!(window.allows(255) && !window.allows(256));
        for _ in 0..100 {
            window.lost();
        }
        assert!(window.allows(15) && !window.allows(16));
    }
}
