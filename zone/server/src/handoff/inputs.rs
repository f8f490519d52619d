//! Inputs of one player that wait to be applied.

use std::collections::VecDeque;

use darkages_topology::InputSeq;

/// Inputs of one player, in order, each at most once (I4).
///
/// A client repeats every input until it is acknowledged, so an input that is missing here comes again; nothing is applied
/// out of order and nothing is skipped. While a zone waits to take a player over it does not know the last applied input
/// yet: it keeps what comes and is told by [`InputBuffer::applied`] when the state arrives.
#[derive(Clone, Debug, Default)]
pub struct InputBuffer<I> {
    /// The input that `waiting` starts with, where it is not empty.
    first: InputSeq,
    waiting: VecDeque<Option<I>>,
    applied: InputSeq,
}

impl<I> InputBuffer<I> {
    /// Inputs beyond the next one that are kept, at most: four seconds at 60 a second. Those further ahead come again.
    pub const WINDOW: u32 = 256;

    /// A buffer of a player whose last applied input is `applied`; 0 when that is not known yet or there was none.
    #[must_use]
    pub const fn new(applied: InputSeq) -> Self {
        Self { first: InputSeq(0), waiting: VecDeque::new(), applied }
    }

    /// Keeps an input, unless it was applied, is here already, or lies outside the window. Says whether it was kept.
    pub fn push(&mut self, seq: InputSeq, input: I) -> bool {
        if seq <= self.applied {
            return false;
        }
        if self.waiting.is_empty() {
            self.first = seq;
        }
        if seq < self.first {
            let missing = self.first.0 - seq.0;
            if missing as usize + self.waiting.len() > Self::WINDOW as usize {
                return false;
            }
            for _ in 0..missing {
                self.waiting.push_front(None);
            }
            self.first = seq;
        }
        let place = (seq.0 - self.first.0) as usize;
        if place >= Self::WINDOW as usize {
            return false;
        }
        while self.waiting.len() <= place {
            self.waiting.push_back(None);
        }
        let slot = &mut self.waiting[place];
        let is_new = slot.is_none();
        if is_new {
            *slot = Some(input);
        }
        is_new
    }

    /// Everything up to `seq` is applied: in the state that this zone goes on from.
    pub fn applied(&mut self, seq: InputSeq) {
        self.applied = seq;
        while self.first <= seq && self.waiting.pop_front().is_some() {
            self.first = self.first.next();
        }
    }

    /// The client holds no input before `seq` any more: those that are due and missing never come, because somebody had
    /// acknowledged them whose state was lost in a crash. Says how many are lost. Only for a player whom this zone acts for.
    pub fn skip_to(&mut self, seq: InputSeq) -> u32 {
        while self.first < seq && matches!(self.waiting.front(), Some(None)) {
            self.waiting.pop_front();
            self.first = self.first.next();
        }
        let next = if self.waiting.is_empty() { seq } else { seq.min(self.first) };
        let lost = next.0.saturating_sub(self.applied.next().0);
        if lost > 0 {
            self.applied(InputSeq(next.0 - 1));
        }
        lost
    }

    /// The next input after the last applied one, if it is here; it counts as applied then.
    pub fn take_next(&mut self) -> Option<(InputSeq, I)> {
        let due = self.applied.next();
        if self.first != due {
            return None;
        }
        let input = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.first = due.next();
        self.applied = due;
        Some((due, input))
    }

    /// The last applied input.
    #[must_use]
    pub const fn last_applied(&self) -> InputSeq {
        self.applied
    }

    /// Inputs that are kept, gaps included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(buffer: &mut InputBuffer<u32>) -> Vec<u32> {
        std::iter::from_fn(|| buffer.take_next().map(|(seq, _)| seq.0)).collect()
    }

    #[test]
    fn applies_each_once_and_in_order() {
        let mut buffer = InputBuffer::new(InputSeq(0));
        for seq in [2, 1, 2, 4, 1] {
            buffer.push(InputSeq(seq), seq);
        }
        assert_eq!(drain(&mut buffer), [1, 2]);
        buffer.push(InputSeq(2), 2);
        buffer.push(InputSeq(3), 3);
        assert_eq!(drain(&mut buffer), [3, 4]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn goes_on_after_the_last_applied_input_of_a_state() {
        let mut buffer = InputBuffer::new(InputSeq(0));
        for seq in 100..120 {
            buffer.push(InputSeq(seq), seq);
        }
        assert!(drain(&mut buffer).is_empty());
        buffer.applied(InputSeq(109));
        assert_eq!(drain(&mut buffer), (110..120).collect::<Vec<_>>());
    }

    #[test]
    fn an_input_before_the_first_that_came_finds_its_place() {
        let mut buffer = InputBuffer::new(InputSeq(0));
        buffer.push(InputSeq(12), 12);
        buffer.push(InputSeq(10), 10);
        buffer.applied(InputSeq(9));
        assert_eq!(drain(&mut buffer), [10]);
        buffer.push(InputSeq(11), 11);
        assert_eq!(drain(&mut buffer), [11, 12]);
    }

    #[test]
    fn a_state_beyond_everything_kept_empties_it() {
        let mut buffer = InputBuffer::new(InputSeq(0));
        for seq in 1..=5 {
            buffer.push(InputSeq(seq), seq);
        }
        buffer.applied(InputSeq(50));
        assert!(buffer.is_empty());
        buffer.push(InputSeq(51), 51);
        assert_eq!(drain(&mut buffer), [51]);
    }

    #[test]
    fn skips_what_never_comes_and_nothing_else() {
        let mut buffer = InputBuffer::new(InputSeq(10));
        buffer.push(InputSeq(11), 11);
        buffer.push(InputSeq(15), 15);
        assert_eq!(buffer.skip_to(InputSeq(11)), 0);
        assert_eq!(drain(&mut buffer), [11]);
        assert_eq!(buffer.skip_to(InputSeq(20)), 3);
        assert_eq!(drain(&mut buffer), [15]);
        assert_eq!(buffer.skip_to(InputSeq(20)), 4);
        assert_eq!(buffer.last_applied(), InputSeq(19));
    }

    #[test]
    fn stays_within_its_window() {
        let mut buffer = InputBuffer::new(InputSeq(0));
        assert!(buffer.push(InputSeq(1), 1));
        assert!(!buffer.push(InputSeq(1 + InputBuffer::<u32>::WINDOW), 0));
        assert!(buffer.push(InputSeq(InputBuffer::<u32>::WINDOW), 0));
        assert_eq!(buffer.len(), InputBuffer::<u32>::WINDOW as usize);
    }
}
