//! The last events of a run.

use std::collections::VecDeque;
use std::fmt;

use super::Time;

/// Lines kept, at most.
pub const KEPT: usize = 400;

/// The last events of a run. Silent unless asked for: a seed that fails is run again with its trace.
#[derive(Debug, Default)]
pub struct Trace {
    is_on: bool,
    lines: VecDeque<String>,
}

impl Trace {
    pub fn new(is_on: bool) -> Self {
        Self { is_on, lines: VecDeque::new() }
    }

    pub fn note(&mut self, now: Time, what: fmt::Arguments<'_>) {
        if !self.is_on {
            return;
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>9.4} {what}", now as f64 / 1e6));
    }

    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}
