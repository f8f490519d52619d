//! Connect tokens: what opens a zone's door to one player or one peer, once.
//!
//! The directory (and a zone, for a handoff) seals a [`ConnectToken`] with the world key; only zones can open it. Its holder
//! is told beside it where to go, whom to expect there, and the key that it shares with the zone for one handshake. Time and
//! randomness are passed in.

use std::fmt;

use darkages_topology::{HandoffId, PlayerId, Position, ShardEpoch, ShardId};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::code::AdmissionCode;

/// Longest time between the making of a token and its expiry, in seconds. Zones remember a nonce until then, so that it
/// bounds their memory.
pub const MAX_TOKEN_LIFETIME_S: u64 = 120;

/// Bytes of a sealed token.
pub const SEALED_BYTES: usize = 1 + NONCE_LEN + PLAIN_BYTES + TAG_BYTES;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
/// Subject, shard, psk, expiry, nonce.
const PLAIN_BYTES: usize = Subject::BYTES + 4 + 32 + 8 + 16;
/// Ties a token to its purpose, so that nothing else sealed with the same key can pass for one.
const PURPOSE: &[u8] = b"darkages connect token 1";

/// The secret of a world that its directory and zones share.
#[derive(Clone)]
pub struct WorldKey(LessSafeKey);

impl WorldKey {
    /// The key with these bytes.
    ///
    /// # Panics
    /// Never: every 32 bytes are a key.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("the key has the right length")))
    }
}

impl fmt::Debug for WorldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorldKey(..)")
    }
}

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A player's client.
    Player {
        /// The player.
        player: PlayerId,
        /// Where a player who was never in the world would like to appear.
        spawn: Option<Position>,
    },
    /// The client of a player who plays elsewhere and is being handed over.
    Redirected {
        /// The player.
        player: PlayerId,
        /// The handoff for which it attaches.
        handoff: HandoffId,
    },
    /// A neighbouring zone.
    Peer {
        /// Its shard.
        shard: ShardId,
        /// Its incarnation.
        epoch: ShardEpoch,
    },
}

impl Subject {
    /// Bytes of [`Subject::to_bytes`].
    pub const BYTES: usize = 1 + 8 + Self::MORE_BYTES;
    const MORE_BYTES: usize = 4 + 8 + 8;

    /// A kind, the number of the player or of the zone's shard, and what more the kind has, padded with zeros.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut more = [0; Self::MORE_BYTES];
        let (kind, number) = match self {
            Self::Player { player, spawn: None } => (0, player.0),
            Self::Player { player, spawn: Some(Position { x, y }) } => {
                more[..4].copy_from_slice(&x.to_le_bytes());
                more[4..8].copy_from_slice(&y.to_le_bytes());
                (1, player.0)
            }
            Self::Peer { shard, epoch } => {
                more[..8].copy_from_slice(&epoch.0.to_le_bytes());
                (2, u64::from(shard.0))
            }
            Self::Redirected { player, handoff: HandoffId { from, from_epoch, number } } => {
                more[..4].copy_from_slice(&from.0.to_le_bytes());
                more[4..12].copy_from_slice(&from_epoch.0.to_le_bytes());
                more[12..].copy_from_slice(&number.to_le_bytes());
                (3, player.0)
            }
        };
        let mut bytes = [0; Self::BYTES];
        bytes[0] = kind;
        bytes[1..9].copy_from_slice(&u64::to_le_bytes(number));
        bytes[9..].copy_from_slice(&more);
        bytes
    }

    /// The subject in those bytes; `None` when they are none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let four = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).expect("four bytes");
        let eight = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let number = eight(1);
        let player = PlayerId(number);
        Some(match bytes[0] {
            0 => Self::Player { player, spawn: None },
            1 => {
                let spawn = Position { x: i32::from_le_bytes(four(9)), y: i32::from_le_bytes(four(13)) };
                Self::Player { player, spawn: Some(spawn) }
            }
            2 => Self::Peer { shard: ShardId(u32::try_from(number).ok()?), epoch: ShardEpoch(eight(9)) },
            3 => {
                let from = ShardId(u32::from_le_bytes(four(9)));
                let handoff = HandoffId { from, from_epoch: ShardEpoch(eight(13)), number: eight(21) };
                Self::Redirected { player, handoff }
            }
            _ => return None,
        })
    }
}

/// What a zone finds in a token that it opened.
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectToken {
    /// Who may come in.
    pub subject: Subject,
    /// Into which shard.
    pub shard: ShardId,
    /// Key that holder and zone share for one handshake.
    pub psk: [u8; 32],
    /// When the token is over, in seconds of Unix time.
    pub expires_unix_s: u64,
    /// Makes the token usable once.
    pub nonce: u128,
}

impl fmt::Debug for ConnectToken {
    /// Without its secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, shard, psk: _, expires_unix_s, nonce } = self;
        f.debug_struct("ConnectToken")
            .field("subject", subject)
            .field("shard", shard)
            .field("expires_unix_s", expires_unix_s)
            .field("nonce", nonce)
            .finish_non_exhaustive()
    }
}

/// Why a token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not sealed with the key of this world, cut off, changed, or of another version.
    #[error("the token was not sealed for this world")]
    WrongToken,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It would be valid for longer than any token may be: a clock is wrong.
    #[error("the token is valid for longer than {MAX_TOKEN_LIFETIME_S} s: a clock is wrong")]
    TooLongValid,
}

