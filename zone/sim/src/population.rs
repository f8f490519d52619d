//! Who is on a shard: dense columns, and how entities come into them and leave them. The last of a column moves into the gap
//! that a removal leaves, so that the columns stay dense and their order depends on nothing but what was asked for.

use darkages_topology::{EntityId, PlayerId};

use crate::game::{Game, Subject};
use crate::input::InputQueue;
use crate::motion::Body;
use crate::scene::Scene;
use crate::state::{InsertError, PlayerState, SeenActions, Settled, ThingState};

/// Players of one shard, at most.
pub const MAX_PLAYERS: usize = 4_096;

/// Entities without a client on one shard, at most.
pub const MAX_THINGS: usize = 8_192;

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

impl<G: Game> Scene<G> {
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
