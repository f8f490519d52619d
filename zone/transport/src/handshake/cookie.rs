//! Cookies: proof that somebody receives what is sent to an address, without remembering that it asked.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::keys::{KEY_BYTES, NoRandomness};

/// A cookie is valid in the bucket of time in which it was made and in the next one.
const BUCKET: Duration = Duration::from_secs(10);
/// Buckets after which the secret is replaced; the one before is kept for cookies that are still valid.
const BUCKETS_PER_SECRET: u64 = 12;

/// The secret's generation and a truncated MAC.
pub(crate) const COOKIE_BYTES: usize = 1 + MAC_BYTES;
const MAC_BYTES: usize = 16;

pub(crate) type Cookie = [u8; COOKIE_BYTES];

/// Makes and checks cookies.
pub(crate) struct CookieJar {
    random: SystemRandom,
    start: Instant,
    /// Current and previous secret; the generation counts replacements.
    secrets: [hmac::Key; 2],
    generation: u64,
}

impl CookieJar {
    pub(crate) fn new(start: Instant) -> Result<Self, NoRandomness> {
        let random = SystemRandom::new();
        let secrets = [secret(&random)?, secret(&random)?];
        Ok(Self { random, start, secrets, generation: 0 })
    }

    /// The cookie for who asks from `source` at `now`.
    pub(crate) fn make(
        &mut self,
        source: SocketAddr,
        dialer: u32,
        ephemeral: &[u8; KEY_BYTES],
        now: Instant,
    ) -> Cookie {
        self.rotate(now);
        let tag = hmac::sign(&self.secrets[0], &question(source, dialer, ephemeral, self.bucket(now)));
        let mut cookie = [self.generation as u8; COOKIE_BYTES];
        cookie[1..].copy_from_slice(&tag.as_ref()[..MAC_BYTES]);
        cookie
    }

    /// Whether this endpoint made `cookie` for exactly this question, not too long ago.
    pub(crate) fn check(
        &mut self,
        cookie: &Cookie,
        source: SocketAddr,
        dialer: u32,
        ephemeral: &[u8; KEY_BYTES],
        now: Instant,
    ) -> bool {
        self.rotate(now);
        let age = (self.generation as u8).wrapping_sub(cookie[0]);
        let Some(secret) = self.secrets.get(usize::from(age)) else { return false };
        let bucket = self.bucket(now);
        [bucket, bucket.wrapping_sub(1)].into_iter().any(|bucket| {
            let tag = hmac::sign(secret, &question(source, dialer, ephemeral, bucket));
            same(&tag.as_ref()[..MAC_BYTES], &cookie[1..])
        })
    }

    fn bucket(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / BUCKET.as_secs()
    }

    fn rotate(&mut self, now: Instant) {
        let generation = self.bucket(now) / BUCKETS_PER_SECRET;
        if generation <= self.generation {
            return;
        }
        // Without fresh randomness the old secret stays: weaker than a new one, but nobody is locked out.
        if let Ok(fresh) = secret(&self.random) {
            self.secrets.swap(0, 1);
            self.secrets[0] = fresh;
            self.generation = generation;
        }
    }
}

/// Equal in a time that does not depend on where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |difference, (l, r)| difference | (l ^ r)) == 0
}

fn secret(random: &SystemRandom) -> Result<hmac::Key, NoRandomness> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// Everything that a cookie vouches for, at fixed places.
fn question(source: SocketAddr, dialer: u32, ephemeral: &[u8; KEY_BYTES], bucket: u64) -> [u8; 62] {
    let mut out = [0; 62];
    let ip = match source.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    out[..16].copy_from_slice(&ip.octets());
    out[16..18].copy_from_slice(&source.port().to_le_bytes());
    out[18..22].copy_from_slice(&dialer.to_le_bytes());
    out[22..54].copy_from_slice(ephemeral);
    out[54..].copy_from_slice(&bucket.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_one_question_and_a_short_time() {
        let start = Instant::now();
        let mut jar = CookieJar::new(start).unwrap();
        let (here, there): (SocketAddr, SocketAddr) = ("10.0.0.1:5".parse().unwrap(), "10.0.0.1:6".parse().unwrap());
        let cookie = jar.make(here, 1, &[2; 32], start);
        assert!(jar.check(&cookie, here, 1, &[2; 32], start));
        assert!(!jar.check(&cookie, there, 1, &[2; 32], start));
        assert!(!jar.check(&cookie, here, 2, &[2; 32], start));
        assert!(!jar.check(&cookie, here, 1, &[3; 32], start));
        assert!(jar.check(&cookie, here, 1, &[2; 32], start + BUCKET));
        assert!(!jar.check(&cookie, here, 1, &[2; 32], start + 2 * BUCKET));
    }

    #[test]
    fn a_cookie_survives_the_change_of_secrets_but_not_two() {
        let start = Instant::now();
        let mut jar = CookieJar::new(start).unwrap();
        let here: SocketAddr = "[2001:db8::1]:5".parse().unwrap();
        let last = start + BUCKET * (BUCKETS_PER_SECRET as u32 - 1);
        let cookie = jar.make(here, 1, &[2; 32], last);
        assert!(jar.check(&cookie, here, 1, &[2; 32], last + BUCKET));
        let much_later = last + BUCKET * 2 * BUCKETS_PER_SECRET as u32;
        assert!(!jar.check(&cookie, here, 1, &[2; 32], much_later));
    }
}
