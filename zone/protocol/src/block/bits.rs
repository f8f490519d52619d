//! Bits in order: the first bit is the lowest bit of the first byte, and numbers have their lowest bit first.

/// Reads bits; knows where it is and never reads beyond the end.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits that are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// The next `count` bits (at most 32) as a number; `None` when fewer are left, which are then kept.
    pub(super) fn take(&mut self, count: u32) -> Option<u64> {
        if (count as usize) > self.left() {
            return None;
        }
        let (first, shift) = (self.at / 8, self.at % 8);
        let mut word = [0; 8];
        let tail = &self.bytes[first..];
        let used = tail.len().min(8);
        word[..used].copy_from_slice(&tail[..used]);
        self.at += count as usize;
        Some(u64::from_le_bytes(word) >> shift & ((1 << count) - 1))
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit != 0)
    }

    /// The next `count` bits as a number in two's complement.
    pub(super) fn signed(&mut self, count: u32) -> Option<i32> {
        let unused = 64 - count;
        self.take(count).map(|bits| ((bits << unused) as i64 >> unused) as i32)
    }
}

/// Up to 128 bits that are written together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    value: u128,
    count: u32,
}

impl Bits {
    pub(super) const EMPTY: Self = Self { value: 0, count: 0 };

    /// How many.
    pub(super) const fn count(self) -> u32 {
        self.count
    }

    /// Adds the low `count` bits of `value`.
    pub(super) const fn push(&mut self, value: u64, count: u32) {
        let kept = value as u128 & ((1 << count) - 1);
        self.value |= kept << self.count;
        self.count += count;
    }

    /// Adds a number in two's complement of `count` bits.
    pub(super) const fn push_signed(&mut self, value: i32, count: u32) {
        self.push(value as u64, count);
    }
}

/// Bytes that are filled bit by bit, up to a limit.
#[derive(Clone, Debug, Default)]
pub(super) struct BitBuffer {
    bytes: Vec<u8>,
    count: usize,
}

impl BitBuffer {
    /// Goes on with the memory of `bytes`, empty.
    pub(super) fn reuse(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes, count: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn push(&mut self, bits: Bits) {
        let Bits { mut value, count } = bits;
        let mut left = count;
        let used = (self.count % 8) as u32;
        if used > 0 && left > 0 {
            let free = 8 - used;
            if let Some(last) = self.bytes.last_mut() {
                *last |= (value << used) as u8;
            }
            value >>= free;
            left = left.saturating_sub(free);
        }
        let whole = left.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&value.to_le_bytes()[..whole]);
        self.count += count as usize;
    }

    /// Forgets everything after the first `count` bits.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(count.div_ceil(8));
        if !count.is_multiple_of(8)
            && let Some(last) = self.bytes.last_mut()
        {
            *last &= (1 << (count % 8)) - 1;
        }
        self.count = count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_come_back_in_order(numbers in prop::collection::vec((any::<u32>(), 1_u32..=32), 0..200), cut in 0_usize..200) {
            let mut buffer = BitBuffer::default();
            let mut ends = Vec::new();
            for (number, count) in &numbers {
                let mut bits = Bits::EMPTY;
                bits.push(u64::from(*number), *count);
                buffer.push(bits);
                ends.push(buffer.count());
            }
            prop_assert_eq!(buffer.as_bytes().len(), buffer.count().div_ceil(8));
            let cut = cut.min(numbers.len());
            buffer.truncate(if cut == 0 { 0 } else { ends[cut - 1] });
            let mut again = Bits::EMPTY;
            again.push(0b101, 3);
            buffer.push(again);
            let mut reader = BitReader::new(buffer.as_bytes());
            for (number, count) in &numbers[..cut] {
                prop_assert_eq!(reader.take(*count), Some(u64::from(*number) & ((1 << count) - 1)));
            }
            prop_assert_eq!(reader.take(3), Some(0b101));
            prop_assert!(reader.left() < 8);
            prop_assert_eq!(reader.take(8), None);
        }
    }
}
