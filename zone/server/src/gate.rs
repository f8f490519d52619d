//! Who may open a session with a zone: holders of a token that was sealed for this world, each once.

use darkages_protocol::{AdmissionCode, ConnectToken, NonceCache, WorldKey};
use darkages_topology::ShardId;
use darkages_transport::{Admitted, Gatekeeper, Refusal};

/// Tokens that were used and have not expired, at most. Each lives for two minutes at the longest, so this is some 500 joins
/// a second.
const MAX_NONCES: usize = 1 << 16;

/// The gatekeeper of a zone.
#[derive(Debug)]
pub struct Gate {
    key: WorldKey,
    nonces: NonceCache,
    /// The shard that this zone serves. Nobody is let in while there is none, or with a token for another one.
    pub shard: Option<ShardId>,
}

impl Gate {
    /// A gate for tokens of the world with this key.
    #[must_use]
    pub fn new(key: WorldKey) -> Self {
        Self { key, nonces: NonceCache::new(MAX_NONCES), shard: None }
    }
}

impl Gatekeeper for Gate {
    fn admit(&mut self, sealed_token: &[u8], unix_now: u64) -> Result<Admitted, Refusal> {
        let refuse = |code: AdmissionCode| Refusal(code.code());
        let token =
            ConnectToken::open(&self.key, sealed_token, unix_now).map_err(|error| refuse(error.admission_code()))?;
        match self.shard {
            None => return Err(refuse(AdmissionCode::NotReady)),
            Some(shard) if shard != token.shard => return Err(refuse(AdmissionCode::WrongShard)),
            Some(_) => {}
        }
        self.nonces
            .take(token.nonce, token.expires_unix_s, unix_now)
            .map_err(|error| refuse(error.admission_code()))?;
        Ok(Admitted { psk: token.psk, admission: token.subject.to_bytes().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use darkages_protocol::Subject;
    use darkages_topology::PlayerId;

    use super::*;

    fn sealed(key: &WorldKey, shard: u32, nonce: u8) -> Vec<u8> {
        let subject = Subject::Player { player: PlayerId(3), spawn: None };
        let token = ConnectToken {
            subject,
            shard: ShardId(shard),
            psk: [7; 32],
            expires_unix_s: 1_030,
            nonce: u128::from(nonce),
        };
        token.seal(key, [nonce; 12])
    }

    #[test]
    fn a_token_opens_its_own_shard_once() {
        let key = WorldKey::new(&[1; 32]);
        let mut gate = Gate::new(key.clone());
        let mut admit = |shard: Option<u32>, token: &[u8]| {
            gate.shard = shard.map(ShardId);
            gate.admit(token, 1_000).map(|admitted| admitted.psk).map_err(|Refusal(code)| code)
        };
        let token = sealed(&key, 4, 1);
        assert_eq!(admit(None, &token), Err(AdmissionCode::NotReady.code()));
        assert_eq!(admit(Some(5), &token), Err(AdmissionCode::WrongShard.code()));
        assert_eq!(admit(Some(4), &token), Ok([7; 32]), "a refusal does not use a token up");
        assert_eq!(admit(Some(4), &token), Err(AdmissionCode::ReplayedToken.code()));
    }
}
