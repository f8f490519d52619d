//! How many handshakes one source may start: a token bucket for each of a fixed number of hashed sources.

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
    per_second: u64,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a handshake that are left.
    milli: u64,
    updated_ms: u64,
}

impl SourceLimiter {
    pub(crate) fn new(per_second: u32, start: Instant) -> Self {
        let per_second = u64::from(per_second);
        let full = Bucket { milli: per_second * BURST_SECONDS * MILLI, updated_ms: 0 };
        Self { hasher: RandomState::new(), start, per_second, buckets: vec![full; BUCKETS] }
    }

    /// Takes one handshake from the source's bucket; `false` when it is empty.
    pub(crate) fn allow(&mut self, source: SocketAddr, now: Instant) -> bool {
        let key = match source.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
        };
        let now_ms = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        let bucket = &mut self.buckets[self.hasher.hash_one(key) as usize % BUCKETS];
        let earned = now_ms.saturating_sub(bucket.updated_ms).saturating_mul(self.per_second);
        bucket.updated_ms = now_ms;
        bucket.milli = bucket.milli.saturating_add(earned).min(self.per_second * BURST_SECONDS * MILLI);
        let allowed = bucket.milli >= MILLI;
        if allowed {
            bucket.milli -= MILLI;
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
        let mut limiter = SourceLimiter::new(10, start);
        let source: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let allowed = (0..100).filter(|_| limiter.allow(source, start)).count();
        assert_eq!(allowed, 40);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| limiter.allow(source, later)).count(), 5);
    }
}
