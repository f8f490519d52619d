//! How many handshakes are begun: a token bucket for each of a fixed number of hashed sources, and one for all together.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Buckets. Two sources that share one share its rate; the hash is keyed, so nobody can aim at somebody else's.
const BUCKETS: usize = 4096;
/// A quiet source may start this many seconds' worth at once.
const BURST_SECONDS: u64 = 4;

const MILLI: u64 = 1000;

/// The limiter; memory is fixed.
pub(crate) struct SourceLimiter {
    hasher: RandomState,
    start: Instant,
    sources: Vec<Bucket>,
    per_source: u64,
    all: Bucket,
    in_all: u64,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a handshake that are left.
    milli: u64,
    updated_ms: u64,
}

impl SourceLimiter {
    /// Rates are per second.
    pub(crate) fn new(per_source: u32, in_all: u32, start: Instant) -> Self {
        let (per_source, in_all) = (u64::from(per_source), u64::from(in_all));
        let sources = vec![Bucket::full(per_source); BUCKETS];
        Self { hasher: RandomState::new(), start, sources, per_source, all: Bucket::full(in_all), in_all }
    }

    /// Takes one handshake from the source's bucket and from the common one; `false` when either is empty.
    pub(crate) fn allow(&mut self, source: SocketAddr, now: Instant) -> bool {
        let key = match source.ip().to_canonical() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
        };
        let now_ms = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let own = &mut self.sources[self.hasher.hash_one(key) as usize % BUCKETS];
        own.take(self.per_source, now_ms) && self.all.take(self.in_all, now_ms)
    }
}

impl Bucket {
    const fn full(per_second: u64) -> Self {
        Self { milli: per_second * BURST_SECONDS * MILLI, updated_ms: 0 }
    }

    fn take(&mut self, per_second: u64, now_ms: u64) -> bool {
        let earned = now_ms.saturating_sub(self.updated_ms).saturating_mul(per_second);
        self.updated_ms = now_ms;
        self.milli = self.milli.saturating_add(earned).min(per_second * BURST_SECONDS * MILLI);
        let allowed = self.milli >= MILLI;
        if allowed {
            self.milli -= MILLI;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_has_a_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut limiter = SourceLimiter::new(10, 1000, start);
        let source: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let allowed = (0..100).filter(|_| limiter.allow(source, start)).count();
        assert_eq!(allowed, 40);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| limiter.allow(source, later)).count(), 5);
    }

    #[test]
    fn all_sources_together_have_a_rate_too() {
        let start = Instant::now();
        let mut limiter = SourceLimiter::new(10, 20, start);
        let allowed = (0..=255).filter(|host| limiter.allow(SocketAddr::from(([192, 0, 2, *host], 1)), start)).count();
        assert_eq!(allowed, 80);
    }
}
