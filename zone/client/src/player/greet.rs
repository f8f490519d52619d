//! Sessions that open, speak and close: everything that a zone says besides snapshots.

use std::time::{Duration, Instant};

use darkages_protocol::{AdmissionCode, ClosingCode, Redirect, SelfState, Snapshot, Welcome, ZoneMessage};
use darkages_topology::{InputSeq, OwnerEpoch};
use darkages_transport::{Channel, CloseReason};

use super::session::{Role, Session};
use super::stage::{KNOCKS_FOR, Stage};
use super::{Happening, Io, Link, Observer, Player};
use crate::directory::Door;
use crate::inputs::Acked;
use crate::invariant::Invariant;

/// How long the next zone may take to take over, from the redirect. Longer than a lease and a takeover.
const NEXT_TAKES: Duration = Duration::from_secs(15);

impl<S: Copy + Eq + std::fmt::Debug> Player<S> {
    /// A session's handshake is over.
    pub fn connected(&mut self, id: S) {
        if let Some(session) = self.session_mut(id) {
            session.open = true;
        }
    }

    /// A message has come.
    pub fn message<L: Link<Session = S>, O: Observer>(
        &mut self,
        id: S,
        channel: Channel,
        payload: &[u8],
        io: &mut Io<'_, L, O>,
    ) {
        if self.session_mut(id).is_none() {
            return;
        }
        if channel.is_reliable() {
            match ZoneMessage::decode(payload) {
                Ok(message) => self.told(id, message, io),
                Err(error) => self.violated(io, Invariant::I7, |player| {
                    format!("{}: a message of the zone cannot be read: {error}", player.id)
                }),
            }
        } else {
            match Snapshot::decode(payload) {
                Ok(snapshot) => self.snapshot(id, &snapshot, io),
                Err(error) => self
                    .violated(io, Invariant::I7, |player| format!("{}: a snapshot cannot be read: {error}", player.id)),
            }
        }
    }

    /// A session is over, by the transport's word.
    pub fn closed<L: Link<Session = S>, O: Observer>(&mut self, id: S, reason: CloseReason, io: &mut Io<'_, L, O>) {
        if let Some(index) = self.sessions.iter().position(|session| session.id == id) {
            self.over(index, reason_code(reason), io);
        }
    }

    /// A zone's last word. The session is forgotten at once; what the transport says later about it is no news.
    fn closing<L: Link<Session = S>, O: Observer>(&mut self, id: S, code: ClosingCode, io: &mut Io<'_, L, O>) {
        if let Some(index) = self.sessions.iter().position(|session| session.id == id) {
            io.link.close(id, CloseReason::Done);
            self.over(index, code.label(), io);
        }
    }

    fn over<L: Link<Session = S>, O: Observer>(&mut self, index: usize, reason: &'static str, io: &mut Io<'_, L, O>) {
        let id = self.sessions[index].id;
        let followed = self.followed == Some(id);
        if followed {
            self.leave_behind();
            self.followed = None;
        }
        let session = self.sessions.swap_remove(index);
        // A zone may hand over and say goodbye before the first snapshot of the next one has come.
        let next_comes = self.sessions.iter().any(|other| matches!(other.role, Role::Next { .. }));
        let was_next = matches!(session.role, Role::Next { .. });
        if was_next {
            io.observer.on(Happening::NextEnded { reason });
        }
        match self.stage {
            Stage::Knocks { since, session: door, .. } if door == id => self.join_failed(since, reason, io),
            Stage::Finishing { .. } | Stage::Leaving { .. } if followed && !next_comes => self.is_gone(io),
            Stage::Inside if !next_comes && (followed || (was_next && self.followed.is_none())) => {
                io.observer.on(Happening::Disconnected { reason });
                self.rejoin(reason, io);
            }
            _ => {}
        }
    }

