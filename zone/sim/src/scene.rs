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
use crate::input::InputQueue;
use crate::mint::Mint;
use crate::motion::{self, Body};
use crate::state::{ActionId, InsertError, PlayerState, SeenActions, Settled, ThingState};
use crate::view::EntityView;

/// Players of one shard, at most.
pub const MAX_PLAYERS: usize = 4_096;

/// Entities without a client on one shard, at most.
pub const MAX_THINGS: usize = 8_192;

pub(crate) type Index<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// The players, one column per use: movement reads only the first few.
pub(crate) struct Players<C> {
    pub(crate) bodies: Vec<Body>,
    pub(crate) inputs: Vec<InputQueue>,
    pub(crate) silent: Vec<u8>,
    pub(crate) ids: Vec<PlayerId>,
    pub(crate) entities: Vec<EntityId>,
    pub(crate) frozen: Vec<bool>,
    pub(crate) waiting: Vec<u8>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) seen: Vec<SeenActions>,
    pub(crate) characters: Vec<C>,
}

/// The entities without a client.
pub(crate) struct Things<T> {
    pub(crate) bodies: Vec<Body>,
    pub(crate) entities: Vec<EntityId>,
    pub(crate) seen: Vec<SeenActions>,
    pub(crate) things: Vec<T>,
}

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

    /// Takes the thing kept at `at` away. The last thing moves into its place.
    pub fn remove_thing(&mut self, at: usize) -> ThingState<G::Thing> {
        let things = &mut self.things;
        let state = ThingState {
            entity: things.entities.swap_remove(at),
            body: things.bodies.swap_remove(at),
            seen: things.seen.swap_remove(at),
            thing: things.things.swap_remove(at),
        };
        self.index.remove(&state.entity);
        if let Some(moved) = self.things.entities.get(at) {
            self.index.insert(*moved, Subject::Thing(at));
        }
        state
    }

    pub(crate) fn insert_thing(&mut self, state: ThingState<G::Thing>) -> Result<usize, InsertError> {
        if !state.is_sound(&self.bounds) || !G::is_sound_thing(&state.thing) {
            return Err(InsertError::Unsound);
        }
        self.make_room(state.entity, self.things.entities.len() < MAX_THINGS)?;
        let ThingState { entity, body, seen, thing } = state;
        let at = self.things.entities.len();
        self.things.entities.push(entity);
        self.things.bodies.push(body);
        self.things.seen.push(seen);
        self.things.things.push(thing);
        self.index.insert(entity, Subject::Thing(at));
        Ok(at)
    }

    pub(crate) fn insert_player(&mut self, state: PlayerState<G::Character>) -> Result<usize, InsertError> {
        if !state.is_sound(&self.bounds) || !G::is_sound(&state.character) {
            return Err(InsertError::Unsound);
        }
        if self.by_player.contains_key(&state.player) {
            return Err(InsertError::AlreadyHere);
        }
        self.make_room(state.entity, self.players.ids.len() < MAX_PLAYERS)?;
        let PlayerState { player, entity, body, silent, last_input, pending, credits, settled, seen, character } =
            state;
        let at = self.players.ids.len();
        self.players.ids.push(player);
        self.players.entities.push(entity);
        self.players.bodies.push(body);
        self.players.inputs.push(InputQueue::new(last_input, &pending, credits));
        self.players.silent.push(silent);
        self.players.frozen.push(false);
        self.players.waiting.push(0);
        self.players.settled.push(settled);
        self.players.seen.push(seen);
        self.players.characters.push(character);
        self.index.insert(entity, Subject::Player(at));
        self.by_player.insert(player, at);
        Ok(at)
    }

    pub(crate) fn capture_player(&self, at: usize) -> PlayerState<G::Character> {
        let Players { bodies, inputs, silent, ids, entities, frozen: _, waiting: _, settled, seen, characters } =
            &self.players;
        PlayerState {
            player: ids[at],
            entity: entities[at],
            body: bodies[at],
            silent: silent[at],
            last_input: inputs[at].last_applied(),
            pending: inputs[at].pending().collect(),
            credits: inputs[at].credits(),
            settled: settled[at].clone(),
            seen: seen[at].clone(),
            character: characters[at].clone(),
        }
    }

    pub(crate) fn capture_thing(&self, at: usize) -> ThingState<G::Thing> {
        ThingState {
            entity: self.things.entities[at],
            body: self.things.bodies[at],
            seen: self.things.seen[at].clone(),
            thing: self.things.things[at].clone(),
        }
    }

    pub(crate) fn remove_player(&mut self, at: usize) -> PlayerState<G::Character> {
        let state = self.capture_player(at);
        let Players { bodies, inputs, silent, ids, entities, frozen, waiting, settled, seen, characters } =
            &mut self.players;
        bodies.swap_remove(at);
        inputs.swap_remove(at);
        silent.swap_remove(at);
        ids.swap_remove(at);
        entities.swap_remove(at);
        frozen.swap_remove(at);
        waiting.swap_remove(at);
        settled.swap_remove(at);
        seen.swap_remove(at);
        characters.swap_remove(at);
        self.index.remove(&state.entity);
        self.by_player.remove(&state.player);
        if let Some(moved) = self.players.ids.get(at) {
            self.by_player.insert(*moved, at);
            self.index.insert(self.players.entities[at], Subject::Player(at));
        }
        state
    }

    pub(crate) fn remove_ghost(&mut self, at: usize) {
        let ghost = self.ghosts.swap_remove(at);
        self.index.remove(&ghost.state.entity());
        if let Some(moved) = self.ghosts.get(at) {
            self.index.insert(moved.state.entity(), Subject::Ghost(at));
        }
    }

    /// Prepares for an own entity: a ghost of it makes way, an own entity of that id does not.
    fn make_room(&mut self, entity: EntityId, has_room: bool) -> Result<(), InsertError> {
        if !has_room {
            return Err(InsertError::Full);
        }
        match self.find(entity) {
            Some(Subject::Player(_) | Subject::Thing(_)) => Err(InsertError::AlreadyHere),
            Some(Subject::Ghost(at)) => {
                self.remove_ghost(at);
                Ok(())
            }
            None => Ok(()),
        }
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

impl<C> Players<C> {
    pub(crate) const fn new() -> Self {
        Self {
            bodies: Vec::new(),
            inputs: Vec::new(),
            silent: Vec::new(),
            ids: Vec::new(),
            entities: Vec::new(),
            frozen: Vec::new(),
            waiting: Vec::new(),
            settled: Vec::new(),
            seen: Vec::new(),
            characters: Vec::new(),
        }
    }
}

impl<T> Things<T> {
    pub(crate) const fn new() -> Self {
        Self { bodies: Vec::new(), entities: Vec::new(), seen: Vec::new(), things: Vec::new() }
    }
}
