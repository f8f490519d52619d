//! Coming in, coming back and leaving: what the player wants, and by when.

use std::time::{Duration, Instant};

use darkages_protocol::ClientMessage;
use darkages_transport::{Channel, CloseReason};
use rand::RngExt;

use super::session::{Role, Session};
use super::{Happening, Io, Link, MAX_SESSIONS, Observer, Player};
use crate::directory::Door;

/// Time from the directory's answer to the zone's welcome, at most.
pub(super) const KNOCKS_FOR: Duration = Duration::from_secs(5);
/// Silence of the followed zone after which the player asks the directory again. Longer than a lease and longer than any
/// pause of a busy machine: until then the same zone, or the one that takes over, may still speak.
pub const SILENT_FOR: Duration = Duration::from_millis(2_500);
/// The same while another zone is attached, which takes over once the old one's lease is over.
const SILENT_IN_HANDOFF: Duration = Duration::from_secs(5);
/// Shortest wait before a join is tried again; doubles with each failure.
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest wait before a join is tried again.
const RETRY_LONGEST: Duration = Duration::from_secs(3);
/// Time between two ticks beyond which it was this client that was away: that is no silence of the zone.
const AWAY: Duration = Duration::from_millis(500);
/// How long a player who leaves waits for its last inputs to be acknowledged.
const LEAVES_AFTER: Duration = Duration::from_secs(2);
/// How long a player who leaves waits for the zone to close the session.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where the player is between outside and inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage<S> {
    /// Not in the world, and does not want to be.
    Outside,
    /// Wants to come in; the directory has to be asked.
    Wants { since: Instant },
    /// The directory was asked.
    Asked { since: Instant },
    /// Waits before the directory is asked again.
    Waits { since: Instant, until: Instant },
    /// Has a door and knocks.
    Knocks { since: Instant, session: S, until: Instant },
    /// In the world.
    Inside,
    /// Makes no more inputs and waits until all are acknowledged.
    Finishing { until: Instant },
    /// Has said goodbye.
    Leaving { until: Instant },
}

impl<S: Copy + Eq + std::fmt::Debug> Player<S> {
    /// The player wants to come in.
    pub fn join(&mut self, now: Instant) {
        if self.stage == Stage::Outside {
            self.stage = Stage::Wants { since: now };
        }
    }

    /// Whether the directory should be asked for a door now; told once for each question. Call [`Player::door`] with what
    /// it answers.
    pub fn asks_for_door(&mut self) -> bool {
        if let Stage::Wants { since } = self.stage {
            self.stage = Stage::Asked { since };
            return true;
        }
        false
    }

    /// The directory has answered: a door, or a reason code.
    pub fn door<L: Link<Session = S>, O: Observer>(
        &mut self,
        answer: Result<&Door, &'static str>,
        io: &mut Io<'_, L, O>,
    ) {
        let Stage::Asked { since } = self.stage else { return };
        let opened = answer.and_then(|door| io.link.connect(door, io.now).ok_or("no_session"));
        match opened {
            Ok(session) => {
                self.sessions.push(Session::new(session, Role::Door));
                self.own = None;
                self.stage = Stage::Knocks { since, session, until: io.now + KNOCKS_FOR };
            }
            Err(reason) => self.join_failed(since, reason, io),
        }
    }

