//! Tickets: a studio's login service says who a player is, and the directory believes it.
//!
//! The service and the directory share a key; a ticket is signed with HMAC-SHA256 and travels as text in base64url without
//! padding. It admits once: the directory remembers its nonce until it expires. `docs/PROTOCOL.md` has the layout, so that a
//! login service in any language can issue tickets.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use darkages_topology::world::{MAX_COORDINATE_M, UNITS_PER_METRE};
use darkages_topology::{PlayerId, Position};
use ring::hmac;

/// Longest time between the making of a ticket and its expiry, in seconds.
pub const MAX_TICKET_LIFETIME_S: u64 = 3_600;
/// Bytes of a world's name, at most.
pub const MAX_WORLD_BYTES: usize = 64;
/// Characters of a ticket, at most.
pub const MAX_TICKET_CHARS: usize = 192;

const VERSION: u8 = 1;
const SIGNATURE_BYTES: usize = 32;
/// Ties a signature to its purpose.
const PURPOSE: &[u8] = b"darkages ticket 1";

/// The secret that a login service and the directory share.
#[derive(Clone)]
pub struct TicketKey(hmac::Key);

impl TicketKey {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey(..)")
    }
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Who the holder is.
    pub player: PlayerId,
    /// For which world, 1 to [`MAX_WORLD_BYTES`] bytes.
    pub world: String,
    /// When the ticket is over, in seconds of Unix time.
    pub expires_unix_s: u64,
    /// Makes the ticket usable once.
    pub nonce: u128,
    /// Where a player who was never in the world would like to appear.
    pub spawn: Option<Position>,
}

/// Why a ticket is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not signed with this key, cut off, changed, or of another version.
    #[error("the ticket was not signed by an issuer of this world")]
    WrongTicket,
    /// Signed for another world.
    #[error("the ticket is for another world")]
    OtherWorld,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
    /// It would be valid for longer than any ticket may be.
    #[error("the ticket is valid for longer than {MAX_TICKET_LIFETIME_S} s")]
    TooLongValid,
}

impl TicketError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::WrongTicket => "wrong_ticket",
            Self::OtherWorld => "other_world",
            Self::Expired => "expired_ticket",
            Self::TooLongValid => "too_long_valid_ticket",
        }
    }
}

