//! How often one address may ask: a token bucket per address in a table of fixed size. Pure; time
//! is passed in, as the time since some fixed moment.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// Addresses that are remembered at most, about 3 MiB. Beyond that all the addresses not yet known share one bucket, so
/// that an attacker with many addresses spends his own allowance and those who play already keep theirs.
pub const ADDRESSES_KEPT: usize = 32_768;

/// How often one address may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests a second in the long run, more than 0.
    pub per_second: f64,
    /// Requests at once after a rest, at least 1.
    pub burst: f64,
}

/// Token buckets by address.
#[derive(Debug)]
pub struct AddressLimiter {
    rate: Rate,
    buckets: HashMap<IpAddr, Bucket>,
    strangers: Bucket,
    swept: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    fn refill(&mut self, rate: Rate, now: Duration) {
        let rest = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + rest * rate.per_second).min(rate.burst);
        self.at = now;
    }

    fn take(&mut self, rate: Rate, now: Duration) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.tokens) / rate.per_second))
    }
}

impl AddressLimiter {
    /// A limiter that has seen nobody.
    #[must_use]
    pub fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, buckets: HashMap::new(), strangers: Bucket { tokens: rate.burst, at: now }, swept: now }
    }

    /// Whether `address` may ask now.
    ///
    /// # Errors
    /// How long it should wait.
    pub fn admit(&mut self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        let rate = self.rate;
        let key = neighbourhood(address);
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(rate, now);
        }
        self.sweep(now);
        if self.buckets.len() >= ADDRESSES_KEPT {
            return self.strangers.take(rate, now);
        }
        self.buckets.entry(key).or_insert(Bucket { tokens: rate.burst, at: now }).take(rate, now)
    }

    /// Forgets the addresses whose bucket is full again: a new bucket would be the same. Not more often than a bucket
    /// takes to fill, so that its cost is spread over the requests.
    fn sweep(&mut self, now: Duration) {
        let rate = self.rate;
        let full_after = Duration::from_secs_f64(rate.burst / rate.per_second);
        if now.saturating_sub(self.swept) < full_after {
            return;
        }
        self.swept = now;
        self.buckets.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.tokens < rate.burst
        });
    }
}

/// One subscriber of IPv6 holds a whole /64, so that is what counts as an address.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::V6(octets.into())
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 3.0 };
    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_holds() {
        let start = Duration::from_secs(1_000);
        let mut limiter = AddressLimiter::new(RATE, start);
        for _ in 0..3 {
            assert_eq!(limiter.admit(HOME, start), Ok(()));
        }
        assert_eq!(limiter.admit(HOME, start), Err(Duration::from_millis(500)));
        assert_eq!(limiter.admit(HOME, start + Duration::from_millis(500)), Ok(()));
        assert!(limiter.admit(HOME, start + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn one_address_does_not_spend_the_allowance_of_another() {
        let start = Duration::from_secs(1_000);
        let mut limiter = AddressLimiter::new(RATE, start);
        while limiter.admit(HOME, start).is_ok() {}
        assert_eq!(limiter.admit(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), start), Ok(()));
    }

    #[test]
    fn the_addresses_of_one_subscriber_count_as_one() {
        let start = Duration::from_secs(1_000);
        let mut limiter = AddressLimiter::new(RATE, start);
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last));
        let admitted = (0..100).filter(|last| limiter.admit(address(*last), start).is_ok()).count();
        assert_eq!(admitted, 3);
    }

    #[test]
    fn a_flood_of_addresses_is_bounded_and_leaves_the_known_ones_alone() {
        let start = Duration::from_secs(1_000);
        let mut limiter = AddressLimiter::new(RATE, start);
        assert_eq!(limiter.admit(HOME, start), Ok(()));
        let address = |n: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n));
        let admitted = (0..100_000).filter(|n| limiter.admit(address(*n), start).is_ok()).count();
        assert_eq!(limiter.buckets.len(), ADDRESSES_KEPT);
        assert_eq!(admitted, ADDRESSES_KEPT - 1 + 3);
        assert_eq!(limiter.admit(HOME, start), Ok(()));
        let later = start + Duration::from_secs(2);
        assert_eq!(limiter.admit(address(200_000), later), Ok(()));
        assert!(limiter.buckets.len() < 10, "full buckets are forgotten");
    }
}
