//! What a studio brings: its rules over the shared world of bodies, inputs and ghosts.
//!
//! The world moves bodies, keeps order and remembers what was done; a game says what a player or a thing *is*, how fast it
//! goes and what a command does. All of a game's own state lives in three types that the world stores, hands over, saves and
//! hashes for it: [`Game::Character`] in each player, [`Game::Thing`] in each other entity and [`Game::Shard`] once per shard.
//! A game has no `self`: whatever it remembers is in there, so nothing is forgotten by a handoff or a save.

use std::fmt::Debug;

use darkages_topology::{EntityId, PlayerId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{Outcome, RequestId};
use crate::input::InputValue;
use crate::scene::Scene;
use crate::view::Kind;

/// A part of the world's state: it is copied, compared and written.
pub trait State: Clone + Debug + PartialEq + Serialize + DeserializeOwned {}
impl<T: Clone + Debug + PartialEq + Serialize + DeserializeOwned> State for T {}

/// How an entity looks, beyond its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// What it is.
    pub kind: Kind,
    /// Its hit points, 0 to 100.
    pub hit_points: u8,
    /// [`FLAG_DEAD`](crate::view::FLAG_DEAD) and [`FLAG_ATTACKING`](crate::view::FLAG_ATTACKING).
    pub flags: u8,
}

/// What a game makes of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<E> {
    /// It was done, or refused; nothing of it needs to be durable.
    Answer(Outcome),
    /// It was done and must be durable before its result is told.
    Commit {
        /// The other player whose state changed.
        with: Option<PlayerId>,
        /// What to record.
        entry: E,
    },
    /// Nothing was done, because the other party is a ghost.
    NeedsSameShard(EntityId),
    /// Nothing was done, because the other party is being handed over.
    PartyHandingOver(EntityId),
}

/// The rules of a world.
pub trait Game: Sized + 'static {
    /// Numbers that the operator sets; the same on all shards.
    type Rules: Clone + Debug;
    /// What it keeps of a player.
    type Character: State;
    /// What it keeps of an entity without a client.
    type Thing: State;
    /// What it keeps once per shard. It is not handed over, so it holds nothing that must be conserved.
    type Shard: State + Default;
    /// What players ask for.
    type Command: State;
    /// What an entity does to one of another shard.
    type Action: State;
    /// What players are told.
    type Event: Clone + Debug + PartialEq;
    /// The record of a durable command.
    type Entry: State;

    /// The character of a player who joins for the first time, or `None` when the shard has no more ids.
    fn new_character(scene: &mut Scene<Self>) -> Option<Self::Character>;

    /// Whether these are numbers that the rules can lead to. What is not, from a broken store or neighbour, is not taken in.
    fn is_sound(character: &Self::Character) -> bool;

    /// The same for an entity without a client.
    fn is_sound_thing(thing: &Self::Thing) -> bool;

    /// Whether a command belongs to something durable: it may end in [`Verdict::Commit`], or prepares what does. Such commands
    /// wait while their player is handed over.
    fn is_durable(command: &Self::Command) -> bool;

    /// Speed of a player who wants to move, in units of 1/64 m a second, 0 when it cannot.
    fn speed(rules: &Self::Rules, character: &Self::Character, input: InputValue) -> i32;

    /// Does what the player at `actor` asks for.
    fn command(
        scene: &mut Scene<Self>,
        actor: usize,
        request: RequestId,
        command: &Self::Command,
    ) -> Verdict<Self::Entry>;

    /// Does to `target`, an own entity, what an entity of another shard did to it. Never called twice for one action.
    fn suffer(scene: &mut Scene<Self>, target: Subject, action: &Self::Action);

    /// Lives one tick, after inputs and commands.
    fn tick(scene: &mut Scene<Self>);

    /// How a player looks.
    fn character_look(scene: &Scene<Self>, character: &Self::Character) -> Look;

    /// How an entity without a client looks.
    fn thing_look(scene: &Scene<Self>, thing: &Self::Thing) -> Look;
}

/// Where an entity is kept: an index that holds until an entity is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Among the players.
    Player(usize),
    /// Among the things.
    Thing(usize),
    /// Among the ghosts.
    Ghost(usize),
}
