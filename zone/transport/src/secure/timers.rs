//! The few things here that happen by themselves: handshakes that are repeated or given up, farewells that are repeated.

use std::cmp::Reverse;
use std::time::Instant;

use super::{Phase, SecureSocket};
use crate::close::CloseReason;
use crate::gatekeeper::Gatekeeper;
use crate::io::DatagramIo;

/// What a due session does.
enum Due {
    Nothing,
    Dial,
    Farewell,
    Fail,
    Forget,
}

impl<G: Gatekeeper, D: DatagramIo> SecureSocket<G, D> {
    /// Notes that a session has something to do at `at`.
    pub(super) fn schedule(&mut self, id: u32, at: Instant) {
        if !self.busy.contains(&id) {
            self.busy.push(id);
        }
        self.busy_next = Some(self.busy_next.map_or(at, |next| next.min(at)));
    }

    /// When something here, in a connection or in the fault layer is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let wake = self.wakes.peek().map(|Reverse(wake)| *wake);
        [wake, self.busy_next, self.outlet.fault.next_release()].into_iter().flatten().min()
    }

    /// Runs what is due.
    pub(super) fn run_timers(&mut self) {
        let now = self.outlet.now;
        if self.busy_next.is_none_or(|next| next > now) {
            return;
        }
        self.busy_next = None;
        for id in std::mem::take(&mut self.busy) {
            match self.due(id, now) {
                Due::Nothing => {}
                Due::Dial => self.send_dial(id),
                Due::Farewell => self.say_farewell(id),
                Due::Fail => self.fail(id, CloseReason::HandshakeTimeout),
                Due::Forget => self.forget(id),
            }
            if let Some(next) = self.next_of(id) {
                self.busy.push(id);
                self.busy_next = Some(self.busy_next.map_or(next, |earliest| earliest.min(next)));
            }
        }
        self.busy.sort_unstable();
        self.busy.dedup();
    }

    fn due(&mut self, id: u32, now: Instant) -> Due {
        let Some(session) = self.sessions.get_mut(&id) else { return Due::Nothing };
        let connected = session.accounts.connected;
        match &mut session.phase {
            Phase::Dialing(dial) if now >= dial.deadline => Due::Fail,
            Phase::Dialing(dial) if now >= dial.next_send => Due::Dial,
            // Nobody was told of the session, so nobody is told of its end.
            Phase::HalfOpen { deadline, .. } if now >= *deadline => Due::Forget,
            Phase::Closing { farewell, .. } if now >= farewell.until && !connected => Due::Forget,
            Phase::Closing { farewell, .. } if now >= farewell.next_send && farewell.repeats > 0 => {
                farewell.repeats -= 1;
                farewell.next_send = now + (farewell.until - now) / 4;
                Due::Farewell
            }
            _ => Due::Nothing,
        }
    }

    fn next_of(&self, id: u32) -> Option<Instant> {
        match &self.sessions.get(&id)?.phase {
            Phase::Dialing(dial) => Some(dial.next_send),
            Phase::HalfOpen { deadline, .. } => Some(*deadline),
            Phase::Closing { farewell, .. } if farewell.repeats > 0 => Some(farewell.next_send.min(farewell.until)),
            Phase::Closing { farewell, .. } => Some(farewell.until),
            Phase::Open { .. } | Phase::Ended => None,
        }
    }
}
