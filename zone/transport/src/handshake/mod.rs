//! The handshake: four datagrams, and nothing remembered before the caller's address is proven and its token opened.
//!
//! | datagram | bytes |
//! | --- | --- |
//! | hello, dialer → acceptor | `01, version, dialer's session (4), ephemeral key (32), zeros to 1,200` |
//! | cookie, ← | `02, dialer's session (4), cookie (17)` |
//! | init, → | `03, version, dialer's session (4), cookie (17), Noise message 1 (its payload is the sealed token)` |
//! | reply, ← | `04, dialer's session (4), Noise message 2 (its payload is the acceptor's session, 4)` |
//! | refused, ← | `05, dialer's session (4), first half of the ephemeral key (16), reason (2)` |
//!
//! The hello is padded so that no answer is longer than its question. A refusal cannot be sealed, because the two sides share no key yet; it
//! repeats part of the dialer's ephemeral key, so that only somebody who saw the question can forge it.

mod cookie;
mod limiter;
mod noise;

pub(crate) use cookie::{COOKIE_BYTES, Cookie, CookieJar};
pub(crate) use limiter::SourceLimiter;
pub(crate) use noise::{Dialing, accept, read_token};

use crate::close::CloseReason;
use crate::keys::KEY_BYTES;
use crate::secure::header::{MAX_DATAGRAM, TAG_BYTES};

/// The version that this code speaks.
pub(crate) const VERSION: u8 = 1;

const HELLO: u8 = 1;
const COOKIE: u8 = 2;
const INIT: u8 = 3;
const REPLY: u8 = 4;
const REFUSED: u8 = 5;

const INIT_PREFIX: usize = 6 + COOKIE_BYTES;
const HELLO_BYTES: usize = MAX_DATAGRAM;
const REPLY_PREFIX: usize = 5;
/// Bytes of the dialer's ephemeral key that a refusal repeats.
const ECHO_BYTES: usize = 16;

/// Longest sealed token that fits into the handshake, in bytes.
pub const MAX_TOKEN_BYTES: usize = MAX_DATAGRAM - INIT_PREFIX - KEY_BYTES - TAG_BYTES;

