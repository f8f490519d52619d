//! One tick: inputs in order and within the credits, then commands in the order in which they came, then the game's own
//! life, then what all of it looks like.

use darkages_topology::Tick;

use crate::codec;
use crate::event::{Deferral, Event, Outcome};
use crate::game::{Game, Subject, Verdict};
use crate::ghost::GHOST_LIFETIME_TICKS;
use crate::input::MAX_INPUTS_PER_TICK;
use crate::motion::SpeedClass;
use crate::population::Players;
use crate::scene::Scene;
use crate::view::EntityView;
use crate::world::{Waiting, World};

/// Ticks without an input after which a player is shown as standing: a fifth of a second, longer than most gaps between
/// datagrams.
pub const STANDING_AFTER_TICKS: u8 = 12;

impl<G: Game> World<G> {
    /// Simulates one tick and puts what happened into `events`, in place of what was there, including what happened between
    /// this tick and the one before. Ticks that the zone skipped count for credits only. A tick that is not later than the
    /// newest is taken as the one after it, so that time never goes back.
    pub fn step(&mut self, tick: Tick, events: &mut Vec<Event<G>>) {
        let next = tick.max(self.scene.tick.plus(1));
        let elapsed = next.since(self.scene.tick);
        self.scene.tick = next;
        self.expire_ghosts();
        self.apply_inputs(elapsed);
        self.run_commands();
        G::tick(&mut self.scene);
        self.refresh_views();
        events.clear();
        std::mem::swap(events, &mut self.scene.outbox);
    }

    /// Every entity that can be seen from this shard, as of the newest tick: the players first, in the order that
    /// [`World::players`] had then, the other own entities next, the ghosts last.
    #[must_use]
    pub fn views(&self) -> &[EntityView] {
        &self.views
    }

    /// The views of the own entities only: what neighbours are shown.
    #[must_use]
    pub fn own_views(&self) -> &[EntityView] {
        &self.views[..self.own_views]
    }

    fn expire_ghosts(&mut self) {
        let scene = &mut self.scene;
        for at in (0..scene.ghosts.len()).rev() {
            scene.ghosts[at].age = scene.ghosts[at].age.saturating_add(1);
            if scene.ghosts[at].age > GHOST_LIFETIME_TICKS {
                scene.remove_ghost(at);
            }
        }
    }

    fn apply_inputs(&mut self, elapsed: u64) {
        let Scene { players, rules, bounds, .. } = &mut self.scene;
        let Players { bodies, inputs, silent, characters, .. } = players;
        for (((body, queue), silent), character) in bodies.iter_mut().zip(inputs).zip(silent).zip(characters.iter()) {
            queue.accrue(elapsed);
            *silent = silent.saturating_add(1);
            for _ in 0..MAX_INPUTS_PER_TICK {
                let Some(value) = queue.pop() else { break };
                *silent = 0;
                body.heading = value.heading;
                let speed = if value.moving { G::speed(rules, character, value) } else { 0 };
                body.speed = match (speed > 0, value.sprinting) {
                    (false, _) => SpeedClass::Standing,
                    (true, false) => SpeedClass::Walking,
                    (true, true) => SpeedClass::Sprinting,
                };
                body.advance(speed, bounds);
            }
            if *silent >= STANDING_AFTER_TICKS {
                body.speed = SpeedClass::Standing;
            }
        }
    }

    fn run_commands(&mut self) {
        std::mem::swap(&mut self.commands, &mut self.spare);
        let mut commands = std::mem::take(&mut self.spare);
        for waiting in commands.drain(..) {
            let event = self.run_command(waiting);
            self.scene.outbox.push(event);
        }
        self.spare = commands;
    }

    fn run_command(&mut self, waiting: Waiting<G::Command>) -> Event<G> {
        let Waiting { player, request, command } = waiting;
        let scene = &mut self.scene;
        let durable = G::is_durable(&command);
        let Some(at) = scene.find_player(player) else {
            return Event::Deferred { player, request, command, why: Deferral::HandingOver };
        };
        scene.players.waiting[at] = scene.players.waiting[at].saturating_sub(1);
        if durable {
            if let Some(outcome) = scene.players.settled[at].outcome(request) {
                return Event::Repeated { player, request, outcome };
            }
            if scene.is_frozen(at) {
                return Event::Deferred { player, request, command, why: Deferral::HandingOver };
            }
        }
        match G::command(scene, at, request, &command) {
            Verdict::Answer(outcome) => Event::Answer { player, request, outcome },
            Verdict::Commit { with, entry } => {
                let outcome = Outcome::Done;
                scene.players.settled[at].note(request, outcome);
                // An entry that is longer than a state is still better committed without its record than not at all.
                let entry = codec::encode(&entry).unwrap_or_default();
                Event::Transaction { player, request, outcome, with, entry }
            }
            Verdict::NeedsSameShard(other) => {
                let why = match scene.find(other) {
                    Some(Subject::Ghost(ghost)) => {
                        Deferral::NeedsSameShard { other, shard: scene.ghost(ghost).from_shard }
                    }
                    Some(_) | None => {
                        return Event::Answer { player, request, outcome: Outcome::UnknownTarget };
                    }
                };
                Event::Deferred { player, request, command, why }
            }
            Verdict::PartyHandingOver(other) => {
                Event::Deferred { player, request, command, why: Deferral::PartyHandingOver { other } }
            }
        }
    }

    pub(crate) fn refresh_views(&mut self) {
        let scene = &self.scene;
        self.views.clear();
        self.views.extend((0..scene.player_count()).map(|at| scene.view(Subject::Player(at))));
        self.views.extend((0..scene.thing_count()).map(|at| scene.view(Subject::Thing(at))));
        self.own_views = self.views.len();
        self.views.extend(scene.ghosts.iter().map(|ghost| ghost.state.view));
    }
}
