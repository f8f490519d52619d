//! Remembers what was used once, until it could not be used again anyway.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

/// Nonces of tokens that were used and have not expired. Bounded by their expiry and by a capacity.
#[derive(Clone, Debug)]
pub struct NonceCache {
    seen: HashSet<u128>,
    by_expiry: BinaryHeap<Reverse<(u64, u128)>>,
    capacity: usize,
}

/// Why a nonce is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// It was used before.
    #[error("the token was used before")]
    Replayed,
    /// As many as can be remembered are valid. Forgetting one would let it be used again, so a new one has to wait.
    #[error("too many tokens were used in a short time")]
    Full,
}

impl NonceError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Replayed => "replayed_token",
            Self::Full => "too_many_tokens",
        }
    }

    /// The code with which a gatekeeper refuses.
    #[must_use]
    pub const fn admission_code(&self) -> crate::AdmissionCode {
        match self {
            Self::Replayed => crate::AdmissionCode::ReplayedToken,
            Self::Full => crate::AdmissionCode::NotReady,
        }
    }
}

impl NonceCache {
    /// Remembers up to `capacity` nonces.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { seen: HashSet::new(), by_expiry: BinaryHeap::new(), capacity }
    }

    /// Uses a nonce of a token that is valid until `expires_unix_s`.
    ///
    /// # Errors
    /// When it was used before, or cannot be remembered.
    pub fn take(&mut self, nonce: u128, expires_unix_s: u64, now_unix_s: u64) -> Result<(), NonceError> {
        self.forget_expired(now_unix_s);
        if self.seen.contains(&nonce) {
            return Err(NonceError::Replayed);
        }
        if self.seen.len() >= self.capacity {
            return Err(NonceError::Full);
        }
        self.seen.insert(nonce);
        self.by_expiry.push(Reverse((expires_unix_s, nonce)));
        Ok(())
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn forget_expired(&mut self, now_unix_s: u64) {
        while let Some(Reverse((expires, nonce))) = self.by_expiry.peek()
            && *expires <= now_unix_s
        {
            self.seen.remove(nonce);
            self.by_expiry.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_used_once_while_its_token_is_valid() {
        let mut cache = NonceCache::new(10);
        assert_eq!(cache.take(7, 100, 50), Ok(()));
        assert_eq!(cache.take(7, 100, 99), Err(NonceError::Replayed));
        // From 100 on the token itself is refused.
        assert_eq!(cache.take(8, 160, 100), Ok(()));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn a_full_cache_refuses_rather_than_forgets() {
        let mut cache = NonceCache::new(2);
        assert_eq!(cache.take(1, 100, 0), Ok(()));
        assert_eq!(cache.take(2, 50, 0), Ok(()));
        assert_eq!(cache.take(3, 100, 0), Err(NonceError::Full));
        assert_eq!(cache.take(1, 100, 0), Err(NonceError::Replayed));
        assert_eq!(cache.take(3, 100, 50), Ok(()));
    }
}
