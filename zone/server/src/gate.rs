//! Who may open a session with a zone: holders of a token that was sealed for this world, each once.

use darkages_protocol::{AdmissionCode, ConnectToken, NonceCache, Subject, WorldKey};
use darkages_transport::{Admitted, Gatekeeper, Refusal};

/// Tokens that were used and have not expired, at most. Each lives for two minutes at the longest, so this is some 500 joins
/// a second.
const MAX_NONCES: usize = 1 << 16;

/// What an accepted session is for, as it comes back with its first event.
pub(crate) mod admission {
    use darkages_protocol::Subject;
    use darkages_topology::{PlayerId, Position, ShardEpoch, ShardId};

    const BYTES: usize = 17;

    /// The subject as bytes of this process.
    pub(crate) fn encode(subject: Subject) -> Vec<u8> {
        let (kind, first, second) = match subject {
            Subject::Player { player, spawn: None } => (0, player.0, 0),
            Subject::Player { player, spawn: Some(Position { x, y }) } => {
                (1, player.0, u64::from(x as u32) | u64::from(y as u32) << 32)
            }
            Subject::Peer { shard, epoch } => (2, u64::from(shard.0), epoch.0),
        };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(kind);
        bytes.extend_from_slice(&u64::to_le_bytes(first));
        bytes.extend_from_slice(&u64::to_le_bytes(second));
        bytes
    }

    /// The subject in those bytes; `None` for a session that this process dialed.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Subject> {
        let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let (first, second) = (number(1), number(9));
        Some(match bytes[0] {
            0 => Subject::Player { player: PlayerId(first), spawn: None },
            1 => {
                let spawn = Position { x: second as u32 as i32, y: (second >> 32) as u32 as i32 };
                Subject::Player { player: PlayerId(first), spawn: Some(spawn) }
            }
            2 => Subject::Peer { shard: ShardId(first as u32), epoch: ShardEpoch(second) },
            _ => return None,
        })
    }
}

/// The gatekeeper of a zone.
#[derive(Debug)]
pub struct Gate {
    key: WorldKey,
    nonces: NonceCache,
    /// Whether players are let in: the zone serves a shard and is not full.
    pub open: bool,
}

impl Gate {
    /// A gate for tokens of the world with this key.
    #[must_use]
    pub fn new(key: WorldKey) -> Self {
        Self { key, nonces: NonceCache::new(MAX_NONCES), open: false }
    }
}

impl Gatekeeper for Gate {
    fn admit(&mut self, sealed_token: &[u8], unix_now: u64) -> Result<Admitted, Refusal> {
        let refuse = |code: AdmissionCode| Refusal(code.code());
        let token =
            ConnectToken::open(&self.key, sealed_token, unix_now).map_err(|error| refuse(error.admission_code()))?;
        if matches!(token.subject, Subject::Player { .. }) && !self.open {
            return Err(refuse(AdmissionCode::NotReady));
        }
        self.nonces
            .take(token.nonce, token.expires_unix_s, unix_now)
            .map_err(|error| refuse(error.admission_code()))?;
        Ok(Admitted { psk: token.psk, admission: admission::encode(token.subject) })
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::{PlayerId, Position, ShardEpoch, ShardId};

    use super::*;

    #[test]
    fn admissions_read_back() {
        let spawn = Some(Position { x: -7, y: i32::MAX });
        for subject in [
            Subject::Player { player: PlayerId(u64::MAX), spawn: None },
            Subject::Player { player: PlayerId(3), spawn },
            Subject::Peer { shard: ShardId(4), epoch: ShardEpoch(u64::MAX) },
        ] {
            assert_eq!(admission::decode(&admission::encode(subject)), Some(subject));
        }
        assert_eq!(admission::decode(&[]), None);
    }
}
