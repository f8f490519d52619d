//! Where a session's datagrams go, and how that changes when the peer's address does.
//!
//! Only the highest-numbered packet so far can name another address as candidate. Data keeps going to the proven address; the
//! candidate gets nothing but a challenge, and at most three times the bytes that came from it, until the peer answers the
//! challenge under the seal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes to an unproven address, as a multiple of the bytes from it.
const MAX_AMPLIFICATION: usize = 3;
/// Least time between two challenges to the same candidate.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes of a challenge's secret.
pub(crate) const CHALLENGE_BYTES: usize = 8;

pub(crate) type Challenge = [u8; CHALLENGE_BYTES];

#[derive(Debug)]
pub(crate) struct Path {
    proven: SocketAddr,
    candidate: Option<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    challenge: Challenge,
    bytes_in: usize,
    bytes_out: usize,
    last_challenge: Option<Instant>,
}

impl Path {
    pub(crate) const fn new(proven: SocketAddr) -> Self {
        Self { proven, candidate: None }
    }

    /// Where data goes.
    pub(crate) const fn proven(&self) -> SocketAddr {
        self.proven
    }

    /// Notes an authentic packet. Answers a challenge to send to `from`, of `cost` bytes, when there should be one.
    pub(crate) fn heard(
        &mut self,
        from: SocketAddr,
        bytes: usize,
        newest: bool,
        cost: usize,
        now: Instant,
        fresh: impl FnOnce() -> Option<Challenge>,
    ) -> Option<Challenge> {
        if from == self.proven {
            if newest {
                self.candidate = None;
            }
            return None;
        }
        let known = self.candidate.as_ref().is_some_and(|candidate| candidate.address == from);
        if !known {
            if !newest {
                return None;
            }
            let challenge = fresh()?;
            self.candidate =
                Some(Candidate { address: from, challenge, bytes_in: 0, bytes_out: 0, last_challenge: None });
        }
        let candidate = self.candidate.as_mut()?;
        candidate.bytes_in += bytes;
        let due = candidate.last_challenge.is_none_or(|last| now.saturating_duration_since(last) >= CHALLENGE_INTERVAL);
        if !due || candidate.bytes_out + cost > MAX_AMPLIFICATION * candidate.bytes_in {
            return None;
        }
        candidate.bytes_out += cost;
        candidate.last_challenge = Some(now);
        Some(candidate.challenge)
    }

    /// Takes the answer to a challenge. Answers whether the session moved.
    pub(crate) fn answered(&mut self, challenge: &Challenge) -> bool {
        match self.candidate.take_if(|candidate| candidate.challenge == *challenge) {
            Some(candidate) => {
                self.proven = candidate.address;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: usize = 38;

    fn addresses() -> (SocketAddr, SocketAddr) {
        ("10.0.0.1:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap())
    }

    #[test]
    fn a_session_moves_only_when_the_challenge_is_answered() {
        let (old, new) = addresses();
        let now = Instant::now();
        let mut path = Path::new(old);
        assert_eq!(path.heard(new, 31, false, COST, now, || Some([1; 8])), None);
        assert_eq!(path.heard(new, 31, true, COST, now, || Some([1; 8])), Some([1; 8]));
        assert_eq!(path.proven(), old);
        assert!(!path.answered(&[2; 8]));
        assert!(path.answered(&[1; 8]));
        assert_eq!(path.proven(), new);
    }

    #[test]
    fn a_candidate_gets_at_most_three_times_what_it_sent() {
        let (old, new) = addresses();
        let start = Instant::now();
        let mut path = Path::new(old);
        let (mut bytes_in, mut bytes_out) = (0, 0);
        for step in 0..100_u32 {
            let now = start + CHALLENGE_INTERVAL * step;
            // Shorter than any real packet, to reach the bound.
            bytes_in += 10;
            if path.heard(new, 10, true, COST, now, || Some([1; 8])).is_some() {
                bytes_out += COST;
            }
            assert!(bytes_out <= 3 * bytes_in);
        }
        assert!(bytes_out > 0);
    }

    #[test]
    fn a_newer_packet_from_the_old_address_forgets_the_candidate() {
        let (old, new) = addresses();
        let now = Instant::now();
        let mut path = Path::new(old);
        path.heard(new, 31, true, COST, now, || Some([1; 8]));
        path.heard(old, 31, true, COST, now, || None);
        assert!(!path.answered(&[1; 8]));
        assert_eq!(path.proven(), old);
    }
}
