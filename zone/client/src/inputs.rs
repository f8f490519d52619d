//! The inputs that a client has made and the world has not yet acknowledged.
//!
//! What flows in are controls, 60 times a second, and the number of the newest applied input from authoritative snapshots;
//! what flows out are runs of equal controls, newest first, that every datagram repeats. So a lost datagram loses no input
//! (I4), and both zones of a handoff hold the same inputs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use darkages_topology::InputSeq;

/// Inputs that a client holds, at most: two seconds. A zone queues 128, so that the ring always fits in one zone's queue.
pub const MAX_UNACKED_INPUTS: usize = 120;

/// How far the world may have gone back for a client to keep its numbers: five seconds. A zone completes numbers that are up to
/// 1,024 ahead of what it has applied, and two seconds of them may be held.
const MAX_GAP: u32 = 300;

/// Inputs whose time of creation is remembered: what eight bits can name.
const REMEMBERED: usize = 256;

/// What an acknowledgement meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acked {
    /// So many more inputs were applied; 0 for a repetition.
    Forward(u32),
    /// So many inputs that were applied are so no more: the world went back.
    Back(u32),
    /// An input is said to be applied that was never made.
    NeverMade,
}

/// The ring of inputs of one player.
#[derive(Clone, Debug)]
pub struct InputRing<V> {
    unacked: VecDeque<V>,
    newest: InputSeq,
    acked: InputSeq,
    made: Box<[Option<Instant>; REMEMBERED]>,
}

impl<V: Copy + PartialEq> Default for InputRing<V> {
    fn default() -> Self {
        Self {
            unacked: VecDeque::with_capacity(MAX_UNACKED_INPUTS),
            newest: InputSeq(0),
            acked: InputSeq(0),
            made: Box::new([None; REMEMBERED]),
        }
    }
}

impl<V: Copy + PartialEq> InputRing<V> {
    /// Adds the controls of this 60th of a second. `None` when the ring is full: the world has not answered for two
    /// seconds, and an input that cannot be kept must not be promised.
    pub fn push(&mut self, value: V, now: Instant) -> Option<InputSeq> {
        if self.unacked.len() >= MAX_UNACKED_INPUTS {
            return None;
        }
        self.newest = self.newest.next();
        self.unacked.push_back(value);
        self.made[self.newest.0 as usize % REMEMBERED] = Some(now);
        Some(self.newest)
    }

    /// Takes the number of the newest input that the owner has applied, and tells the ages of the inputs that it was news
    /// for.
    pub fn ack(&mut self, applied: InputSeq, now: Instant, mut age: impl FnMut(Duration)) -> Acked {
        let ahead = applied.0.wrapping_sub(self.acked.0) as i32;
        if ahead < 0 {
            return Acked::Back(ahead.unsigned_abs());
        }
        let held = self.unacked.len() as u32;
        // After the world went back, what is held does not begin where the acknowledged ones end.
        let behind = self.newest.0.wrapping_sub(applied.0);
        if behind as i32 <= -1 {
            return Acked::NeverMade;
        }
        let ahead = ahead as u32;
        for offset in 1..=ahead {
            if let Some(made) = self.made_at(InputSeq(self.acked.0.wrapping_add(offset))) {
                age(now.saturating_duration_since(made));
            }
        }
        self.unacked.drain(..held.saturating_sub(behind) as usize);
        self.acked = applied;
        Acked::Forward(ahead)
    }

    /// Continues after `applied`, as a zone says in its welcome. What is held keeps its numbers, also when the world restarted
    /// from an older state: the zone leaves out what is held no more, and a zone that knew a newer state may still hand it
    /// on. It is numbered anew only when this client is another process than the one that played before, or when the world
    /// is far from what this client knows, as after a restore.
    pub fn resume(&mut self, applied: InputSeq, now: Instant) -> Acked {
        let first = self.newest == InputSeq(0);
        let ahead = applied.0.wrapping_sub(self.acked.0) as i32;
        if !first && ahead >= 0 && self.newest.0.wrapping_sub(applied.0) as i32 >= 0 {
            return self.ack(applied, now, |_| {});
        }
        if !first && ahead < 0 && ahead.unsigned_abs() <= MAX_GAP {
            self.acked = applied;
            return Acked::Back(ahead.unsigned_abs());
        }
        self.acked = applied;
        self.newest = InputSeq(applied.0.wrapping_add(self.unacked.len() as u32));
        // Old times would be mistaken for those of the new numbers.
        self.made.fill(None);
        if first {
            Acked::Forward(0)
        } else if ahead < 0 {
            Acked::Back(ahead.unsigned_abs())
        } else {
            Acked::NeverMade
        }
    }

    /// Number of the newest input that was made.
    #[must_use]
    pub const fn newest(&self) -> InputSeq {
        self.newest
    }

    /// Number of the newest input that the owner has applied.
    #[must_use]
    pub const fn acked(&self) -> InputSeq {
        self.acked
    }

    /// How many are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.unacked.len()
    }

    /// Whether everything that was made is applied.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unacked.is_empty()
    }

    /// Runs of equal controls that are not yet acknowledged, newest first.
    pub fn runs(&self) -> Runs<'_, V> {
        Runs { rest: self.unacked.iter().rev(), next: None, started: false }
    }

    /// When the input with this number was made, if it is one of the last 256.
    #[must_use]
    pub fn made_at(&self, seq: InputSeq) -> Option<Instant> {
        let age = self.newest.0.wrapping_sub(seq.0);
        (age < REMEMBERED as u32).then(|| self.made[seq.0 as usize % REMEMBERED]).flatten()
    }

    /// The number whose low eight bits are `low`, among the last 256.
    #[must_use]
    pub const fn with_low_bits(&self, low: u8) -> InputSeq {
        let back = (self.newest.0 as u8).wrapping_sub(low);
        InputSeq(self.newest.0.wrapping_sub(back as u32))
    }
}

