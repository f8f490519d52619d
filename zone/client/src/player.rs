//! One player's client: a state machine without sockets, clocks or threads.
//!
//! What flows in are sessions that open, speak and close, answers of the directory, controls 60 times a second and the time;
//! what flows out are messages through a [`Link`] and happenings for an [`Observer`]. It plays on one session and holds up
//! to three more: the next zone's while a handoff goes on, and old ones until their last words have come. It follows the
//! first authoritative snapshot with the highest owner epoch (I5) and nothing else.

use std::time::Instant;

use darkages_protocol::{ClientMessage, Command, EntityState, InputDatagram, InputValue, RequestId, SelfState};
use darkages_topology::{EntityId, OwnerEpoch, PlayerId, Position, Tick};
use darkages_transport::Channel;
use rand::SeedableRng;
use rand_pcg::Pcg32;

use crate::clock::TickClock;
pub use crate::happening::{Happening, Observer};
use crate::inputs::InputRing;
pub use crate::link::Link;
use crate::view::View;

mod commands;
mod follow;
mod greet;
mod session;
mod stage;

use commands::Commands;
pub use commands::{MAX_PENDING, TooManyPending};
use session::{Role, Scratch, Session};
use stage::Stage;

/// Sessions of one player at once, at most: the one that it plays on, the next one, and two that are ending.
pub const MAX_SESSIONS: usize = 4;

/// What a call may use: the link, the observer and the time.
pub struct Io<'a, L: Link, O: Observer> {
    /// For sending.
    pub link: &'a mut L,
    /// For telling.
    pub observer: &'a mut O,
    /// The time of this call.
    pub now: Instant,
}

/// What the last authoritative snapshot said about the player itself.
#[derive(Clone, Copy, Debug)]
struct Sight {
    tick: Tick,
    applied: u32,
    position: Position,
    hit_points: u8,
}

/// One player.
#[derive(Debug)]
pub struct Player<S> {
    id: PlayerId,
    stage: Stage<S>,
    sessions: Vec<Session<S>>,
    /// The session whose zone is believed.
    followed: Option<S>,
    /// The session whose table is in view: the followed one, from its first authoritative snapshot on.
    shown: Option<S>,
    epoch: OwnerEpoch,
    /// The newest tick that was shown.
    tick: Tick,
    /// When the owner was heard last.
    heard: Instant,
    /// When this client last looked at the time.
    ticked: Instant,
    ring: InputRing<InputValue>,
    view: View<EntityState>,
    clock: TickClock,
    commands: Commands,
    own: Option<EntityId>,
    sight: Option<Sight>,
    condition: Option<SelfState>,
    scratch: Scratch,
    datagram: Vec<u8>,
    been_inside: bool,
    failures: u32,
    rng: Pcg32,
}

impl<S: Copy + Eq + std::fmt::Debug> Player<S> {
    /// A player who is outside the world. `seed` spreads retries and makes request ids that no other process of this
    /// player has used.
    #[must_use]
    pub fn new(id: PlayerId, seed: u64, now: Instant) -> Self {
        use rand::RngExt;
        let mut rng = Pcg32::seed_from_u64(seed ^ id.0.rotate_left(32));
        let first_request = u64::from(rng.random::<u32>()) << 32;
        Self {
            id,
            stage: Stage::Outside,
            sessions: Vec::with_capacity(MAX_SESSIONS),
            followed: None,
            shown: None,
            epoch: OwnerEpoch(0),
            tick: Tick(0),
            heard: now,
            ticked: now,
            ring: InputRing::default(),
            view: View::default(),
            clock: TickClock::default(),
            commands: Commands::new(first_request),
            own: None,
            sight: None,
            condition: None,
            scratch: Scratch::default(),
            datagram: Vec::new(),
            been_inside: false,
            failures: 0,
            rng,
        }
    }