/// A handshake datagram as read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    Hello { version: u8, dialer: u32, ephemeral: &'a [u8; KEY_BYTES] },
    Cookie { dialer: u32, cookie: &'a Cookie },
    Init { version: u8, dialer: u32, cookie: &'a Cookie, noise: &'a [u8] },
    Reply { dialer: u32, noise: &'a [u8] },
    Refused { dialer: u32, echo: &'a [u8; ECHO_BYTES], reason: CloseReason },
}

impl<'a> Message<'a> {
    /// Reads a handshake datagram; `None` when it is none.
    pub(crate) fn read(datagram: &'a [u8]) -> Option<Self> {
        let (kind, rest) = datagram.split_first()?;
        match *kind {
            HELLO if datagram.len() == HELLO_BYTES => {
                let (version, rest) = rest.split_first()?;
                let (dialer, rest) = rest.split_first_chunk()?;
                let dialer = u32::from_le_bytes(*dialer);
                Some(Self::Hello { version: *version, dialer, ephemeral: rest.first_chunk()? })
            }
            INIT => {
                let (version, rest) = rest.split_first()?;
                let (dialer, rest) = rest.split_first_chunk()?;
                let (cookie, noise) = rest.split_first_chunk()?;
                if noise.len() < KEY_BYTES + TAG_BYTES {
                    return None;
                }
                Some(Self::Init { version: *version, dialer: u32::from_le_bytes(*dialer), cookie, noise })
            }
            COOKIE | REPLY | REFUSED => {
                let (dialer, rest) = rest.split_first_chunk()?;
                let dialer = u32::from_le_bytes(*dialer);
                match *kind {
                    COOKIE => Some(Self::Cookie { dialer, cookie: rest.try_into().ok()? }),
                    REPLY => Some(Self::Reply { dialer, noise: rest }),
                    _ => {
                        let (echo, reason) = rest.split_first_chunk()?;
                        let [code, detail] = *reason else { return None };
                        Some(Self::Refused { dialer, echo, reason: CloseReason::from_wire(code, detail) })
                    }
                }
            }
            _ => None,
        }
    }
}

pub(crate) fn write_hello(out: &mut [u8; MAX_DATAGRAM], dialer: u32, ephemeral: &[u8; KEY_BYTES]) -> usize {
    out.fill(0);
    out[0] = HELLO;
    out[1] = VERSION;
    out[2..6].copy_from_slice(&dialer.to_le_bytes());
    out[6..6 + KEY_BYTES].copy_from_slice(ephemeral);
    HELLO_BYTES
}

pub(crate) fn write_cookie(out: &mut [u8; MAX_DATAGRAM], dialer: u32, cookie: &Cookie) -> usize {
    out[0] = COOKIE;
    out[1..5].copy_from_slice(&dialer.to_le_bytes());
    out[5..5 + COOKIE_BYTES].copy_from_slice(cookie);
    5 + COOKIE_BYTES
}

pub(crate) fn write_init(out: &mut [u8; MAX_DATAGRAM], dialer: u32, cookie: &Cookie, noise: &[u8]) -> usize {
    out[0] = INIT;
    out[1] = VERSION;
    out[2..6].copy_from_slice(&dialer.to_le_bytes());
    out[6..INIT_PREFIX].copy_from_slice(cookie);
    out[INIT_PREFIX..INIT_PREFIX + noise.len()].copy_from_slice(noise);
    INIT_PREFIX + noise.len()
}

pub(crate) fn write_reply(out: &mut [u8; MAX_DATAGRAM], dialer: u32, noise: &[u8]) -> usize {
    out[0] = REPLY;
    out[1..REPLY_PREFIX].copy_from_slice(&dialer.to_le_bytes());
    out[REPLY_PREFIX..REPLY_PREFIX + noise.len()].copy_from_slice(noise);
    REPLY_PREFIX + noise.len()
}

pub(crate) fn write_refused(
    out: &mut [u8; MAX_DATAGRAM],
    dialer: u32,
    ephemeral: &[u8; KEY_BYTES],
    reason: CloseReason,
) -> usize {
    out[0] = REFUSED;
    out[1..5].copy_from_slice(&dialer.to_le_bytes());
    out[5..5 + ECHO_BYTES].copy_from_slice(&ephemeral[..ECHO_BYTES]);
    out[5 + ECHO_BYTES..7 + ECHO_BYTES].copy_from_slice(&[reason.code(), reason.detail()]);
    7 + ECHO_BYTES
}

/// Whether a refusal repeats this dialer's key.
pub(crate) fn echoes(echo: &[u8; ECHO_BYTES], ephemeral: &[u8; KEY_BYTES]) -> bool {
    ephemeral.starts_with(echo)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..1300)) {
            let _ = Message::read(&bytes);
        }
    }

    #[test]
    fn messages_read_back_and_no_answer_is_longer_than_its_question() {
        let mut out = [0; MAX_DATAGRAM];
        let ephemeral = [3; 32];
        let hello = write_hello(&mut out, 9, &ephemeral);
        assert_eq!(Message::read(&out), Some(Message::Hello { version: VERSION, dialer: 9, ephemeral: &ephemeral }));
        assert_eq!(Message::read(&out[..hello - 1]), None);

        let cookie = [4; COOKIE_BYTES];
        let bytes = write_cookie(&mut out, 9, &cookie);
        assert_eq!(Message::read(&out[..bytes]), Some(Message::Cookie { dialer: 9, cookie: &cookie }));
        assert!(bytes < hello);

        let noise = [5; KEY_BYTES + TAG_BYTES];
        let init = write_init(&mut out, 9, &cookie, &noise);
        let expected = Message::Init { version: VERSION, dialer: 9, cookie: &cookie, noise: &noise };
        assert_eq!(Message::read(&out[..init]), Some(expected));

        let noise = [6; KEY_BYTES + 4 + TAG_BYTES];
        let reply = write_reply(&mut out, 9, &noise);
        assert_eq!(Message::read(&out[..reply]), Some(Message::Reply { dialer: 9, noise: &noise }));
        assert!(reply <= init);

        let reason = CloseReason::Refused(8);
        let refused = write_refused(&mut out, 9, &ephemeral, reason);
        let Some(Message::Refused { dialer: 9, echo, reason: read }) = Message::read(&out[..refused]) else { panic!() };
        assert!(echoes(echo, &ephemeral) && read == reason && refused < init);
    }

    #[test]
    fn the_longest_token_fills_a_datagram() {
        let mut out = [0; MAX_DATAGRAM];
        let noise = vec![0; KEY_BYTES + MAX_TOKEN_BYTES + TAG_BYTES];
        assert_eq!(write_init(&mut out, 1, &[0; COOKIE_BYTES], &noise), MAX_DATAGRAM);
    }
}
