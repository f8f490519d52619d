//! The first bytes of every datagram.
//!
//! A session datagram is `flags, session (4), number (2 or 4; 8 for control)`, then sealed bytes and a 16-byte tag. Everything
//! before the sealed bytes is authenticated. Handshake datagrams have the top bit of their first byte clear.

/// Largest datagram that this protocol sends, in bytes of UDP payload: fits every path that carries IPv6.
pub(crate) const MAX_DATAGRAM: usize = 1200;
/// Bytes of a seal.
pub(crate) const TAG_BYTES: usize = 16;
/// Bytes before the sealed part with a number of two bytes, of four, and in a control datagram.
pub(crate) const SHORT_HEADER: usize = 7;
pub(crate) const LONG_HEADER: usize = 9;
pub(crate) const CONTROL_HEADER: usize = 13;
/// Most bytes that one datagram carries under the seal, whatever its header.
pub(crate) const MAX_PLAINTEXT: usize = MAX_DATAGRAM - LONG_HEADER - TAG_BYTES;

const SESSION: u8 = 0x80;
const PHASE: u8 = 0x40;
const LONG: u8 = 0x20;
const CONTROL: u8 = 0x10;
const UNUSED: u8 = 0x0f;

/// A header as read; the number is still short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) session: u32,
    pub(crate) phase: bool,
    pub(crate) number: WireNumber,
    /// Bytes that it took.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireNumber {
    Short(u16),
    Long(u32),
    Control(u64),
}

/// Whether the first byte says that this datagram belongs to a session.
pub(crate) const fn is_session(first: u8) -> bool {
    first & SESSION != 0
}

impl Header {
    /// Reads a header; `None` when the datagram is too short to hold one and a seal, or uses flags that do not exist.
    pub(crate) fn read(datagram: &[u8]) -> Option<Self> {
        let flags = *datagram.first()?;
        if flags & UNUSED != 0 || flags & SESSION == 0 {
            return None;
        }
        let (bytes, rest) = match (flags & CONTROL != 0, flags & LONG != 0) {
            (true, false) if flags & PHASE == 0 => (CONTROL_HEADER, datagram),
            (true, _) => return None,
            (false, true) => (LONG_HEADER, datagram),
            (false, false) => (SHORT_HEADER, datagram),
        };
        if rest.len() < bytes + TAG_BYTES {
            return None;
        }
        let session = u32::from_le_bytes(rest[1..5].try_into().ok()?);
        let number = match bytes {
            CONTROL_HEADER => WireNumber::Control(u64::from_le_bytes(rest[5..13].try_into().ok()?)),
            LONG_HEADER => WireNumber::Long(u32::from_le_bytes(rest[5..9].try_into().ok()?)),
            _ => WireNumber::Short(u16::from_le_bytes(rest[5..7].try_into().ok()?)),
        };
        Some(Self { session, phase: flags & PHASE != 0, number, bytes })
    }

    /// Writes the header of a packet and answers how many bytes it took.
    pub(crate) fn write_packet(out: &mut [u8], session: u32, phase: bool, number: u64, long: bool) -> usize {
        out[0] = SESSION | if phase { PHASE } else { 0 } | if long { LONG } else { 0 };
        out[1..5].copy_from_slice(&session.to_le_bytes());
        if long {
            out[5..9].copy_from_slice(&(number as u32).to_le_bytes());
            LONG_HEADER
        } else {
            out[5..7].copy_from_slice(&(number as u16).to_le_bytes());
            SHORT_HEADER
        }
    }

    /// Writes the header of a control datagram.
    pub(crate) fn write_control(out: &mut [u8], session: u32, number: u64) -> usize {
        out[0] = SESSION | CONTROL;
        out[1..5].copy_from_slice(&session.to_le_bytes());
        out[5..13].copy_from_slice(&number.to_le_bytes());
        CONTROL_HEADER
    }
}

/// The full number that is nearest to `expected` and ends in the low `bits` given.
pub(crate) fn nearest(expected: u64, low: u64, bits: u32) -> u64 {
    let span = 1_u64 << bits;
    let candidate = (expected & !(span - 1)) | low;
    if candidate + span / 2 <= expected {
        candidate.saturating_add(span)
    } else if candidate > expected.saturating_add(span / 2) && candidate >= span {
        candidate - span
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_short_number_reads_back_within_half_its_span(expected in 0_u64..1 << 62, distance in -32_000_i64..32_000) {
            let number = expected.saturating_add_signed(distance);
            prop_assert_eq!(nearest(expected, number & 0xffff, 16), number);
            prop_assert_eq!(nearest(expected, number & 0xffff_ffff, 32), number);
        }

        #[test]
        fn any_bytes_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(header) = Header::read(&bytes) {
                prop_assert!(header.bytes + TAG_BYTES <= bytes.len());
            }
        }
    }

    #[test]
    fn headers_read_back() {
        let mut bytes = [0; 64];
        assert_eq!(Header::write_packet(&mut bytes, 0xdead_beef, true, 0x1_2345, false), SHORT_HEADER);
        let expected = Header { session: 0xdead_beef, phase: true, number: WireNumber::Short(0x2345), bytes: 7 };
        assert_eq!(Header::read(&bytes), Some(expected));
        Header::write_packet(&mut bytes, 1, false, 0x9_1234_5678, true);
        assert_eq!(Header::read(&bytes).unwrap().number, WireNumber::Long(0x1234_5678));
        Header::write_control(&mut bytes, 1, u64::MAX);
        assert_eq!(Header::read(&bytes).unwrap().number, WireNumber::Control(u64::MAX));
        assert_eq!(Header::read(&bytes[..28]), None);
    }
}