    /// Makes the input of this 60th of a second and sends it, with all that are not yet acknowledged, to the zone that is
    /// followed and to the next one. `false` when none could be made: the player is not inside or the ring is full.
    pub fn input<L: Link<Session = S>, O: Observer>(&mut self, value: InputValue, io: &mut Io<'_, L, O>) -> bool {
        if !matches!(self.stage, Stage::Inside) {
            return false;
        }
        let made = self.ring.push(value, io.now).is_some();
        self.send_inputs(io);
        made
    }

    /// Repeats what is not yet acknowledged. A player who leaves does so until all is.
    fn send_inputs<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        for session in &mut self.sessions {
            if !session.open || !matches!(session.role, Role::Playing | Role::Next { .. }) {
                continue;
            }
            self.datagram.clear();
            let told = session.tell_decoded();
            if self.ring.is_empty() && told.is_none() {
                continue;
            }
            InputDatagram::encode(self.ring.newest(), self.ring.runs(), told, &mut self.datagram);
            io.link.send(session.id, Channel::Unreliable, &self.datagram, io.now);
        }
    }

    /// Gives a command to the world.
    ///
    /// # Errors
    /// When too many have no answer yet.
    pub fn command<L: Link<Session = S>, O: Observer>(
        &mut self,
        command: Command,
        io: &mut Io<'_, L, O>,
    ) -> Result<RequestId, TooManyPending> {
        let id = self.commands.add(|request| ClientMessage::Command { request, command }.encode())?;
        self.say_commands(io);
        Ok(id)
    }

    fn say_commands<L: Link<Session = S>, O: Observer>(&mut self, io: &mut Io<'_, L, O>) {
        if self.commands.len() == 0 {
            return;
        }
        let Some(session) = self.followed else { return };
        let Io { link, observer, now } = io;
        self.commands.say(
            *now,
            |encoded| link.send(session, Channel::ReliableOrdered, encoded, *now),
            |request| observer.on(Happening::Unanswered { request }),
        );
    }

    /// The player.
    #[must_use]
    pub const fn id(&self) -> PlayerId {
        self.id
    }

    /// Whether a zone simulates the player as far as the client knows.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.stage, Stage::Inside)
    }

    /// Whether the player has left, or was never in.
    #[must_use]
    pub const fn is_outside(&self) -> bool {
        matches!(self.stage, Stage::Outside)
    }

    /// The player's own entity.
    #[must_use]
    pub const fn own(&self) -> Option<EntityId> {
        self.own
    }

    /// Where the player stands, by the newest authoritative snapshot.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.sight.map(|sight| sight.position)
    }

    /// What the player has, by the newest word of a zone.
    #[must_use]
    pub const fn condition(&self) -> Option<&SelfState> {
        self.condition.as_ref()
    }

    /// Commands without an answer.
    #[must_use]
    pub fn pending_commands(&self) -> usize {
        self.commands.len()
    }

    /// The inputs.
    #[must_use]
    pub const fn inputs(&self) -> &InputRing<InputValue> {
        &self.ring
    }

    /// The owner epoch that is followed.
    #[must_use]
    pub const fn epoch(&self) -> OwnerEpoch {
        self.epoch
    }

    /// The world's tick at `now`, as far as this client can know.
    #[must_use]
    pub fn tick_at(&self, now: Instant) -> Option<Tick> {
        self.clock.tick_at(now)
    }

    /// All entities in view with their newest states; those that are carried over from another zone come last.
    pub fn entities(&self) -> impl Iterator<Item = (EntityId, &EntityState)> {
        let shown = self.shown_session().into_iter().flat_map(|session| session.table.iter());
        shown.chain(self.view.iter_carried())
    }

    /// The newest state of an entity and, when the followed zone shows it, the number of the snapshot that brought it.
    #[must_use]
    pub fn entity(&self, id: EntityId) -> Option<(Option<u32>, &EntityState)> {
        let shown = self.shown_session().and_then(|session| session.table.newest(id));
        shown.map(|(number, state)| (Some(number), state)).or_else(|| Some((None, self.view.carried(id)?)))
    }

    fn shown_session(&self) -> Option<&Session<S>> {
        let shown = self.shown?;
        self.sessions.iter().find(|session| session.id == shown)
    }
}
