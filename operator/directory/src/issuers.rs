//! Whose word is taken for who a player is: of those who share a key with us, of those who publish theirs, or of both.

use std::sync::{PoisonError, RwLock};

use darkages_protocol::ticket::TicketError;
use darkages_protocol::{Ticket, TicketKey};

use crate::jwt::Jwks;

/// The issuers of tickets.
#[derive(Debug)]
pub struct Issuers {
    shared: Option<TicketKey>,
    published: RwLock<Option<Jwks>>,
}

impl Issuers {
    /// Those who have this key, and those who publish these.
    #[must_use]
    pub const fn new(shared: Option<TicketKey>, published: Option<Jwks>) -> Self {
        Self { shared, published: RwLock::new(published) }
    }

    /// Takes other published keys from now on.
    pub fn set_published(&self, keys: Jwks) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
    }

    /// The shared key, by which the development issuer signs.
    #[must_use]
    pub const fn shared(&self) -> Option<&TicketKey> {
        self.shared.as_ref()
    }

    /// What a ticket says, of either kind.
    ///
    /// # Errors
    /// When nobody has signed it, or it is for another world or time.
    pub fn verify(&self, text: &str, world: &str, now_unix_s: u64) -> Result<Ticket, TicketError> {
        // Ours are one word of base64, web tokens three with dots between.
        if text.contains('.') {
            let published = self.published.read().unwrap_or_else(PoisonError::into_inner);
            return published.as_ref().ok_or(TicketError::WrongTicket)?.verify(text, world, now_unix_s);
        }
        Ticket::verify(self.shared.as_ref().ok_or(TicketError::WrongTicket)?, text, world, now_unix_s)
    }
}