impl Ticket {
    /// The signed ticket as text. A longer name of a world is cut to [`MAX_WORLD_BYTES`], for which no directory will take
    /// it.
    #[must_use]
    pub fn sign(&self, key: &TicketKey) -> String {
        let Self { player, world, expires_unix_s, nonce, spawn } = self;
        let world = &world.as_bytes()[..world.len().min(MAX_WORLD_BYTES)];
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&player.0.to_le_bytes());
        bytes.extend_from_slice(&expires_unix_s.to_le_bytes());
        bytes.extend_from_slice(&nonce.to_le_bytes());
        match spawn {
            None => bytes.push(0),
            Some(Position { x, y }) => {
                bytes.push(1);
                bytes.extend_from_slice(&x.to_le_bytes());
                bytes.extend_from_slice(&y.to_le_bytes());
            }
        }
        bytes.push(world.len() as u8);
        bytes.extend_from_slice(world);
        let signature = hmac::sign(&key.0, &signed(&bytes));
        bytes.extend_from_slice(signature.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Checks a ticket's signature, world and time. Whether its nonce is new is for the caller to check.
    ///
    /// # Errors
    /// When any of them is wrong.
    pub fn verify(key: &TicketKey, text: &str, world: &str, now_unix_s: u64) -> Result<Self, TicketError> {
        if text.len() > MAX_TICKET_CHARS {
            return Err(TicketError::WrongTicket);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TicketError::WrongTicket)?;
        let (body, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>().ok_or(TicketError::WrongTicket)?;
        hmac::verify(&key.0, &signed(body), signature).map_err(|_| TicketError::WrongTicket)?;
        let ticket = Self::parse(body).ok_or(TicketError::WrongTicket)?;
        if ticket.world != world {
            return Err(TicketError::OtherWorld);
        }
        if ticket.expires_unix_s <= now_unix_s {
            return Err(TicketError::Expired);
        }
        if ticket.expires_unix_s - now_unix_s > MAX_TICKET_LIFETIME_S {
            return Err(TicketError::TooLongValid);
        }
        Ok(ticket)
    }

    fn parse(body: &[u8]) -> Option<Self> {
        let (version, rest) = body.split_first()?;
        if *version != VERSION {
            return None;
        }
        let (player, rest) = rest.split_first_chunk()?;
        let (expires, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (has_spawn, rest) = rest.split_first()?;
        let (spawn, rest) = match has_spawn {
            0 => (None, rest),
            1 => {
                let (x, rest) = rest.split_first_chunk()?;
                let (y, rest) = rest.split_first_chunk()?;
                let spawn = Position { x: i32::from_le_bytes(*x), y: i32::from_le_bytes(*y) };
                (Some(spawn).filter(|spawn| is_in_reach(*spawn)), rest)
            }
            _ => return None,
        };
        if *has_spawn == 1 && spawn.is_none() {
            return None;
        }
        let (length, world) = rest.split_first()?;
        if world.len() != usize::from(*length) {
            return None;
        }
        Some(Self {
            player: PlayerId(u64::from_le_bytes(*player)),
            world: String::from_utf8(world.to_vec()).ok()?,
            expires_unix_s: u64::from_le_bytes(*expires),
            nonce: u128::from_le_bytes(*nonce),
            spawn,
        })
    }
}

fn signed(body: &[u8]) -> Vec<u8> {
    [PURPOSE, body].concat()
}

fn is_in_reach(position: Position) -> bool {
    let most = (MAX_COORDINATE_M * UNITS_PER_METRE).unsigned_abs();
    position.x.unsigned_abs() <= most && position.y.unsigned_abs() <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            player: PlayerId(7),
            world: "meadow".to_owned(),
            expires_unix_s: 1_060,
            nonce: 99,
            spawn: Some(Position { x: -64, y: 640 }),
        }
    }

    #[test]
    fn a_signed_ticket_verifies_until_it_expires() {
        let key = TicketKey::new(&[1; 32]);
        for ticket in [ticket(), Ticket { spawn: None, ..ticket() }] {
            let text = ticket.sign(&key);
            assert!(text.len() <= MAX_TICKET_CHARS);
            assert_eq!(Ticket::verify(&key, &text, "meadow", 1_000), Ok(ticket.clone()));
            assert_eq!(Ticket::verify(&key, &text, "meadow", 1_060), Err(TicketError::Expired));
            assert_eq!(Ticket::verify(&key, &text, "forest", 1_000), Err(TicketError::OtherWorld));
            assert_eq!(
                Ticket::verify(&TicketKey::new(&[2; 32]), &text, "meadow", 1_000),
                Err(TicketError::WrongTicket)
            );
        }
        let text = Ticket { expires_unix_s: 1_001 + MAX_TICKET_LIFETIME_S, ..ticket() }.sign(&key);
        assert_eq!(Ticket::verify(&key, &text, "meadow", 1_000), Err(TicketError::TooLongValid));
    }

    #[test]
    fn a_ticket_that_was_changed_anywhere_is_refused() {
        let key = TicketKey::new(&[1; 32]);
        let text = ticket().sign(&key);
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("it is text");
            assert_eq!(Ticket::verify(&key, &changed, "meadow", 1_000), Err(TicketError::WrongTicket), "at {at}");
        }
        for text in ["", "A", "====", "ä", &"A".repeat(1_000)] {
            assert_eq!(Ticket::verify(&key, text, "meadow", 1_000), Err(TicketError::WrongTicket));
        }
    }

    #[test]
    fn the_longest_ticket_fits() {
        let key = TicketKey::new(&[1; 32]);
        let text = Ticket { world: "w".repeat(MAX_WORLD_BYTES), ..ticket() }.sign(&key);
        assert!(text.len() <= MAX_TICKET_CHARS, "{}", text.len());
        assert!(Ticket::verify(&key, &text, &"w".repeat(MAX_WORLD_BYTES), 1_000).is_ok());
    }
}
