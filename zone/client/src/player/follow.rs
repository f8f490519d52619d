//! Whom to believe: sessions that open, speak and close, and the change from one owner to the next.

use std::time::{Duration, Instant};

use darkages_protocol::{AdmissionCode, ClosingCode, Redirect, Snapshot, SnapshotHeader, Welcome, ZoneMessage};
use darkages_topology::world::{SPRINT_SPEED_M_PER_S, TICK_RATE_HZ, UNITS_PER_METRE};
use darkages_topology::{InputSeq, OwnerEpoch};
use darkages_transport::{Channel, CloseReason};

use super::session::{Role, Session};
use super::stage::{KNOCKS_FOR, Stage};
use super::{Happening, Io, Link, Observer, Player, Sight};
use crate::directory::Door;
use crate::inputs::Acked;
use crate::invariant::Invariant;

/// How long a session with a zone that owned the player before stays open for its last words.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the next zone may take to take over, from the redirect. Longer than a lease and a takeover.
const NEXT_TAKES: Duration = Duration::from_secs(15);
/// What a position may be off by rounding, in units: 1/16 m.
const ROUNDING: i64 = 4;

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
                    self.drop_session(next, CloseReason::Done, io);
                }
            }
            ZoneMessage::SelfState(state) => {
                let newer =
                    |known: &darkages_protocol::SelfState| state.version.wrapping_sub(known.version) as i32 >= 0;
                if self.condition.as_ref().is_none_or(newer) {
                    io.observer.on(Happening::Condition { gold: state.gold });
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
    fn enter<L: Link<Session = S>, O: Observer>(
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
            Some((stale, _)) => self.drop_session(stale, CloseReason::Done, io),
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

    fn snapshot<L: Link<Session = S>, O: Observer>(&mut self, id: S, snapshot: &Snapshot<'_>, io: &mut Io<'_, L, O>) {
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else { return };
        if matches!(session.role, Role::Door) {
            // Before the welcome it is not even known who the own entity is.
            let SnapshotHeader { owner_epoch, applied, .. } = snapshot.header;
            let Stage::Knocks { since, session, .. } = self.stage else { return };
            if session != id || self.own.is_none() || owner_epoch.0 == 0 {
                return;
            }
            self.enter(since, id, owner_epoch.max(self.epoch), applied, io);
        }
        let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) else { return };
        match session.decode(snapshot, &mut self.scratch) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                self.violated(io, Invariant::I7, |player| {
                    let SnapshotHeader { number, tick, .. } = snapshot.header;
                    format!("{}: snapshot {number} of {tick} cannot be decoded: {error}", player.id)
                });
                return;
            }
        }
        let SnapshotHeader { owner_epoch: epoch, .. } = snapshot.header;
        let followed = self.followed == Some(id);
        let newer = epoch > self.epoch;
        // Epoch 0: the zone prepares to take over, or has just handed over.
        if epoch.0 == 0 || (!followed && !newer) {
            return;
        }
        if epoch < self.epoch {
            self.violated(io, Invariant::I5, |player| {
                format!("{}: owner epoch {epoch} after {}", player.id, player.epoch)
            });
            return;
        }
        if !followed {
            self.play_on(id, epoch, io.now);
            self.commands.another_zone();
            if matches!(self.stage, Stage::Leaving { .. }) {
                self.say_goodbye(io);
            }
        }
        self.epoch = epoch;
        self.authoritative(id, &snapshot.header, newer, !followed, io);
    }

    /// Takes what the owner says.
    fn authoritative<L: Link<Session = S>, O: Observer>(
        &mut self,
        id: S,
        header: &SnapshotHeader,
        newer: bool,
        switched: bool,
        io: &mut Io<'_, L, O>,
    ) {
        if header.tick < self.tick {
            self.violated(io, Invariant::I5, |player| {
                format!("{}: {} after {} (owner epoch {})", player.id, header.tick, player.tick, header.owner_epoch)
            });
        }
        self.tick = self.tick.max(header.tick);
        self.heard = io.now;
        self.clock.observe(header.tick, io.now);
        if self.shown == Some(id) {
            self.update_view(header, io);
        } else {
            self.follow_view(id, header, io);
        }
        self.view.expire(header.tick);
        self.take_applied(header.applied, io);
        self.look_at_self(header, newer, io);
        let visible = self.shown_session().map_or(0, |session| session.table.len()) + self.view.carried_len();
        io.observer.on(Happening::Snapshot { number: header.number.0, switched, visible });
    }

    fn take_applied<L: Link<Session = S>, O: Observer>(&mut self, applied: InputSeq, io: &mut Io<'_, L, O>) {
        let observer = &mut *io.observer;
        let acked = self.ring.ack(applied, io.now, |age| observer.on(Happening::Applied { age }));
        match acked {
            Acked::Forward(_) => {}
            Acked::Back(inputs) => {
                io.observer.on(Happening::TakenBack { inputs });
                self.violated(io, Invariant::I4, |player| {
                    format!("{}: applied {applied} after {} was applied", player.id, player.ring.acked())
                });
                // The world is right about what it has applied; what follows is numbered from there.
                self.ring.resume(applied, io.now);
            }
            Acked::NeverMade => self.violated(io, Invariant::I4, |player| {
                format!("{}: applied {applied}, but the newest made is {}", player.id, player.ring.newest())
            }),
        }
    }

    /// Checks across a change of owner that the own entity moved no farther than it can (I9): one step for each tick or
    /// each applied input, whichever are more, because a zone may apply several waiting inputs in one tick.
    fn look_at_self<L: Link<Session = S>, O: Observer>(
        &mut self,
        header: &SnapshotHeader,
        newer: bool,
        io: &mut Io<'_, L, O>,
    ) {
        let Some(state) = self.own.and_then(|own| self.entity(own)).map(|(_, state)| *state) else { return };
        let now = Sight {
            tick: header.tick,
            applied: header.applied.0,
            position: state.position,
            hit_points: state.hit_points,
        };
        if newer && let Some(before) = self.sight.filter(|before| before.hit_points > 0) {
            let ticks = now.tick.since(before.tick) as i64;
            let steps = ticks.max(i64::from(now.applied.wrapping_sub(before.applied) as i32));
            let reach = steps * i64::from(SPRINT_SPEED_M_PER_S * UNITS_PER_METRE) / i64::from(TICK_RATE_HZ) + ROUNDING;
            if before.position.distance_squared(now.position) > reach * reach {
                self.violated(io, Invariant::I9, |player| {
                    format!("{}: from {before:?} to {now:?} across a change of owner", player.id)
                });
            }
        }
        self.sight = Some(now);
    }

    /// The followed zone changed its view.
    fn update_view<L: Link<Session = S>, O: Observer>(&mut self, header: &SnapshotHeader, io: &mut Io<'_, L, O>) {
        let Self { view, scratch, id, .. } = self;
        for gone in &scratch.vanished {
            view.vanished(*gone, header.tick);
        }
        for new in &scratch.appeared {
            if let Some(back) = view.appeared(*new, header.tick) {
                let evidence = format!("{id}: {} vanished at {} and was back at {}", back.id, back.vanished, back.back);
                io.observer.on(Happening::Violated { invariant: Invariant::I6, evidence });
            }
        }
    }

    fn follow_view<L: Link<Session = S>, O: Observer>(
        &mut self,
        id: S,
        header: &SnapshotHeader,
        io: &mut Io<'_, L, O>,
    ) {
        self.shown = Some(id);
        let Self { view, sessions, id: player, .. } = self;
        let Some(session) = sessions.iter().find(|session| session.id == id) else { return };
        view.follow(&session.table, header.tick, |back| {
            let evidence = format!(
                "{player}: {} vanished at {} and was back at {}, in another zone",
                back.id, back.vanished, back.back
            );
            io.observer.on(Happening::Violated { invariant: Invariant::I6, evidence });
        });
    }

    /// Follows a session from now on; the one before keeps the line open for its last words.
    fn play_on(&mut self, id: S, epoch: OwnerEpoch, now: Instant) {
        self.leave_behind();
        for session in &mut self.sessions {
            if session.id == id {
                session.role = Role::Playing;
                session.open = true;
            } else if matches!(session.role, Role::Playing) {
                session.role = Role::Old { until: now + LAST_WORDS };
            }
        }
        self.followed = Some(id);
        self.epoch = epoch;
    }

    /// Carries on what the view shows, because its session is followed no more.
    pub(super) fn leave_behind(&mut self) {
        let shown = self.shown.take();
        if let Some(session) = self.sessions.iter().find(|session| Some(session.id) == shown) {
            self.view.leave_behind(&session.table);
        }
    }

    fn session_mut(&mut self, id: S) -> Option<&mut Session<S>> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    fn violated<L: Link<Session = S>, O: Observer>(
        &self,
        io: &mut Io<'_, L, O>,
        invariant: Invariant,
        evidence: impl FnOnce(&Self) -> String,
    ) {
        io.observer.on(Happening::Violated { invariant, evidence: evidence(self) });
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
