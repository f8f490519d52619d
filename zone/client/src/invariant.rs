//! The invariants of the world that a client can judge by itself.

use serde::{Deserialize, Serialize};

/// What must hold, by the numbers of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Invariant {
    /// Players, items and gold are conserved; items are unique.
    I3,
    /// Inputs are applied at most once and in order.
    I4,
    /// Epochs and visible ticks never go back.
    I5,
    /// No entity vanishes and reappears within 30 ticks.
    I6,
    /// A snapshot decodes against an acknowledged baseline.
    I7,
    /// No position jumps farther than its owner can move.
    I9,
    /// What was acknowledged as durable is there.
    I10,
}
