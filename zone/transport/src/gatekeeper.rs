//! Who may open a session: the application's decision, taken on bytes that the transport does not understand.

use std::fmt;

/// Opens the sealed token that travels in a handshake. Called at most once for each handshake, after the caller's address
/// was proven, on the thread that polls the endpoint: it has to answer at once.
pub trait Gatekeeper {
    /// Judges a token. `unix_now` is in seconds.
    ///
    /// # Errors
    /// The refusal's code reaches the dialing side as [`crate::CloseReason::Refused`].
    fn admit(&mut self, sealed_token: &[u8], unix_now: u64) -> Result<Admitted, Refusal>;
}

/// What a good token gives.
#[derive(Clone)]
pub struct Admitted {
    /// The key that the token's holder must know as well.
    pub psk: [u8; 32],
    /// What the application wants to know about the session when it is open: comes back in [`crate::Event::Connected`].
    pub admission: Vec<u8>,
}

/// A token was not good; the code is the application's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub u8);

/// The gatekeeper of an endpoint that only dials: nobody gets in.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefuseAll;

impl Gatekeeper for RefuseAll {
    fn admit(&mut self, _sealed_token: &[u8], _unix_now: u64) -> Result<Admitted, Refusal> {
        Err(Refusal(0))
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("admission_bytes", &self.admission.len()).finish_non_exhaustive()
    }
}
