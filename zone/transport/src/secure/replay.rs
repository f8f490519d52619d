//! Which packet numbers were seen, over a sliding window.

/// Numbers below the highest that are still told apart; older ones count as seen.
pub(crate) const REPLAY_WINDOW: u64 = 1024;

const WORD_BITS: u64 = 64;
/// One word more than the window, so that the window is whole while the newest word fills up.
const WORDS: usize = (REPLAY_WINDOW / WORD_BITS) as usize + 1;

/// The window itself. `check` first, `mark` only after the seal was found good: a forged number must not move the window.
#[derive(Debug)]
pub(crate) struct ReplayWindow {
    /// One above the highest number marked; 0 when nothing was.
    next: u64,
    words: [u64; WORDS],
}

impl ReplayWindow {
    pub(crate) const fn new() -> Self {
        Self { next: 0, words: [0; WORDS] }
    }

    /// One above the highest number marked.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Whether `number` is new as far as the window can tell.
    pub(crate) fn check(&self, number: u64) -> bool {
        if number >= self.next {
            return number < u64::MAX;
        }
        if self.next - number > REPLAY_WINDOW {
            return false;
        }
        let (word, bit) = Self::place(number);
        self.words[word] & bit == 0
    }

    /// Notes that `number` was seen. Answers whether it is the highest so far.
    pub(crate) fn mark(&mut self, number: u64) -> bool {
        let newest = number >= self.next;
        if newest {
            let first = self.next.div_ceil(WORD_BITS);
            let last = number / WORD_BITS;
            for word in first..=last.min(first.saturating_add(WORDS as u64 - 1)) {
                self.words[(word % WORDS as u64) as usize] = 0;
            }
            self.next = number + 1;
        }
        let (word, bit) = Self::place(number);
        self.words[word] |= bit;
        newest
    }

    fn place(number: u64) -> (usize, u64) {
        ((number / WORD_BITS % WORDS as u64) as usize, 1 << (number % WORD_BITS))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_window_agrees_with_a_plain_set(steps in prop::collection::vec((0_u64..200, 0_u64..1400, any::<bool>()), 1..400)) {
            let mut window = ReplayWindow::new();
            let mut seen = HashSet::new();
            let mut top = 0_u64;
            for (ahead, back, forward) in steps {
                let number = if forward { top + ahead * ahead } else { top.saturating_sub(back) };
                let fresh = !seen.contains(&number) && (number >= window.next() || window.next() - number <= REPLAY_WINDOW);
                prop_assert_eq!(window.check(number), fresh, "number {} next {}", number, window.next());
                if fresh {
                    prop_assert_eq!(window.mark(number), seen.is_empty() || number > top);
                    seen.insert(number);
                    top = top.max(number);
                    prop_assert!(!window.check(number));
                }
            }
        }
    }

    #[test]
    fn a_leap_far_ahead_forgets_everything_old() {
        let mut window = ReplayWindow::new();
        for number in 0..2000 {
            window.mark(number);
        }
        window.mark(1 << 40);
        assert!(!window.check(1 << 40));
        assert!(!window.check(1999));
        assert!(window.check((1 << 40) - 1));
        assert!(window.check((1 << 40) - REPLAY_WINDOW + 1));
        assert!(!window.check((1 << 40) - REPLAY_WINDOW));
        assert!(!window.check(u64::MAX));
    }
}
