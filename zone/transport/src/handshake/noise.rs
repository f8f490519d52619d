//! The Noise part of the handshake: `NKpsk2`, so the dialer knows the acceptor's key beforehand, the token travels encrypted in the first
//! message, and the pre-shared key that the token names is mixed in with the second.

use std::fmt;

use snow::{Builder, HandshakeState};

use super::VERSION;
use crate::keys::{KEY_BYTES, StaticKeypair};
use crate::secure::header::{MAX_DATAGRAM, TAG_BYTES};

const PATTERN: &str = "Noise_NKpsk2_25519_AESGCM_SHA256";
/// Where the pre-shared key is mixed in: after the second message's tokens.
const PSK_PLACE: u8 = 2;
/// Bytes of the second message: key, the acceptor's session, seal.
const REPLY_BYTES: usize = KEY_BYTES + 4 + TAG_BYTES;

/// The two secrets that a finished handshake gives.
pub(crate) struct Secrets {
    pub(crate) send: [u8; 32],
    pub(crate) receive: [u8; 32],
}

/// The dialer's side between its first message and the reply.
pub(crate) struct Dialing {
    state: Box<HandshakeState>,
    first: Box<[u8]>,
}

impl Dialing {
    /// Writes the first message. `None` when the token is too long or the server's key is no key.
    pub(crate) fn start(server_key: &[u8; 32], psk: &[u8; 32], token: &[u8], dialer: u32) -> Option<Self> {
        let prologue = prologue(dialer);
        let mut state = builder()
            .prologue(&prologue)
            .and_then(|builder| builder.remote_public_key(server_key))
            .and_then(|builder| builder.psk(PSK_PLACE, psk))
            .and_then(Builder::build_initiator)
            .ok()?;
        let mut first = vec![0; KEY_BYTES + token.len() + TAG_BYTES];
        let bytes = state.write_message(token, &mut first).ok()?;
        first.truncate(bytes);
        Some(Self { state: Box::new(state), first: first.into() })
    }

    /// The first message: ephemeral key and encrypted token.
    pub(crate) fn first(&self) -> &[u8] {
        &self.first
    }

    /// The dialer's ephemeral key, which names this handshake.
    pub(crate) fn ephemeral(&self) -> &[u8; KEY_BYTES] {
        self.first.first_chunk().expect("the first message begins with the ephemeral key")
    }

    /// Reads the reply: the acceptor's session and the secrets. A reply that does not read leaves the handshake as it was.
    pub(crate) fn finish(&mut self, reply: &[u8]) -> Option<(u32, Secrets)> {
        if reply.len() != REPLY_BYTES {
            return None;
        }
        let mut payload = [0; REPLY_BYTES];
        let bytes = self.state.read_message(reply, &mut payload).ok()?;
        let session = u32::from_le_bytes(payload[..bytes].try_into().ok()?);
        let (send, receive) = self.state.dangerously_get_raw_split();
        Some((session, Secrets { send, receive }))
    }
}

/// The acceptor's side after the first message.
pub(crate) struct Accepting {
    state: HandshakeState,
}

/// Reads the first message: the sealed token, and the state to answer with.
pub(crate) fn read_token(key: &StaticKeypair, dialer: u32, first: &[u8]) -> Option<(Accepting, Vec<u8>)> {
    let prologue = prologue(dialer);
    let mut state = builder()
        .prologue(&prologue)
        .and_then(|builder| builder.local_private_key(key.private()))
        .and_then(Builder::build_responder)
        .ok()?;
    let mut token = vec![0; MAX_DATAGRAM];
    let bytes = state.read_message(first, &mut token).ok()?;
    token.truncate(bytes);
    Some((Accepting { state }, token))
}

/// Answers the first message with this side's session, under the token's pre-shared key.
pub(crate) fn accept(accepting: Accepting, psk: &[u8; 32], session: u32) -> Option<(Vec<u8>, Secrets)> {
    let Accepting { mut state } = accepting;
    state.set_psk(PSK_PLACE.into(), psk).ok()?;
    let mut reply = vec![0; REPLY_BYTES];
    let bytes = state.write_message(&session.to_le_bytes(), &mut reply).ok()?;
    reply.truncate(bytes);
    let (receive, send) = state.dangerously_get_raw_split();
    Some((reply, Secrets { send, receive }))
}

fn builder<'a>() -> Builder<'a> {
    Builder::new(PATTERN.parse().expect("the pattern is a constant that snow knows"))
}

/// Both sides must agree on the version and on the dialer's session, which travel in the clear.
fn prologue(dialer: u32) -> [u8; 32] {
    let mut prologue = *b"darkages zone transport         ";
    prologue[27] = VERSION;
    prologue[28..].copy_from_slice(&dialer.to_le_bytes());
    prologue
}

impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_on_secrets_only_with_the_same_psk_and_session() {
        let key = StaticKeypair::from_private([9; 32]);
        let psk = [1; 32];
        let mut dialing = Dialing::start(&key.public(), &psk, b"token", 5).unwrap();
        assert!(read_token(&key, 6, dialing.first()).is_none());
        let (accepting, token) = read_token(&key, 5, dialing.first()).unwrap();
        assert_eq!(token, b"token");
        let (wrong, _) = accept(accepting, &[2; 32], 77).unwrap();
        assert!(dialing.finish(&wrong).is_none());
        // The reply that did not read has not spoiled the handshake.
        let (accepting, _) = read_token(&key, 5, dialing.first()).unwrap();
        let (right, theirs) = accept(accepting, &psk, 77).unwrap();
        let (session, ours) = dialing.finish(&right).unwrap();
        assert_eq!(session, 77);
        assert_eq!((ours.send, ours.receive), (theirs.receive, theirs.send));
        assert_ne!(ours.send, ours.receive);
    }
}