    /// The player wants to leave: what is made is still delivered, then it says goodbye.
    pub fn leave<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        match self.stage {
            Stage::Inside => self.stage = Stage::Finishing { until: io.now + LEAVES_AFTER },
            Stage::Outside | Stage::Finishing { .. } | Stage::Leaving { .. } => {}
            Stage::Wants { .. } | Stage::Asked { .. } | Stage::Waits { .. } | Stage::Knocks { .. } => self.is_gone(io),
        }
    }

    /// What is due by the time. Call it at least every few ticks.
    pub fn tick<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        let away = io.now.saturating_duration_since(self.ticked);
        self.ticked = io.now;
        if away > AWAY {
            self.heard += away;
        }
        self.close_due_sessions(io);
        match self.stage {
            Stage::Waits { since, until } if until <= io.now => self.stage = Stage::Wants { since },
            Stage::Knocks { since, session, until } if until <= io.now => {
                self.drop_session(session, CloseReason::Done, io);
                self.join_failed(since, "zone_silent", io);
            }
            Stage::Inside => self.tick_inside(io),
            Stage::Finishing { until } => {
                let done = self.inputs().is_empty() && self.pending_commands() == 0;
                if done || until <= io.now {
                    self.say_goodbye(io);
                } else {
                    self.say_commands(io);
                    self.send_inputs(io);
                }
            }
            Stage::Leaving { until } if until <= io.now => self.is_gone(io),
            _ => {}
        }
    }

    fn tick_inside<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        let attached = self.sessions.iter().any(|session| session.open && matches!(session.role, Role::Next { .. }));
        let patience = if attached { SILENT_IN_HANDOFF } else { SILENT_FOR };
        if io.now.saturating_duration_since(self.heard) > patience {
            io.observer.on(Happening::Disconnected { reason: "zone_silent" });
            self.rejoin("zone_silent", io);
        } else {
            self.say_commands(io);
        }
    }

    /// Asks the directory again, at once the first time.
    pub(super) fn rejoin<L: Link<Session = S>, O: Observer>(&mut self, reason: &'static str, io: &mut Io<'_, L, O>) {
        io.observer.on(Happening::Rejoins { reason });
        self.close_all_but(None, io);
        self.stage = Stage::Wants { since: io.now };
    }

    /// Waits longer after each failure, with some randomness so that a crowd does not knock in step.
    pub(super) fn join_failed<L: Link<Session = S>, O: Observer>(
        &mut self,
        since: Instant,
        reason: &'static str,
        io: &mut Io<'_, L, O>,
    ) {
        io.observer.on(Happening::JoinFailed { reason });
        let doublings = self.failures.min(10);
        self.failures += 1;
        let wait = (RETRY_FIRST * 2_u32.pow(doublings)).min(RETRY_LONGEST).mul_f64(self.rng.random_range(0.75..1.25));
        self.stage = Stage::Waits { since, until: io.now + wait };
    }

    pub(super) fn say_goodbye<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        if let Some(session) = self.followed {
            io.link.send(session, Channel::ReliableOrdered, &ClientMessage::Leave.encode(), io.now);
        }
        self.stage = Stage::Leaving { until: io.now + GOODBYE };
    }

    pub(super) fn is_gone<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        self.close_all_but(None, io);
        self.stage = Stage::Outside;
        self.failures = 0;
        // A later visit is a new one: what was seen then is no measure for what is seen now.
        self.view = Default::default();
        self.shown = None;
        self.sight = None;
        io.observer.on(Happening::Left { unacked: self.ring.len() });
    }

    /// Closes sessions whose time is over: old ones after their last words, next ones that never took over.
    fn close_due_sessions<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        let now = io.now;
        let link = &mut *io.link;
        self.sessions.retain(|session| {
            let due = matches!(session.role, Role::Old { until } | Role::Next { until, .. } if until <= now);
            if due {
                link.close(session.id, CloseReason::Done);
            }
            !due
        });
    }

    /// Closes every session except one.
    pub(super) fn close_all_but<L: Link<Session = S>, O: Observer>(&mut self, kept: Option<S>, io: &mut Io<'_, L, O>) {
        let link = &mut *io.link;
        if self.followed != kept {
            self.leave_behind();
        }
        self.sessions.retain(|session| {
            let keep = Some(session.id) == kept;
            if !keep {
                link.close(session.id, CloseReason::Done);
            }
            keep
        });
        self.followed = self.followed.filter(|followed| Some(*followed) == kept);
    }

    pub(super) fn drop_session<L: Link<Session = S>, O: Observer>(
        &mut self,
        id: S,
        reason: CloseReason,
        io: &mut Io<'_, L, O>,
    ) {
        if let Some(index) = self.sessions.iter().position(|session| session.id == id) {
            io.link.close(id, reason);
            self.sessions.swap_remove(index);
        }
    }

    /// Makes room for one more session: the oldest that nobody needs goes first.
    pub(super) fn make_room<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        while self.sessions.len() >= MAX_SESSIONS {
            let least = self.sessions.iter().find(|session| matches!(session.role, Role::Old { .. }));
            let Some(id) = least.or_else(|| self.sessions.last()).map(|session| session.id) else { return };
            self.drop_session(id, CloseReason::Done, io);
        }
    }
}
