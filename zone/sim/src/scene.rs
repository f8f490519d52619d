//! The state of a shard as its game sees it: dense columns of players, things and ghosts, and one index over them.
//!
//! The hash maps are only ever looked up, never walked, and hash with fixed keys: the order in which anything happens is the
//! order of the columns, which a save keeps.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::BuildHasherDefault;

use darkages_topology::{EntityId, PlayerId, Position, Rect, ShardEpoch, Tick};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

use crate::event::Event;
use crate::game::{Game, Subject};
use crate::ghost::{Ghost, GhostState};
use crate::mint::Mint;
use crate::motion::{self, Body};
use crate::population::{MAX_THINGS, Players, Things};
use crate::state::{ActionId, SeenActions, ThingState};
use crate::view::EntityView;

pub(crate) type Index<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// The state of a shard, for the game's rules to read and change.
pub struct Scene<G: Game> {
    /// What the game keeps once per shard.
    pub shard: G::Shard,
    pub(crate) tick: Tick,
    pub(crate) bounds: Rect,
    pub(crate) ground: Rect,
    pub(crate) rules: G::Rules,
    pub(crate) epoch: ShardEpoch,
    pub(crate) rng: Pcg32,
    pub(crate) mint: Mint,
    pub(crate) next_action: u64,
    pub(crate) players: Players<G::Character>,
    pub(crate) things: Things<G::Thing>,
    pub(crate) ghosts: Vec<Ghost>,
    pub(crate) index: Index<EntityId, Subject>,
    pub(crate) by_player: Index<PlayerId, usize>,
    pub(crate) outbox: Vec<Event<G>>,
}

impl<G: Game> Scene<G> {
    /// The tick that is simulated.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// The world's bounds, which nobody leaves.
    #[must_use]
    pub const fn bounds(&self) -> &Rect {
        &self.bounds
    }

    /// The shard's own ground.
    #[must_use]
    pub const fn ground(&self) -> &Rect {
        &self.ground
    }

    /// The operator's numbers.
    #[must_use]
    pub const fn rules(&self) -> &G::Rules {
        &self.rules
    }

    /// A random number below `limit`, 0 when `limit` is 0. The only randomness of a world, part of its state.
    pub fn random_below(&mut self, limit: u32) -> u32 {
        ((u64::from(self.rng.next_u32()) * u64::from(limit)) >> 32) as u32
    }

    /// A new id for an entity or an item, or `None` when this incarnation of the shard has used up its own.
    pub fn mint(&mut self) -> Option<EntityId> {
        self.mint.entity()
    }

    /// Where `entity` is kept, when it can be seen from this shard at all.
    #[must_use]
    pub fn find(&self, entity: EntityId) -> Option<Subject> {
        self.index.get(&entity).copied()
    }

    /// Where `player` is kept, when it is on this shard.
    #[must_use]
    pub fn find_player(&self, player: PlayerId) -> Option<usize> {
        self.by_player.get(&player).copied()
    }

    /// How many players are on this shard.
    #[must_use]
    pub fn player_count(&self) -> usize {
        self.players.ids.len()
    }

    /// How many entities without a client are on this shard.
    #[must_use]
    pub fn thing_count(&self) -> usize {
        self.things.entities.len()
    }

    /// The player kept at `at`.
    #[must_use]
    pub fn player_id(&self, at: usize) -> PlayerId {
        self.players.ids[at]
    }

    /// The entity of the player kept at `at`.
    #[must_use]
    pub fn player_entity(&self, at: usize) -> EntityId {
        self.players.entities[at]
    }

    /// The character of the player kept at `at`.
    #[must_use]
    pub fn character(&self, at: usize) -> &G::Character {
        &self.players.characters[at]
    }

    /// The character of the player kept at `at`, to be changed.
    pub fn character_mut(&mut self, at: usize) -> &mut G::Character {
        &mut self.players.characters[at]
    }

