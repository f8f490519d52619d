//! The long-lived key of an endpoint.

use std::fmt;

use ring::rand::{SecureRandom, SystemRandom};
use snow::params::DHChoice;
use snow::resolvers::{CryptoResolver, DefaultResolver};
use thiserror::Error;

/// Bytes of every key here.
pub const KEY_BYTES: usize = 32;

/// An X25519 key pair: the public half is what dialers must know beforehand.
#[derive(Clone)]
pub struct StaticKeypair {
    private: [u8; KEY_BYTES],
    public: [u8; KEY_BYTES],
}

/// The system gave no randomness.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the system's random generator failed")]
pub struct NoRandomness;

impl StaticKeypair {
    /// A fresh pair from the system's randomness.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut private = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut private).map_err(|_| NoRandomness)?;
        Ok(Self::from_private(private))
    }

    /// The pair of a known private key.
    pub fn from_private(private: [u8; KEY_BYTES]) -> Self {
        let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("the curve is compiled in");
        dh.set(&private);
        let mut public = [0; KEY_BYTES];
        public.copy_from_slice(dh.pubkey());
        Self { private, public }
    }

    /// The half that everybody may know.
    pub const fn public(&self) -> [u8; KEY_BYTES] {
        self.public
    }

    pub(crate) const fn private(&self) -> &[u8; KEY_BYTES] {
        &self.private
    }
}

impl fmt::Debug for StaticKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeypair").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_follows_from_the_private_one_and_only_it_is_printed() {
        let pair = StaticKeypair::from_private([7; 32]);
        assert_eq!(pair.public(), StaticKeypair::from_private([7; 32]).public());
        assert_ne!(pair.public(), StaticKeypair::from_private([8; 32]).public());
        assert!(!format!("{pair:?}").contains("7, 7, 7, 7"));
    }
}
