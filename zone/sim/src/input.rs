//! A player's inputs: queued in order, applied once, and paid for, so that nobody outruns the world.
//!
//! An input is one tick of intent. It is worth one step of movement, whenever it arrives; a player without a queued input
//! does not move. A step costs one credit; a credit accrues each tick up to [`MAX_CREDITS`]. So a burst after a gap is
//! applied in full, at most [`MAX_INPUTS_PER_TICK`] in a tick, and over any n ticks nobody moves further than
//! (n + [`MAX_CREDITS`]) steps. Standing costs nothing, so a backlog melts whenever its player stands.

use darkages_topology::InputSeq;
use serde::{Deserialize, Serialize};

use crate::motion::Heading;

/// Inputs that wait for one player, at most: a little over two seconds. A client repeats what was refused.
pub const MAX_QUEUED_INPUTS: usize = 128;

/// Inputs of one player that a tick applies, at most.
pub const MAX_INPUTS_PER_TICK: usize = 4;

/// Credits that a player can save, in steps: one second, so that a gap as long as that leaves no lag behind.
pub const MAX_CREDITS: u8 = 60;

/// How far beyond the next number a client may be. Farther is no accident of the network.
pub const INPUT_WINDOW: i32 = 1_024;

/// What a client wants for one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputValue {
    /// Where the player looks and walks.
    pub heading: Heading,
    /// Whether the player walks.
    pub moving: bool,
    /// Whether the player sprints; nothing without `moving`.
    pub sprinting: bool,
}

/// Why an input was not queued. None of these loses an input: a client repeats what the zone has not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputRefused {
    /// The player is not on this shard.
    #[error("the player is not on this shard")]
    NotHere,
    /// Queued or applied before.
    #[error("the input was queued before")]
    Stale,
    /// Inputs before this one are missing, though every datagram carries all that are not yet acknowledged.
    #[error("inputs before this one are missing")]
    Gap,
    /// Beyond [`INPUT_WINDOW`].
    #[error("the input is too far ahead")]
    Future,
    /// [`MAX_QUEUED_INPUTS`] wait already.
    #[error("too many inputs wait")]
    Full,
}

impl InputRefused {
    /// Every reason, for counters that start at zero.
    pub const ALL: [Self; 5] = [Self::NotHere, Self::Stale, Self::Gap, Self::Future, Self::Full];

    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not_here",
            Self::Stale => "stale",
            Self::Gap => "gap",
            Self::Future => "future",
            Self::Full => "full",
        }
    }
}

/// The inputs of one player that wait, and the credits to apply them. A ring of fixed size: no tick allocates.
#[derive(Clone, Debug)]
pub(crate) struct InputQueue {
    ring: [InputValue; MAX_QUEUED_INPUTS],
    head: usize,
    len: usize,
    last_applied: InputSeq,
    credits: u8,
}

impl InputQueue {
    /// A queue after `last_applied` in which `pending` waits. What is beyond the limits is cut; callers check before.
    pub(crate) fn new(last_applied: InputSeq, pending: &[InputValue], credits: u8) -> Self {
        let len = pending.len().min(MAX_QUEUED_INPUTS);
        let mut ring = [InputValue::default(); MAX_QUEUED_INPUTS];
        ring[..len].copy_from_slice(&pending[..len]);
        Self { ring, head: 0, len, last_applied, credits: credits.min(MAX_CREDITS) }
    }

    /// The number of the newest input that was applied.
    pub(crate) const fn last_applied(&self) -> InputSeq {
        self.last_applied
    }

    /// The number of the newest input that was taken, applied or not.
    pub(crate) const fn newest(&self) -> InputSeq {
        InputSeq(self.last_applied.0.wrapping_add(self.len as u32))
    }

    pub(crate) const fn credits(&self) -> u8 {
        self.credits
    }

    /// What waits, oldest first.
    pub(crate) fn pending(&self) -> impl Iterator<Item = InputValue> + '_ {
        (0..self.len).map(|offset| self.ring[(self.head + offset) % MAX_QUEUED_INPUTS])
    }

    /// Takes the input `seq` when it is the very next.
    pub(crate) fn push(&mut self, seq: InputSeq, value: InputValue) -> Result<(), InputRefused> {
        match seq.0.wrapping_sub(self.newest().next().0) as i32 {
            0 if self.len == MAX_QUEUED_INPUTS => Err(InputRefused::Full),
            0 => {
                self.ring[(self.head + self.len) % MAX_QUEUED_INPUTS] = value;
                self.len += 1;
                Ok(())
            }
            ahead if ahead < 0 => Err(InputRefused::Stale),
            ahead if ahead <= INPUT_WINDOW => Err(InputRefused::Gap),
            _ => Err(InputRefused::Future),
        }
    }

    /// Goes on after `seq` without the inputs up to it, which never come. Only while none waits, and never back. Says how many
    /// are left out.
    pub(crate) fn skip_to(&mut self, seq: InputSeq) -> u32 {
        let ahead = seq.0.wrapping_sub(self.last_applied.0) as i32;
        if self.len > 0 || ahead <= 0 {
            return 0;
        }
        self.last_applied = seq;
        ahead.unsigned_abs()
    }

    /// Adds the credits of the ticks that went by.
    pub(crate) fn accrue(&mut self, ticks: u64) {
        let room = u64::from(MAX_CREDITS - self.credits);
        self.credits += ticks.min(room) as u8;
    }

    /// The next input that the credits pay for, now applied.
    pub(crate) fn pop(&mut self) -> Option<InputValue> {
        if self.len == 0 {
            return None;
        }
        let value = self.ring[self.head];
        if value.moving {
            self.credits = self.credits.checked_sub(1)?;
        }
        self.head = (self.head + 1) % MAX_QUEUED_INPUTS;
        self.len -= 1;
        self.last_applied = self.last_applied.next();
        Some(value)
    }
}
