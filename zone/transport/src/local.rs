//! What `SecureSocket` and `ZoneConn` tell each other.
//!
//! laminar stands between them and passes payloads only, so what never touches the network (a session opened, a session is over, bytes
//! were acknowledged) travels as a payload of its own kind. The first byte says which. Both ends are in this process: a payload that
//! does not read is a bug, not an attack.

use std::time::Duration;

use crate::close::CloseReason;

/// Bytes in front of a datagram's plaintext: kind and packet number (and, downwards, whether the number is sent long).
pub(crate) const UP_PREFIX: usize = 9;
pub(crate) const DOWN_PREFIX: usize = 10;

const OPENED: u8 = 0;
const DATAGRAM: u8 = 1;
const CLOSED: u8 = 2;
const REPORT: u8 = 3;
const CLOSE: u8 = 4;

/// From the socket up to a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Up<'a> {
    /// The handshake is over. The dialing side speaks first, so that the accepting side knows it has the keys.
    Opened { dialed: bool },
    /// An authentic datagram that was not seen before.
    Datagram { number: u64, plaintext: &'a [u8] },
    /// The session is over.
    Closed,
}

/// From a connection down to the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Down<'a> {
    /// Seal and send.
    Datagram { number: u64, long: bool, plaintext: &'a [u8] },
    /// Accounts for the endpoint.
    Report(Report),
    /// The connection gives up: tell the peer and forget the session.
    Close(CloseReason),
}

/// What a connection tells about itself since its last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Queue bytes that are free again.
    pub(crate) freed: u32,
    /// Bytes held out of order or in fragments, absolute.
    pub(crate) held: u32,
    /// Time until the connection needs to be updated; `None` when the one told before still stands.
    pub(crate) wake_in: Option<Duration>,
    /// Smoothed round-trip time; 0 when unknown.
    pub(crate) rtt_us: u32,
    pub(crate) tracked: u32,
    pub(crate) lost: u32,
    pub(crate) resent: u32,
    pub(crate) duplicates: u32,
}

const REPORT_BYTES: usize = 1 + 7 * 4 + 8;
const NO_WAKE: u64 = u64::MAX;

impl<'a> Up<'a> {
    /// Writes a payload that has no plaintext.
    pub(crate) fn write_signal(&self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Opened { dialed } => {
                buffer[..2].copy_from_slice(&[OPENED, u8::from(*dialed)]);
                2
            }
            Self::Closed => {
                buffer[0] = CLOSED;
                1
            }
            Self::Datagram { .. } => unreachable!("a datagram is opened in place behind its prefix"),
        }
    }

    /// The bytes that go right before a datagram's plaintext.
    pub(crate) fn datagram_prefix(number: u64) -> [u8; UP_PREFIX] {
        let mut prefix = [DATAGRAM; UP_PREFIX];
        prefix[1..].copy_from_slice(&number.to_le_bytes());
        prefix
    }

    pub(crate) fn read(payload: &'a [u8]) -> Option<Self> {
        match *payload.first()? {
            OPENED => Some(Self::Opened { dialed: *payload.get(1)? != 0 }),
            DATAGRAM => {
                let (number, plaintext) = payload[1..].split_first_chunk()?;
                Some(Self::Datagram { number: u64::from_le_bytes(*number), plaintext })
            }
            CLOSED => Some(Self::Closed),
            _ => None,
        }
    }
}

impl<'a> Down<'a> {
    /// The bytes that go right before a datagram's plaintext.
    pub(crate) fn datagram_prefix(number: u64, long: bool) -> [u8; DOWN_PREFIX] {
        let mut prefix = [DATAGRAM; DOWN_PREFIX];
        prefix[1..9].copy_from_slice(&number.to_le_bytes());
        prefix[9] = u8::from(long);
        prefix
    }

    pub(crate) fn close(reason: CloseReason) -> [u8; 3] {
        [CLOSE, reason.code(), reason.detail()]
    }

    pub(crate) fn read(payload: &'a [u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        match *kind {
            DATAGRAM => {
                let (number, rest) = rest.split_first_chunk()?;
                let (long, plaintext) = rest.split_first()?;
                Some(Self::Datagram { number: u64::from_le_bytes(*number), long: *long != 0, plaintext })
            }
            REPORT => Report::read(rest).map(Self::Report),
            CLOSE => Some(Self::Close(CloseReason::from_wire(*rest.first()?, *rest.get(1)?))),
            _ => None,
        }
    }
}

impl Report {
    pub(crate) fn write(&self) -> [u8; REPORT_BYTES] {
        let Self { freed, held, wake_in, rtt_us, tracked, lost, resent, duplicates } = *self;
        let mut out = [REPORT; REPORT_BYTES];
        for (slot, value) in
            out[1..29].chunks_exact_mut(4).zip([freed, held, rtt_us, tracked, lost, resent, duplicates])
        {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        let wake_ns = wake_in.map_or(NO_WAKE, |wake| u64::try_from(wake.as_nanos()).unwrap_or(NO_WAKE - 1));
        out[29..].copy_from_slice(&wake_ns.to_le_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (counts, wake) = bytes.split_at_checked(28)?;
        let mut counts = counts.as_chunks::<4>().0.iter().map(|count| u32::from_le_bytes(*count));
        let mut count = || counts.next();
        Some(Self {
            freed: count()?,
            held: count()?,
            rtt_us: count()?,
            tracked: count()?,
            lost: count()?,
            resent: count()?,
            duplicates: count()?,
            wake_in: match u64::from_le_bytes(wake.try_into().ok()?) {
                NO_WAKE => None,
                nanos => Some(Duration::from_nanos(nanos)),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_read_back() {
        let mut buffer = [0; 64];
        for signal in [Up::Opened { dialed: true }, Up::Opened { dialed: false }, Up::Closed] {
            let bytes = signal.write_signal(&mut buffer);
            assert_eq!(Up::read(&buffer[..bytes]), Some(signal));
        }
        let bytes = [&Up::datagram_prefix(1 << 40)[..], b"abc"].concat();
        assert_eq!(Up::read(&bytes), Some(Up::Datagram { number: 1 << 40, plaintext: b"abc" }));
        let bytes = [&Down::datagram_prefix(77, true)[..], b"abc"].concat();
        assert_eq!(Down::read(&bytes), Some(Down::Datagram { number: 77, long: true, plaintext: b"abc" }));
        let reason = CloseReason::Application(9);
        assert_eq!(Down::read(&Down::close(reason)), Some(Down::Close(reason)));
        let report = Report {
            freed: 1,
            held: 2,
            wake_in: Some(Duration::from_millis(3)),
            rtt_us: 4,
            tracked: 5,
            lost: 6,
            resent: 7,
            duplicates: 8,
        };
        assert_eq!(Down::read(&report.write()), Some(Down::Report(report)));
        let report = Report { wake_in: None, ..report };
        assert_eq!(Down::read(&report.write()), Some(Down::Report(report)));
    }
}
