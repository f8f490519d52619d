//! Frames: what the sealed part of a datagram is made of.
//!
//! A frame begins with one byte: kind in the high half, detail in the low half. A message frame without [`HAS_LENGTH`] reaches to the end of
//! the datagram, so that a datagram with one small message carries one byte of framing.
//!
//! | kind | after the first byte |
//! | --- | --- |
//! | 1 ping | nothing; asks for an acknowledgement |
//! | 2 ack | highest number received (3, little endian), how long ago it came (1, in quarters of a millisecond, 255 is more), then as many bytes of bits as the detail says; bit *i* stands for highest − 1 − *i* |
//! | 3 unreliable | \[length\], message |
//! | 4 sequenced | \[length\], message; the packet's number is its sequence |
//! | 5 ordered, 6 unordered | sequence (2), \[fragment index (1), count (1)\], \[length\], message or fragment |
//!
//! A length is one byte up to 127, else two with the top bit of the first set.

/// Frames in one datagram, at most. With the replay window it bounds how far behind a late message's sequence can be: it stays within half
/// the span of two bytes, so that a short sequence always reads back as the right one.
pub(super) const MAX_FRAMES: usize = 31;
const _: () = assert!(MAX_FRAMES as u64 * crate::secure::REPLAY_WINDOW < 1 << 15);

/// Most bytes of bits in an acknowledgement: as many as the detail can say.
pub(super) const MAX_ACK_BITS: usize = 15;
/// Bytes of the longest acknowledgement.
pub(super) const MAX_ACK_BYTES: usize = 5 + MAX_ACK_BITS;

const PING: u8 = 1;
const ACK: u8 = 2;
const UNRELIABLE: u8 = 3;
const SEQUENCED: u8 = 4;
const ORDERED: u8 = 5;
const UNORDERED: u8 = 6;

const HAS_LENGTH: u8 = 1;
const IS_FRAGMENT: u8 = 2;

/// Which of the two reliable streams a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Ordered,
    Unordered,
}

/// One part of a message too long for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) index: u8,
    pub(super) count: u8,
}

/// A frame as read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Ping,
    Ack { highest: u32, held: u8, bits: &'a [u8] },
    Unreliable(&'a [u8]),
    Sequenced(&'a [u8]),
    Reliable { stream: Stream, sequence: u16, fragment: Option<Fragment>, payload: &'a [u8] },
}

/// The datagram is not made of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads the frames of a datagram one after the other.
pub(super) struct Frames<'a> {
    rest: &'a [u8],
    count: usize,
}

impl<'a> Frames<'a> {
    pub(super) const fn new(plaintext: &'a [u8]) -> Self {
        Self { rest: plaintext, count: 0 }
    }

    fn read(&mut self) -> Option<Frame<'a>> {
        let first = self.byte()?;
        let detail = first & 0x0f;
        match first >> 4 {
            PING if detail == 0 => Some(Frame::Ping),
            ACK => {
                let highest = self.take(3)?;
                let highest = u32::from_le_bytes([highest[0], highest[1], highest[2], 0]);
                let held = self.byte()?;
                let bits = self.take(detail.into())?;
                Some(Frame::Ack { highest, held, bits })
            }
            UNRELIABLE if detail & !HAS_LENGTH == 0 => self.payload(detail).map(Frame::Unreliable),
            SEQUENCED if detail & !HAS_LENGTH == 0 => self.payload(detail).map(Frame::Sequenced),
            kind @ (ORDERED | UNORDERED) if detail & !(HAS_LENGTH | IS_FRAGMENT) == 0 => {
                let stream = if kind == ORDERED { Stream::Ordered } else { Stream::Unordered };
                let sequence = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
                let fragment = if detail & IS_FRAGMENT != 0 {
                    let (index, count) = (self.byte()?, self.byte()?);
                    if !(2..=super::MAX_FRAGMENTS).contains(&count) || index >= count {
                        return None;
                    }
                    Some(Fragment { index, count })
                } else {
                    None
                };
                let payload = self.payload(detail)?;
                Some(Frame::Reliable { stream, sequence, fragment, payload })
            }
            _ => None,
        }
    }

    fn payload(&mut self, detail: u8) -> Option<&'a [u8]> {
        if detail & HAS_LENGTH == 0 {
            return Some(std::mem::take(&mut self.rest));
        }
        let first = usize::from(self.byte()?);
        let length = if first & 0x80 == 0 { first } else { (first & 0x7f) << 8 | usize::from(self.byte()?) };
        self.take(length)
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        self.count += 1;
        let frame = if self.count > MAX_FRAMES { None } else { self.read() };
        if frame.is_none() {
            self.rest = &[];
        }
        Some(frame.ok_or(Malformed))
    }
}

