//! The receiving side of the reliable ordered stream.

use std::collections::VecDeque;

use super::frame::Fragment;
use super::{Accept, MAX_HELD_BYTES, MAX_MESSAGE_BYTES, RECEIVE_WINDOW, Violation};
use crate::secure::header::nearest;

/// Delivers what is next, holds what is not.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    next: u64,
    /// The front stands for `next`, which is never held.
    held: VecDeque<Option<Held>>,
    held_bytes: usize,
    /// The fragments so far of the message that is being put together, and how many there are.
    partial: Vec<u8>,
    parts: u8,
}

#[derive(Debug)]
struct Held {
    fragment: Option<Fragment>,
    payload: Box<[u8]>,
}

impl Ordered {
    /// Takes in a message or fragment; `deliver` gets every message that is complete and next.
    pub(super) fn take(
        &mut self,
        sequence: u16,
        fragment: Option<Fragment>,
        payload: &[u8],
        mut deliver: impl FnMut(Vec<u8>),
    ) -> Result<Accept, Violation> {
        let sequence = nearest(self.next, sequence.into(), 16);
        let Some(ahead) = sequence.checked_sub(self.next) else { return Ok(Accept::Duplicate) };
        if ahead >= RECEIVE_WINDOW {
            return Err(Violation);
        }
        let ahead = ahead as usize;
        if ahead > 0 {
            if self.held.get(ahead).is_some_and(Option::is_some) {
                return Ok(Accept::Duplicate);
            }
            if self.held_bytes + payload.len() > MAX_HELD_BYTES {
                return Ok(Accept::NoRoom);
            }
            if self.held.len() <= ahead {
                self.held.resize_with(ahead + 1, || None);
            }
            self.held[ahead] = Some(Held { fragment, payload: payload.into() });
            self.held_bytes += payload.len();
            return Ok(Accept::New);
        }
        self.append(fragment, payload, &mut deliver)?;
        self.held.pop_front();
        while let Some(front) = self.held.front_mut() {
            let Some(Held { fragment, payload }) = front.take() else { break };
            self.held_bytes -= payload.len();
            self.append(fragment, &payload, &mut deliver)?;
            self.held.pop_front();
        }
        Ok(Accept::New)
    }

    /// Bytes held out of order or in fragments.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes + self.partial.len()
    }

    fn append(
        &mut self,
        fragment: Option<Fragment>,
        payload: &[u8],
        deliver: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), Violation> {
        self.next += 1;
        let Some(Fragment { index, count }) = fragment else {
            // A message must not begin inside another one.
            if self.parts > 0 {
                return Err(Violation);
            }
            deliver(payload.to_vec());
            return Ok(());
        };
        if index != self.parts || self.partial.len() + payload.len() > MAX_MESSAGE_BYTES {
            return Err(Violation);
        }
        self.partial.extend_from_slice(payload);
        self.parts += 1;
        if self.parts == count {
            self.parts = 0;
            deliver(std::mem::take(&mut self.partial));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_in_order_whatever_the_order_in() {
        let mut ordered = Ordered::default();
        let mut out = Vec::new();
        for sequence in [2_u16, 0, 2, 1, 0, 5, 4, 3] {
            ordered.take(sequence, None, &[sequence as u8], |message| out.push(message[0])).unwrap();
        }
        assert_eq!(out, [0, 1, 2, 3, 4, 5]);
        assert_eq!(ordered.held_bytes(), 0);
    }

    #[test]
    fn sequences_go_on_after_two_bytes_are_used_up() {
        let mut ordered = Ordered::default();
        let mut count = 0_u32;
        for sequence in 0..200_000_u32 {
            // Pairs swap places.
            let sequence = (sequence ^ 1) as u16;
            ordered.take(sequence, None, &[], |_| count += 1).unwrap();
        }
        assert_eq!(count, 200_000);
    }

    #[test]
    fn fragments_make_one_message_and_nonsense_is_a_violation() {
        let part = |index, count| Some(Fragment { index, count });
        let mut ordered = Ordered::default();
        let mut out = Vec::new();
        ordered.take(1, part(1, 2), b"cd", |_| panic!("not complete")).unwrap();
        ordered.take(0, part(0, 2), b"ab", |message| out = message).unwrap();
        assert_eq!(out, b"abcd");
        ordered.take(2, part(0, 3), b"a", |_| {}).unwrap();
        assert_eq!(ordered.take(3, None, b"b", |_| {}), Err(Violation));
        assert_eq!(Ordered::default().take(0, part(1, 3), b"", |_| {}), Err(Violation));
        assert_eq!(Ordered::default().take(RECEIVE_WINDOW as u16, None, b"", |_| {}), Err(Violation));
    }

    #[test]
    fn what_is_held_is_bounded_and_the_next_message_always_fits() {
        let mut ordered = Ordered::default();
        let payload = [0; 1000];
        let mut refused = false;
        for sequence in 1..RECEIVE_WINDOW as u16 {
            refused |= ordered.take(sequence, None, &payload, |_| {}).unwrap() == Accept::NoRoom;
            assert!(ordered.held_bytes() <= MAX_HELD_BYTES);
        }
        assert!(refused);
        let mut count = 0;
        assert_eq!(ordered.take(0, None, &payload, |_| count += 1), Ok(Accept::New));
        assert_eq!(count, 1 + MAX_HELD_BYTES / 1000);
    }
}