impl TokenError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::WrongToken => "wrong_token",
            Self::Expired => "expired_token",
            Self::TooLongValid => "too_long_valid_token",
        }
    }

    /// The code with which a gatekeeper refuses.
    #[must_use]
    pub const fn admission_code(&self) -> AdmissionCode {
        match self {
            Self::WrongToken => AdmissionCode::WrongToken,
            Self::Expired | Self::TooLongValid => AdmissionCode::ExpiredToken,
        }
    }
}

impl ConnectToken {
    /// The sealed bytes, [`SEALED_BYTES`] of them. `random` must never repeat under one key: take it from the system's
    /// generator.
    ///
    /// # Panics
    /// Never: sealing fails only beyond 64 GiB.
    #[must_use]
    pub fn seal(&self, key: &WorldKey, random: [u8; NONCE_LEN]) -> Vec<u8> {
        let mut body = self.to_plain();
        let nonce = Nonce::assume_unique_for_key(random);
        let tag = key.0.seal_in_place_separate_tag(nonce, Aad::from(PURPOSE), &mut body).expect("it is short");
        let mut sealed = Vec::with_capacity(SEALED_BYTES);
        sealed.push(VERSION);
        sealed.extend_from_slice(&random);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens a sealed token. Whether its nonce is new and its shard the right one is for the caller to check.
    ///
    /// # Errors
    /// When it was not sealed with this key, or is over.
    pub fn open(key: &WorldKey, sealed: &[u8], now_unix_s: u64) -> Result<Self, TokenError> {
        if sealed.len() != SEALED_BYTES || sealed[0] != VERSION {
            return Err(TokenError::WrongToken);
        }
        let (head, body) = sealed.split_at(1 + NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| TokenError::WrongToken)?;
        let mut body = body.to_vec();
        let plain = key.0.open_in_place(nonce, Aad::from(PURPOSE), &mut body).map_err(|_| TokenError::WrongToken)?;
        let token = Self::from_plain(plain).ok_or(TokenError::WrongToken)?;
        if token.expires_unix_s <= now_unix_s {
            return Err(TokenError::Expired);
        }
        if token.expires_unix_s - now_unix_s > MAX_TOKEN_LIFETIME_S {
            return Err(TokenError::TooLongValid);
        }
        Ok(token)
    }

    fn to_plain(&self) -> Vec<u8> {
        let Self { subject, shard, psk, expires_unix_s, nonce } = self;
        let mut plain = Vec::with_capacity(PLAIN_BYTES);
        plain.extend_from_slice(&subject.to_bytes());
        plain.extend_from_slice(&shard.0.to_le_bytes());
        plain.extend_from_slice(psk);
        plain.extend_from_slice(&expires_unix_s.to_le_bytes());
        plain.extend_from_slice(&nonce.to_le_bytes());
        plain
    }

    fn from_plain(plain: &[u8]) -> Option<Self> {
        let (subject, rest) = plain.split_first_chunk()?;
        let (shard, rest) = rest.split_first_chunk()?;
        let (psk, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let nonce = rest.try_into().ok()?;
        Some(Self {
            subject: Subject::from_bytes(subject)?,
            shard: ShardId(u32::from_le_bytes(*shard)),
            psk: *psk,
            expires_unix_s: u64::from_le_bytes(*expires),
            nonce: u128::from_le_bytes(nonce),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(subject: Subject) -> ConnectToken {
        ConnectToken { subject, shard: ShardId(4), psk: [9; 32], expires_unix_s: 1_030, nonce: u128::MAX - 5 }
    }

    fn subjects() -> [Subject; 4] {
        let player = PlayerId(u64::MAX);
        let handoff = HandoffId { from: ShardId(u32::MAX), from_epoch: ShardEpoch(9), number: 1 << 40 };
        [
            Subject::Player { player, spawn: None },
            Subject::Player { player, spawn: Some(Position { x: -1, y: i32::MAX }) },
            Subject::Peer { shard: ShardId(3), epoch: ShardEpoch(8) },
            Subject::Redirected { player, handoff },
        ]
    }

    #[test]
    fn a_sealed_token_opens_with_its_key_until_it_expires() {
        let key = WorldKey::new(&[1; 32]);
        for subject in subjects() {
            let sealed = token(subject).seal(&key, [5; NONCE_LEN]);
            assert_eq!(sealed.len(), SEALED_BYTES);
            assert!(sealed.len() <= crate::message::MAX_TOKEN_BYTES);
            assert_eq!(ConnectToken::open(&key, &sealed, 1_000), Ok(token(subject)));
            assert_eq!(ConnectToken::open(&key, &sealed, 1_030), Err(TokenError::Expired));
            assert_eq!(
                ConnectToken::open(&key, &sealed, 1_030 - MAX_TOKEN_LIFETIME_S - 1),
                Err(TokenError::TooLongValid)
            );
            assert_eq!(ConnectToken::open(&WorldKey::new(&[2; 32]), &sealed, 1_000), Err(TokenError::WrongToken));
        }
    }

    #[test]
    fn a_token_that_was_changed_anywhere_opens_nothing() {
        let key = WorldKey::new(&[1; 32]);
        let sealed = token(subjects()[1]).seal(&key, [5; NONCE_LEN]);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x10;
            assert_eq!(ConnectToken::open(&key, &changed, 1_000), Err(TokenError::WrongToken), "at {at}");
            assert_eq!(ConnectToken::open(&key, &sealed[..at], 1_000), Err(TokenError::WrongToken));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?} {:?}", token(subjects()[0]), WorldKey::new(&[1; 32]));
        assert!(!text.contains("9, 9") && !text.contains("1, 1"), "{text}");
    }
}