impl Frame<'_> {
    /// Bytes that the frame takes at most, its length included.
    pub(super) fn cost(&self) -> usize {
        let (head, payload) = match self {
            Self::Ping => return 1,
            Self::Ack { bits, .. } => return 5 + bits.len(),
            Self::Unreliable(payload) | Self::Sequenced(payload) => (1, payload.len()),
            Self::Reliable { fragment, payload, .. } => (3 + if fragment.is_some() { 2 } else { 0 }, payload.len()),
        };
        head + if payload < 0x80 { 1 } else { 2 } + payload
    }

    /// Appends the frame to `out`; the last one of a datagram may leave out its length.
    pub(super) fn write(&self, out: &mut Vec<u8>, last: bool) {
        let length = if last { 0 } else { HAS_LENGTH };
        let payload = match *self {
            Self::Ping => return out.push(PING << 4),
            Self::Ack { highest, held, bits } => {
                out.push(ACK << 4 | bits.len() as u8);
                out.extend_from_slice(&highest.to_le_bytes()[..3]);
                out.push(held);
                return out.extend_from_slice(bits);
            }
            Self::Unreliable(payload) => {
                out.push(UNRELIABLE << 4 | length);
                payload
            }
            Self::Sequenced(payload) => {
                out.push(SEQUENCED << 4 | length);
                payload
            }
            Self::Reliable { stream, sequence, fragment, payload } => {
                let kind = match stream {
                    Stream::Ordered => ORDERED,
                    Stream::Unordered => UNORDERED,
                };
                out.push(kind << 4 | length | if fragment.is_some() { IS_FRAGMENT } else { 0 });
                out.extend_from_slice(&sequence.to_le_bytes());
                if let Some(Fragment { index, count }) = fragment {
                    out.extend_from_slice(&[index, count]);
                }
                payload
            }
        };
        if !last {
            match payload.len() {
                short @ ..0x80 => out.push(short as u8),
                long => out.extend_from_slice(&[0x80 | (long >> 8) as u8, long as u8]),
            }
        }
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame() -> impl Strategy<Value = (u8, u32, Option<Fragment>, Vec<u8>)> {
        let fragment = (2..=super::super::MAX_FRAGMENTS).prop_flat_map(|count| (0..count, Just(count)));
        let fragment = fragment.prop_map(|(index, count)| Fragment { index, count });
        (1_u8..=6, 0_u32..1 << 24, prop::option::of(fragment), prop::collection::vec(any::<u8>(), 0..300))
    }

    fn build((kind, number, fragment, payload): &(u8, u32, Option<Fragment>, Vec<u8>)) -> Frame<'_> {
        match kind {
            1 => Frame::Ping,
            2 => {
                Frame::Ack { highest: *number, held: *number as u8, bits: &payload[..payload.len().min(MAX_ACK_BITS)] }
            }
            3 => Frame::Unreliable(payload),
            4 => Frame::Sequenced(payload),
            5 => Frame::Reliable { stream: Stream::Ordered, sequence: *number as u16, fragment: *fragment, payload },
            _ => Frame::Reliable { stream: Stream::Unordered, sequence: *number as u16, fragment: *fragment, payload },
        }
    }

    proptest! {
        #[test]
        fn frames_read_back_within_their_cost(parts in prop::collection::vec(frame(), 1..=MAX_FRAMES)) {
            let frames: Vec<_> = parts.iter().map(build).collect();
            let mut out = Vec::new();
            for (index, frame) in frames.iter().enumerate() {
                let before = out.len();
                frame.write(&mut out, index + 1 == frames.len());
                prop_assert!(out.len() - before <= frame.cost());
            }
            let read: Result<Vec<_>, _> = Frames::new(&out).collect();
            prop_assert_eq!(read, Ok(frames));
        }

        #[test]
        fn any_bytes_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
            let frames: Vec<_> = Frames::new(&bytes).collect();
            prop_assert!(frames.len() <= MAX_FRAMES + 1);
        }
    }

    #[test]
    fn one_small_message_costs_one_byte() {
        let mut out = Vec::new();
        Frame::Unreliable(b"seven b").write(&mut out, true);
        assert_eq!(out.len(), 8);
    }
}