    fn told<L: Link<Session = S>, O: Observer>(&mut self, id: S, message: ZoneMessage, io: &mut Io<'_, L, O>) {
        match message {
            ZoneMessage::Welcome(welcome) => self.welcomed(id, &welcome, io),
            ZoneMessage::Redirect(redirect) => self.redirected(id, &redirect, io),
            ZoneMessage::RedirectCancelled { handoff } => {
                let called_off =
                    |session: &&Session<S>| matches!(session.role, Role::Next { handoff: of, .. } if of == handoff);
                if let Some(next) = self.sessions.iter().find(called_off).map(|session| session.id) {
                    io.observer.on(Happening::NextEnded { reason: "cancelled" });
                    self.drop_session(next, CloseReason::Done, io);
                }
            }
            ZoneMessage::SelfState(state) => {
                let newer = |known: &SelfState| state.version.wrapping_sub(known.version) as i32 >= 0;
                if self.condition.as_ref().is_none_or(newer) {
                    let items = state.items.iter().map(|item| item.id).collect();
                    io.observer.on(Happening::Condition { gold: state.gold, items });
                    self.condition = Some(state);
                }
            }
            ZoneMessage::CommandResult { request, code } => {
                if self.commands.answered(request) {
                    io.observer.on(Happening::Answered { request, code });
                }
            }
            ZoneMessage::Closing(code) => self.closing(id, code, io),
            ZoneMessage::Event(_) | ZoneMessage::Pong(_) => {}
        }
    }

    /// A zone greets the player. A zone that does not act for the player yet, because it has to wait for an old lease,
    /// says so with epoch 0; its first authoritative snapshot then lets the player in.
    fn welcomed<L: Link<Session = S>, O: Observer>(&mut self, id: S, welcome: &Welcome, io: &mut Io<'_, L, O>) {
        let Stage::Knocks { since, session, .. } = self.stage else { return };
        if session != id {
            return;
        }
        self.own = Some(welcome.entity);
        if welcome.owner_epoch.0 == 0 {
            self.stage = Stage::Knocks { since, session, until: io.now + KNOCKS_FOR };
        } else {
            // The record's epoch may be higher than what is known; a lower one is caught with the first snapshot.
            self.enter(since, id, welcome.owner_epoch.max(self.epoch), welcome.applied, io);
        }
    }

    /// The player is in the world.
    pub(super) fn enter<L: Link<Session = S>, O: Observer>(
        &mut self,
        since: Instant,
        id: S,
        epoch: OwnerEpoch,
        applied: InputSeq,
        io: &mut Io<'_, L, O>,
    ) {
        if let Acked::Back(inputs) = self.ring.resume(applied, io.now) {
            io.observer.on(Happening::TakenBack { inputs });
        }
        let again = std::mem::replace(&mut self.been_inside, true);
        self.stage = Stage::Inside;
        self.failures = 0;
        self.heard = io.now;
        self.sight = None;
        self.play_on(id, epoch, io.now);
        self.commands.another_zone();
        io.observer.on(Happening::Welcomed { after: io.now.saturating_duration_since(since), again });
        self.say_commands(io);
    }

    fn redirected<L: Link<Session = S>, O: Observer>(&mut self, id: S, redirect: &Redirect, io: &mut Io<'_, L, O>) {
        let inside = matches!(self.stage, Stage::Inside | Stage::Finishing { .. });
        if !inside || self.followed != Some(id) || redirect.owner_epoch <= self.epoch {
            return;
        }
        let next = self.sessions.iter().find_map(|session| match session.role {
            Role::Next { handoff, .. } => Some((session.id, handoff)),
            _ => None,
        });
        match next {
            Some((_, handoff)) if handoff == redirect.handoff => return,
            // A newer redirect replaces an older one, whose handoff was called off.
            Some((stale, _)) => {
                io.observer.on(Happening::NextEnded { reason: "newer_redirect" });
                self.drop_session(stale, CloseReason::Done, io);
            }
            None => {}
        }
        io.observer.on(Happening::Redirected);
        self.make_room(io);
        let door = Door {
            address: redirect.endpoint,
            server_key: redirect.server_key,
            psk: redirect.psk,
            sealed: redirect.token.clone(),
        };
        if let Some(session) = io.link.connect(&door, io.now) {
            let role = Role::Next { handoff: redirect.handoff, until: io.now + NEXT_TAKES };
            self.sessions.push(Session::new(session, role));
        }
    }

    fn session_mut(&mut self, id: S) -> Option<&mut Session<S>> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }
}

/// The most precise code that the end of a session has.
fn reason_code(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Application(code) => ClosingCode::from_code(code).map_or(reason.label(), ClosingCode::label),
        CloseReason::Refused(code) => AdmissionCode::from_code(code).map_or(reason.label(), AdmissionCode::label),
        _ => reason.label(),
    }
}
