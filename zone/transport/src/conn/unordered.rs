//! The receiving side of the reliable unordered stream.

use std::collections::VecDeque;

use super::frame::Fragment;
use super::{Accept, MAX_HELD_BYTES, MAX_MESSAGE_BYTES, RECEIVE_WINDOW, Violation};
use crate::secure::header::nearest;

/// Delivers what is complete, holds fragments, and remembers what came.
#[derive(Debug, Default)]
pub(super) struct Unordered {
    /// Everything below was delivered.
    base: u64,
    slots: VecDeque<Slot>,
    held_bytes: usize,
}

#[derive(Debug)]
enum Slot {
    Missing,
    Held(Fragment, Box<[u8]>),
    Delivered,
}

impl Unordered {
    /// Takes in a message or fragment; `deliver` gets the message that it completes.
    pub(super) fn take(
        &mut self,
        sequence: u16,
        fragment: Option<Fragment>,
        payload: &[u8],
        mut deliver: impl FnMut(Vec<u8>),
    ) -> Result<Accept, Violation> {
        let sequence = nearest(self.base, sequence.into(), 16);
        let Some(place) = sequence.checked_sub(self.base) else { return Ok(Accept::Duplicate) };
        if place >= RECEIVE_WINDOW {
            return Err(Violation);
        }
        let place = place as usize;
        match self.slots.get(place) {
            None | Some(Slot::Missing) => {}
            Some(_) => return Ok(Accept::Duplicate),
        }
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, || Slot::Missing);
        }
        match fragment {
            None => {
                self.slots[place] = Slot::Delivered;
                deliver(payload.to_vec());
            }
            Some(fragment) => {
                // The first one missing is taken beyond the bound: without it nothing that is held could ever become complete.
                if self.held_bytes + payload.len() > MAX_HELD_BYTES && !self.is_first_missing(place) {
                    return Ok(Accept::NoRoom);
                }
                self.slots[place] = Slot::Held(fragment, payload.into());
                self.held_bytes += payload.len();
                if let Some(message) = self.assemble(place, fragment)? {
                    deliver(message);
                }
            }
        }
        while let Some(Slot::Delivered) = self.slots.front() {
            self.slots.pop_front();
            self.base += 1;
        }
        Ok(Accept::New)
    }

    /// Bytes held in fragments.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn is_first_missing(&self, place: usize) -> bool {
        !self.slots.iter().take(place).any(|slot| matches!(slot, Slot::Missing))
    }

    /// The whole message around the fragment at `place`, when no part of it is missing.
    fn assemble(&mut self, place: usize, Fragment { index, count }: Fragment) -> Result<Option<Vec<u8>>, Violation> {
        let start = place.checked_sub(index.into()).ok_or(Violation)?;
        let mut bytes = 0;
        for expected in 0..count {
            match self.slots.get(start + usize::from(expected)) {
                None | Some(Slot::Missing) => return Ok(None),
                Some(Slot::Held(found, part)) if *found == (Fragment { index: expected, count }) => bytes += part.len(),
                Some(_) => return Err(Violation),
            }
        }
        if bytes > MAX_MESSAGE_BYTES {
            return Err(Violation);
        }
        let mut message = Vec::with_capacity(bytes);
        for slot in self.slots.range_mut(start..start + usize::from(count)) {
            if let Slot::Held(_, part) = std::mem::replace(slot, Slot::Delivered) {
                message.extend_from_slice(&part);
            }
        }
        self.held_bytes -= bytes;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(index: u8, count: u8) -> Option<Fragment> {
        Some(Fragment { index, count })
    }

    #[test]
    fn messages_come_out_once_as_they_come_in() {
        let mut unordered = Unordered::default();
        let mut out = Vec::new();
        for sequence in [2_u16, 0, 2, 1, 0, 5, 4, 3, 5] {
            unordered.take(sequence, None, &[sequence as u8], |message| out.push(message[0])).unwrap();
        }
        assert_eq!(out, [2, 0, 1, 5, 4, 3]);
        assert_eq!((unordered.base, unordered.slots.len()), (6, 0));
    }

    #[test]
    fn sequences_go_on_after_two_bytes_are_used_up() {
        let mut unordered = Unordered::default();
        let mut count = 0_u32;
        for sequence in 0..200_000_u32 {
            unordered.take((sequence ^ 1) as u16, None, &[], |_| count += 1).unwrap();
        }
        assert_eq!(count, 200_000);
    }

    #[test]
    fn fragments_of_several_messages_may_mix() {
        let mut unordered = Unordered::default();
        let mut out = Vec::new();
        for (sequence, fragment, payload) in [
            (4, part(1, 2), "d"),
            (2, part(2, 3), "c"),
            (0, part(0, 3), "a"),
            (3, part(0, 2), "D"),
            (1, part(1, 3), "b"),
        ] {
            unordered.take(sequence, fragment, payload.as_bytes(), |message| out.push(message)).unwrap();
        }
        assert_eq!(out, [b"Dd".to_vec(), b"abc".to_vec()]);
        assert_eq!((unordered.held_bytes(), unordered.base), (0, 5));
    }

    #[test]
    fn contradicting_fragments_are_a_violation() {
        let mut unordered = Unordered::default();
        assert_eq!(unordered.take(0, part(1, 3), b"", |_| {}), Err(Violation));
        let mut unordered = Unordered::default();
        unordered.take(0, part(0, 2), b"", |_| {}).unwrap();
        assert_eq!(unordered.take(1, part(1, 3), b"", |_| {}), Err(Violation));
        assert_eq!(Unordered::default().take(RECEIVE_WINDOW as u16, None, b"", |_| {}), Err(Violation));
    }

    #[test]
    fn what_is_held_is_bounded_and_progress_stays_possible() {
        let mut unordered = Unordered::default();
        let payload = [0; 1000];
        // Only ends of messages come, so nothing becomes complete.
        for sequence in (1..RECEIVE_WINDOW as u16).step_by(2) {
            unordered.take(sequence, part(1, 2), &payload, |_| {}).unwrap();
            assert!(unordered.held_bytes() <= MAX_HELD_BYTES);
        }
        let mut count = 0;
        for _ in 0..2 {
            for sequence in 0..RECEIVE_WINDOW as u16 {
                let place = nearest(unordered.base, sequence.into(), 16).wrapping_sub(unordered.base);
                if place < RECEIVE_WINDOW {
                    unordered.take(sequence, part((sequence % 2) as u8, 2), &payload, |_| count += 1).unwrap();
                }
            }
        }
        assert_eq!(count, RECEIVE_WINDOW / 2);
    }
}