    /// Whether the player kept at `at` is between COMMIT and RELEASE, when nothing durable may be done with it.
    #[must_use]
    pub fn is_frozen(&self, at: usize) -> bool {
        self.players.frozen[at]
    }

    /// The entity of the thing kept at `at`.
    #[must_use]
    pub fn thing_entity(&self, at: usize) -> EntityId {
        self.things.entities[at]
    }

    /// The thing kept at `at`.
    #[must_use]
    pub fn thing(&self, at: usize) -> &G::Thing {
        &self.things.things[at]
    }

    /// The thing kept at `at`, to be changed.
    pub fn thing_mut(&mut self, at: usize) -> &mut G::Thing {
        &mut self.things.things[at]
    }

    /// The thing kept at `at` and its body, to be changed.
    pub fn thing_and_body_mut(&mut self, at: usize) -> (&mut G::Thing, &mut Body) {
        (&mut self.things.things[at], &mut self.things.bodies[at])
    }

    /// The ghost kept at `at`.
    #[must_use]
    pub fn ghost(&self, at: usize) -> &GhostState {
        &self.ghosts[at].state
    }

    /// The place of `subject`.
    #[must_use]
    pub fn position(&self, subject: Subject) -> Position {
        match subject {
            Subject::Player(at) => self.players.bodies[at].position,
            Subject::Thing(at) => self.things.bodies[at].position,
            Subject::Ghost(at) => self.ghosts[at].state.view.position,
        }
    }

    /// Puts the player kept at `at` down at `position`, standing.
    pub fn place_player(&mut self, at: usize, position: Position) {
        self.players.bodies[at].place(position, &self.bounds);
    }

    /// Tells those who see `position` what happened there.
    pub fn tell_around(&mut self, position: Position, what: G::Event) {
        self.outbox.push(Event::Happened { position, what });
    }

    /// Tells one player something.
    pub fn tell(&mut self, player: PlayerId, what: G::Event) {
        self.outbox.push(Event::Told { player, what });
    }

    /// Sends an action to the owner of the ghost kept at `at`.
    pub fn act_on_ghost(&mut self, at: usize, action: &G::Action) {
        // An action longer than a state is a mistake of the game's, and not one that should end the world.
        let Ok(action) = crate::codec::encode(action) else { return };
        let GhostState { view, from_shard, .. } = self.ghosts[at].state;
        let id = ActionId { shard: self.mint.shard(), epoch: self.epoch, number: self.next_action };
        self.next_action += 1;
        let sent = self.tick;
        self.outbox.push(Event::Remote { id, target: view.entity, shard: from_shard, sent, action });
    }

    /// Puts a new thing at `position`, or gives `None` when the shard is full or has no more ids.
    pub fn add_thing(&mut self, position: Position, thing: G::Thing) -> Option<usize> {
        if self.things.entities.len() >= MAX_THINGS {
            return None;
        }
        let entity = self.mint()?;
        let body = Body::at(motion::clamp(position, &self.bounds));
        self.insert_thing(ThingState { entity, body, seen: SeenActions::default(), thing }).ok()
    }

    /// How the own entity `subject` looks; a ghost looks as its owner showed it.
    #[must_use]
    pub fn view(&self, subject: Subject) -> EntityView {
        let (entity, body, look, input) = match subject {
            Subject::Player(at) => (
                self.players.entities[at],
                &self.players.bodies[at],
                G::character_look(self, &self.players.characters[at]),
                self.players.inputs[at].last_applied().0 as u8,
            ),
            Subject::Thing(at) => {
                let look = G::thing_look(self, &self.things.things[at]);
                (self.things.entities[at], &self.things.bodies[at], look, 0)
            }
            Subject::Ghost(at) => return self.ghosts[at].state.view,
        };
        let Body { position, heading, speed, remainder: _ } = *body;
        EntityView {
            entity,
            position,
            heading,
            speed,
            kind: look.kind,
            hit_points: look.hit_points,
            flags: look.flags,
            input,
        }
    }
}
