//! Commands that have no answer yet.
//!
//! A session delivers a command once and in order, but a session may end with its zone. So each command keeps its request
//! id and is said again to the next zone, and after a while to the same one; the world executes a request id once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use darkages_protocol::RequestId;

/// Commands without an answer, at most.
pub const MAX_PENDING: usize = 32;
/// Time after which a command is said again to the same zone. Longer than a lease, because a zone that waits for its store
/// or for a takeover will answer by itself.
const SAY_AGAIN: Duration = Duration::from_secs(3);
/// How often a command is said, at most, before it counts as unanswered.
const MAX_TIMES: u8 = 10;

/// Too many commands have no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_PENDING} commands wait for an answer: wait until one has come")]
pub struct TooManyPending;

#[derive(Clone, Debug)]
struct Pending {
    id: RequestId,
    encoded: Vec<u8>,
    said_at: Option<Instant>,
    times: u8,
}

/// The pending commands of one player.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    next: u64,
    pending: VecDeque<Pending>,
}

impl Commands {
    /// Ids begin at `first`: a number that no earlier process of this player has used.
    pub(crate) const fn new(first: u64) -> Self {
        Self { next: first, pending: VecDeque::new() }
    }

    /// Takes a command; `encode` writes it with its id.
    pub(crate) fn add(&mut self, encode: impl FnOnce(RequestId) -> Vec<u8>) -> Result<RequestId, TooManyPending> {
        if self.pending.len() >= MAX_PENDING {
            return Err(TooManyPending);
        }
        let id = RequestId(self.next);
        self.next = self.next.wrapping_add(1);
        self.pending.push_back(Pending { id, encoded: encode(id), said_at: None, times: 0 });
        Ok(id)
    }

    /// Another zone is followed: it is told everything that has no answer.
    pub(crate) fn another_zone(&mut self) {
        for pending in &mut self.pending {
            pending.said_at = None;
        }
    }

    /// Says what is due through `say`, which tells whether it could; hands those that were said too often to `give_up`.
    pub(crate) fn say(&mut self, now: Instant, mut say: impl FnMut(&[u8]) -> bool, mut give_up: impl FnMut(RequestId)) {
        self.pending.retain_mut(|pending| {
            if pending.said_at.is_some_and(|said| now.saturating_duration_since(said) < SAY_AGAIN) {
                return true;
            }
            if pending.times >= MAX_TIMES {
                give_up(pending.id);
                return false;
            }
            if say(&pending.encoded) {
                pending.said_at = Some(now);
                pending.times += 1;
            }
            true
        });
    }

    /// An answer has come; `false` when it was for nobody, such as the second one to a command that was said twice.
    pub(crate) fn answered(&mut self, id: RequestId) -> bool {
        let before = self.pending.len();
        self.pending.retain(|pending| pending.id != id);
        self.pending.len() < before
    }

    /// How many have no answer.
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(commands: &mut Commands, now: Instant) -> Vec<u8> {
        let mut said = Vec::new();
        commands.say(
            now,
            |encoded| {
                said.push(encoded[0]);
                true
            },
            |_| {},
        );
        said
    }

    #[test]
    fn a_command_is_said_to_every_zone_until_it_is_answered() {
        let start = Instant::now();
        let mut commands = Commands::new(40);
        let first = commands.add(|id| vec![id.0 as u8]).expect("there is room");
        commands.add(|id| vec![id.0 as u8]).expect("there is room");
        assert_eq!(said(&mut commands, start), vec![40, 41]);
        assert_eq!(said(&mut commands, start + Duration::from_secs(1)), Vec::<u8>::new());
        commands.another_zone();
        assert_eq!(said(&mut commands, start + Duration::from_secs(1)), vec![40, 41]);
        assert!(commands.answered(first) && !commands.answered(first));
        assert_eq!(said(&mut commands, start + Duration::from_secs(5)), vec![41]);
    }

    #[test]
    fn pending_commands_and_their_repetitions_are_bounded() {
        let mut now = Instant::now();
        let mut commands = Commands::new(0);
        for _ in 0..MAX_PENDING {
            commands.add(|_| vec![0]).expect("there is room");
        }
        assert_eq!(commands.add(|_| vec![0]), Err(TooManyPending));
        let mut given_up = 0;
        for _ in 0..=MAX_TIMES {
            commands.say(now, |_| true, |_| given_up += 1);
            now += SAY_AGAIN;
        }
        assert_eq!((given_up, commands.len()), (MAX_PENDING, 0));
    }
}