/// Iterator over `(controls, how many in a row)`, newest first.
pub struct Runs<'a, V> {
    rest: std::iter::Rev<std::collections::vec_deque::Iter<'a, V>>,
    next: Option<V>,
    started: bool,
}

impl<V: Copy + PartialEq> Iterator for Runs<'_, V> {
    type Item = (V, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if !self.started {
            self.started = true;
            self.next = self.rest.next().copied();
        }
        let value = self.next.take()?;
        let mut count = 1;
        for other in self.rest.by_ref() {
            if *other == value {
                count += 1;
            } else {
                self.next = Some(*other);
                break;
            }
        }
        Some((value, count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_ring_takes_no_more_until_something_is_acknowledged() {
        let now = Instant::now();
        let mut ring = InputRing::default();
        for number in 1..=MAX_UNACKED_INPUTS as u32 {
            assert_eq!(ring.push(0_u8, now), Some(InputSeq(number)));
        }
        assert_eq!(ring.push(0, now), None);
        assert_eq!(ring.ack(InputSeq(2), now, |_| {}), Acked::Forward(2));
        assert_eq!(ring.push(0, now), Some(InputSeq(MAX_UNACKED_INPUTS as u32 + 1)));
    }

    #[test]
    fn acknowledgements_that_go_back_or_ahead_are_told() {
        let now = Instant::now();
        let mut ring = InputRing::default();
        for _ in 0..10 {
            ring.push(0_u8, now);
        }
        let mut ages = 0;
        assert_eq!(ring.ack(InputSeq(6), now, |_| ages += 1), Acked::Forward(6));
        assert_eq!(ages, 6);
        assert_eq!(ring.ack(InputSeq(6), now, |_| {}), Acked::Forward(0));
        assert_eq!(ring.ack(InputSeq(4), now, |_| {}), Acked::Back(2));
        assert_eq!(ring.ack(InputSeq(11), now, |_| {}), Acked::NeverMade);
        assert_eq!((ring.acked(), ring.len()), (InputSeq(6), 4));
    }

    #[test]
    fn a_player_resumes_where_its_zone_says() {
        let now = Instant::now();
        let mut ring = InputRing::default();
        // Another process has played before.
        assert_eq!(ring.resume(InputSeq(500), now), Acked::Forward(0));
        assert_eq!(ring.push(1_u8, now), Some(InputSeq(501)));
        ring.push(2, now);
        // A rejoin: one of the two was applied meanwhile.
        assert_eq!(ring.resume(InputSeq(501), now), Acked::Forward(1));
        assert_eq!(ring.runs().collect::<Vec<_>>(), vec![(2, 1)]);
        // A crash took the world back; what is held keeps its number.
        assert_eq!(ring.resume(InputSeq(450), now), Acked::Back(51));
        assert_eq!((ring.newest(), ring.len()), (InputSeq(502), 1));
        // Another zone still had what was acknowledged before.
        assert_eq!(ring.ack(InputSeq(501), now, |_| {}), Acked::Forward(51));
        assert_eq!((ring.newest(), ring.len()), (InputSeq(502), 1));
        assert_eq!(ring.ack(InputSeq(502), now, |_| {}), Acked::Forward(1));
        assert_eq!(ring.push(3, now), Some(InputSeq(503)));
        // An old backup was restored.
        assert_eq!(ring.resume(InputSeq(7), now), Acked::Back(495));
        assert_eq!((ring.newest(), ring.len()), (InputSeq(8), 1));
    }

    #[test]
    fn eight_bits_name_one_of_the_last_256_inputs() {
        let start = Instant::now();
        let mut ring = InputRing::default();
        ring.resume(InputSeq(u32::MAX - 100), start);
        for number in 0..300_u64 {
            let at = start + Duration::from_millis(number);
            let seq = ring.push(0_u8, at).expect("there is room");
            assert_eq!(ring.with_low_bits(seq.0 as u8), seq);
            assert_eq!(ring.made_at(seq), Some(at));
            ring.ack(seq, at, |_| {});
        }
        let old = InputSeq(ring.newest().0.wrapping_sub(256));
        assert_eq!(ring.made_at(old), None);
    }

    proptest! {
        #[test]
        fn runs_are_the_unacknowledged_inputs_in_reverse(
            values in prop::collection::vec(0_u8..3, 0..MAX_UNACKED_INPUTS),
            applied in 0_u32..200,
        ) {
            let now = Instant::now();
            let mut ring = InputRing::default();
            for value in &values {
                ring.push(*value, now);
            }
            ring.ack(InputSeq(applied), now, |_| {});
            let skipped = if applied as usize <= values.len() { applied as usize } else { 0 };
            let mut told: Vec<u8> =
                ring.runs().flat_map(|(value, count)| std::iter::repeat_n(value, count as usize)).collect();
            told.reverse();
            prop_assert_eq!(told, values[skipped..].to_vec());
            let runs: Vec<_> = ring.runs().collect();
            prop_assert!(runs.windows(2).all(|pair| pair[0].0 != pair[1].0));
        }
    }
}
