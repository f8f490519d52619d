//! The last states of one entity, by snapshot number.
//!
//! A client decodes a million records a second for a thousand players, and each looks up one old state and adds a new one.
//! What costs is fetching the memory, so the newest states lie in the slot itself, next to their numbers; only a line with
//! a long delay needs more, on the heap.

use std::collections::VecDeque;

use super::table::HISTORY_NUMBERS;

/// States that need no memory of their own: a zone that acknowledges within two snapshots names none that is older.
const RECENT: usize = 5;

/// States by snapshot number, oldest first; never empty once something was pushed.
#[derive(Clone, Debug)]
pub(super) struct History<S> {
    numbers: [u32; RECENT],
    len: u8,
    states: [S; RECENT],
    #[expect(clippy::box_collection, reason = "a slot has one pointer for what it hardly ever needs")]
    older: Option<Box<VecDeque<(u32, S)>>>,
}

impl<S: Copy + Default> History<S> {
    pub(super) fn new(number: u32, state: S) -> Self {
        let mut history = Self { numbers: [0; RECENT], len: 0, states: [S::default(); RECENT], older: None };
        history.push(number, state);
        history
    }

    /// Adds the state of a newer snapshot and drops those that no record can name any more.
    pub(super) fn push(&mut self, number: u32, state: S) {
        self.forget_before((number + 1).saturating_sub(HISTORY_NUMBERS));
        if usize::from(self.len) == RECENT {
            self.older.get_or_insert_default().push_back((self.numbers[0], self.states[0]));
            self.drop_front(1);
        }
        let end = usize::from(self.len);
        self.numbers[end] = number;
        self.states[end] = state;
        self.len += 1;
    }

    /// Forgets the states of snapshots before `number`.
    pub(super) fn forget_before(&mut self, number: u32) {
        if let Some(older) = &mut self.older {
            while older.front().is_some_and(|(of, _)| *of < number) {
                older.pop_front();
            }
            if older.is_empty() {
                self.older = None;
            }
        }
        let stale = self.numbers[..usize::from(self.len)].iter().take_while(|of| **of < number).count();
        if stale > 0 {
            self.drop_front(stale);
        }
    }

    /// The state that came with snapshot `number`.
    pub(super) fn find(&self, number: u32) -> Option<&S> {
        match self.numbers[..usize::from(self.len)].iter().position(|of| *of == number) {
            Some(at) => Some(&self.states[at]),
            None => self.older.as_ref()?.iter().find(|(of, _)| *of == number).map(|(_, state)| state),
        }
    }

    /// The newest state and its number.
    pub(super) fn newest(&self) -> Option<(u32, &S)> {
        let at = usize::from(self.len).checked_sub(1)?;
        Some((self.numbers[at], &self.states[at]))
    }

    fn drop_front(&mut self, count: usize) {
        let end = usize::from(self.len);
        self.numbers.copy_within(count..end, 0);
        self.states.copy_within(count..end, 0);
        self.len -= count as u8;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_state_is_found_until_it_is_forgotten_or_too_old(
            steps in prop::collection::vec((1_u32..5, 0_u32..20), 1..200),
        ) {
            let mut history = History::new(1, 1);
            let (mut known, mut number) = (vec![1], 1);
            for (skip, back) in steps {
                number += skip;
                if back > 12 {
                    let before = number - back.min(number);
                    history.forget_before(before);
                    known.retain(|of| *of >= before);
                }
                history.push(number, number);
                known.push(number);
                known.retain(|of| of + HISTORY_NUMBERS > number);
                for of in number.saturating_sub(HISTORY_NUMBERS + 2)..=number {
                    prop_assert_eq!(history.find(of), known.contains(&of).then_some(&of));
                }
                prop_assert_eq!(history.newest(), Some((number, &number)));
            }
        }
    }
}
