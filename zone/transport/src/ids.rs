//! Session identity.
//!
//! A session is known by a 32-bit number that its receiver picked, never by an address: addresses change when a player's
//! network does. laminar knows its connections by `SocketAddr` only, so inside it a session appears as an address out of the
//! discard prefix 100::/64 (RFC 6666), which no datagram can come from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The local number of a session: picked at random by this endpoint, carried in every datagram sent to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u32);

/// Laminar wants a port as well; one that is not zero keeps `SocketAddr` printable as a usual endpoint.
const SYNTHETIC_PORT: u16 = 1;

impl SessionId {
    pub(crate) const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The number itself, for logs.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The address under which laminar knows the session.
    pub(crate) fn to_address(self) -> SocketAddr {
        let [high, low] = [(self.0 >> 16) as u16, self.0 as u16];
        SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, high, low)), SYNTHETIC_PORT)
    }

    /// The session that a synthetic address stands for; `None` for any real address.
    pub(crate) fn from_address(address: &SocketAddr) -> Option<Self> {
        let IpAddr::V6(ip) = address.ip() else { return None };
        match ip.segments() {
            [0x100, 0, 0, 0, 0, 0, high, low] => Some(Self(u32::from(high) << 16 | u32::from(low))),
            _ => None,
        }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:08x})", self.0)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_addresses_name_exactly_one_session() {
        for raw in [0, 1, 0xffff, 0x1_0000, 0xdead_beef, u32::MAX] {
            let id = SessionId::new(raw);
            assert_eq!(SessionId::from_address(&id.to_address()), Some(id));
        }
        assert_eq!(SessionId::from_address(&"127.0.0.1:1".parse().unwrap()), None);
        assert_eq!(SessionId::from_address(&"[::1]:1".parse().unwrap()), None);
    }
}
