//! Whom to believe: sessions that open, speak and close, and the change from one owner to the next.

use std::time::{Duration, Instant};

use darkages_protocol::{Snapshot, SnapshotHeader};
use darkages_topology::world::{SPRINT_SPEED_M_PER_S, TICK_RATE_HZ, UNITS_PER_METRE};
use darkages_topology::{InputSeq, OwnerEpoch, PlayerId, Position};

use super::session::{Role, Session};
use super::stage::Stage;
use super::{Happening, Io, Link, Observer, Player, Sight};
use crate::inputs::Acked;
use crate::invariant::Invariant;
use crate::view::Reappeared;

/// How long a session with a zone that owned the player before stays open for its last words.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What a position may be off by rounding, in units: 1/16 m.
const ROUNDING: i64 = 4;

impl<S: Copy + Eq + std::fmt::Debug> Player<S> {
    pub(super) fn snapshot<L: Link<Session = S>, O: Observer>(
        &mut self,
        id: S,
        snapshot: &Snapshot<'_>,
        io: &mut Io<'_, L, O>,
    ) {
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
        self.view.expire(header.tick, header.filling);
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
                // The world is right about what it has applied.
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

    /// The followed zone changed its view. What it takes away while the next zone shows it stays: at the rim of sight the
    /// two need not agree to the tick.
    fn update_view<L: Link<Session = S>, O: Observer>(&mut self, header: &SnapshotHeader, io: &mut Io<'_, L, O>) {
        let place = self.sight.map(|sight| sight.position);
        let Self { view, scratch, sessions, id: player, .. } = self;
        for gone in &scratch.vanished {
            let next = sessions.iter().filter(|session| matches!(session.role, Role::Next { .. }));
            match next.filter_map(|session| session.table.get(*gone)).next() {
                Some(state) => view.carry(*gone, *state, header.tick),
                None => view.vanished(*gone, header.tick),
            }
        }
        let Some(session) = sessions.iter().find(|session| Some(session.id) == self.shown) else { return };
        for new in &scratch.appeared {
            if let Some(back) = view.appeared(*new, header.tick) {
                let evidence = flicker(*player, back, session, place, "");
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
        let place = self.sight.map(|sight| sight.position);
        let Self { view, sessions, id: player, .. } = self;
        let Some(session) = sessions.iter().find(|session| session.id == id) else { return };
        view.follow(&session.table, header.tick, |back| {
            let evidence = flicker(*player, back, session, place, ", in another zone");
            io.observer.on(Happening::Violated { invariant: Invariant::I6, evidence });
        });
    }

    /// Follows a session from now on; the one before keeps the line open for its last words.
    pub(super) fn play_on(&mut self, id: S, epoch: OwnerEpoch, now: Instant) {
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

    pub(super) fn violated<L: Link<Session = S>, O: Observer>(
        &self,
        io: &mut Io<'_, L, O>,
        invariant: Invariant,
        evidence: impl FnOnce(&Self) -> String,
    ) {
        io.observer.on(Happening::Violated { invariant, evidence: evidence(self) });
    }
}

/// What was seen of an entity that came back too soon.
fn flicker<S>(
    player: PlayerId,
    back: Reappeared,
    session: &Session<S>,
    place: Option<Position>,
    circumstance: &str,
) -> String {
    let Reappeared { id, vanished, was_carried, back } = back;
    let how = if was_carried { "was let go" } else { "vanished" };
    let metres = session.table.get(id).zip(place).map_or(f64::NAN, |(state, place)| {
        (state.position.distance_squared(place) as f64).sqrt() / f64::from(UNITS_PER_METRE)
    });
    format!("{player}: {id} {how} at {vanished} and was back at {back}{circumstance}, {metres:.0} m away")
}
