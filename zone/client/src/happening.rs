//! What happens to a player, and who is told.

use std::time::Duration;

use darkages_protocol::{RequestId, ResultCode};
use darkages_topology::EntityId;

use crate::invariant::Invariant;

/// Who is told what happens.
pub trait Observer {
    /// Something happened.
    fn on(&mut self, happening: Happening);
}

/// What happens to a player.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// A zone took the player in.
    Welcomed {
        /// Time since the directory was asked.
        after: Duration,
        /// Whether the player was in the world before, in this run.
        again: bool,
    },
    /// A join did not succeed; it will be tried again.
    JoinFailed {
        /// Reason code.
        reason: &'static str,
    },
    /// The followed zone said that another one will take over.
    Redirected,
    /// The session with the zone that was to take over ended before it did.
    NextEnded {
        /// Reason code.
        reason: &'static str,
    },
    /// An authoritative snapshot was decoded.
    Snapshot {
        /// Its number in its session.
        number: u32,
        /// Whether it is the first one of another owner.
        switched: bool,
        /// Entities in view.
        visible: usize,
    },
    /// An input was acknowledged as applied.
    Applied {
        /// Time since it was made.
        age: Duration,
    },
    /// Inputs that were applied are so no more.
    TakenBack {
        /// How many.
        inputs: u32,
    },
    /// A command was answered; told once for each request.
    Answered {
        /// Which.
        request: RequestId,
        /// What the world says.
        code: ResultCode,
    },
    /// A command was said as often as is allowed and nobody answered.
    Unanswered {
        /// Which.
        request: RequestId,
    },
    /// A zone told what the player has; see [`crate::player::Player::condition`] for all of it.
    Condition {
        /// Pieces of gold.
        gold: u64,
        /// Items.
        items: Vec<EntityId>,
    },
    /// The session in use ended and the client did not want it.
    Disconnected {
        /// Reason code.
        reason: &'static str,
    },
    /// The player asks the directory again.
    Rejoins {
        /// Reason code.
        reason: &'static str,
    },
    /// The player has left, as it wished.
    Left {
        /// Inputs that were never acknowledged.
        unacked: usize,
    },
    /// An invariant does not hold.
    Violated {
        /// Which.
        invariant: Invariant,
        /// What was seen.
        evidence: String,
    },
}
