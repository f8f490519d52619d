//! One shard's world as its zone sees it: players come and go, inputs and commands flow in, a tick flows out as events and
//! views.
//!
//! Deterministic: the same configuration and the same calls give the same state, on every machine, whether or not the world
//! was saved and loaded in between ([`World::state_hash`] shows it). The zone supplies all that is not: which tick it is and
//! what arrived before it.

use darkages_topology::{EntityId, InputSeq, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::SeedableRng;

use crate::event::{Outcome, RequestId};
use crate::game::{Game, Subject};
use crate::input::{InputRefused, InputValue, MAX_CREDITS};
use crate::mint::{Mint, MintError};
use crate::motion::Body;
use crate::population::{Players, Things};
use crate::scene::{Index, Scene};
use crate::state::{InsertError, PlayerState, SeenActions, Settled, ThingState};
use crate::view::EntityView;

/// Commands of one player that wait for the next tick, at most.
pub const MAX_WAITING_COMMANDS: u8 = 16;

/// What makes a world.
#[derive(Clone, Debug)]
pub struct WorldConfig<R> {
    /// The whole world's bounds, which nobody leaves.
    pub bounds: Rect,
    /// The shard's own ground.
    pub ground: Rect,
    /// The shard.
    pub shard: ShardId,
    /// Its incarnation, so that no id is ever made twice.
    pub epoch: ShardEpoch,
    /// Where all randomness comes from.
    pub seed: u64,
    /// The game's numbers.
    pub rules: R,
}

/// Why a command was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefused {
    /// The player is not on this shard.
    #[error("the player is not on this shard")]
    NotHere,
    /// [`MAX_WAITING_COMMANDS`] wait already.
    #[error("too many commands wait")]
    Full,
}

impl CommandRefused {
    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not_here",
            Self::Full => "full",
        }
    }
}

/// A command that waits for the next tick.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Waiting<C> {
    pub(crate) player: PlayerId,
    pub(crate) request: RequestId,
    pub(crate) command: C,
}

/// One shard's world.
pub struct World<G: Game> {
    pub(crate) scene: Scene<G>,
    pub(crate) commands: Vec<Waiting<G::Command>>,
    /// The other half of `commands`, so that a tick can walk one while the zone's next calls fill the other.
    pub(crate) spare: Vec<Waiting<G::Command>>,
    pub(crate) views: Vec<EntityView>,
    pub(crate) own_views: usize,
}

impl<G: Game> World<G> {
    /// An empty world.
    ///
    /// # Errors
    /// When this incarnation of the shard can make no ids.
    pub fn new(config: WorldConfig<G::Rules>) -> Result<Self, MintError> {
        let WorldConfig { bounds, ground, shard, epoch, seed, rules } = config;
        // Two shards of one seed must not roll the same dice.
        let stream = u64::from(shard.0) << 32 ^ epoch.0;
        let scene = Scene {
            shard: G::Shard::default(),
            tick: Tick::default(),
            bounds,
            ground,
            rules,
            epoch,
            rng: Pcg32::seed_from_u64(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            mint: Mint::new(shard, epoch)?,
            next_action: 0,
            players: Players::new(),
            things: Things::new(),
            ghosts: Vec::new(),
            index: Index::default(),
            by_player: Index::default(),
            outbox: Vec::new(),
        };
        Ok(Self { scene, commands: Vec::new(), spare: Vec::new(), views: Vec::new(), own_views: 0 })
    }

    /// The state as the game sees it, to be read.
    #[must_use]
    pub const fn scene(&self) -> &Scene<G> {
        &self.scene
    }

    /// The newest tick that was simulated.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.scene.tick
    }

    /// Gives the shard other ground. Nobody moves; the zone hands over who stands outside.
    pub fn set_ground(&mut self, ground: Rect) {
        self.scene.ground = ground;
    }

    /// The state of a player who joins for the first time at the place nearest to `position`, not yet inserted: the zone
    /// inserts it once its record is in the store. `None` when this incarnation has no more ids. The
    /// default game counts the player's gold and items as created now, so ask once per record that is really made.
    pub fn new_player(&mut self, player: PlayerId, position: Position) -> Option<PlayerState<G::Character>> {
        let entity = self.scene.mint()?;
        let character = G::new_character(&mut self.scene)?;
        Some(PlayerState {
            player,
            entity,
            body: Body::at(crate::motion::clamp(position, &self.scene.bounds)),
            silent: 0,
            last_input: InputSeq::default(),
            pending: Vec::new(),
            credits: MAX_CREDITS,
            settled: Settled::default(),
            seen: SeenActions::default(),
            character,
        })
    }

    /// Takes a player in. A ghost of it makes way.
    ///
    /// # Errors
    /// When it is here already, the shard is full or the state is not one that a zone writes.
    pub fn insert_player(&mut self, state: PlayerState<G::Character>) -> Result<(), InsertError> {
        self.scene.insert_player(state).map(|_| ())
    }

    /// Gives a player up. Its waiting commands come back deferred with the next tick.
    pub fn remove_player(&mut self, player: PlayerId) -> Option<PlayerState<G::Character>> {
        let at = self.scene.find_player(player)?;
        Some(self.scene.remove_player(at))
    }

    /// A copy of all of a player.
    #[must_use]
    pub fn capture(&self, player: PlayerId) -> Option<PlayerState<G::Character>> {
        self.scene.find_player(player).map(|at| self.scene.capture_player(at))
    }

    /// The players on this shard. The order is that of the first views.
    #[must_use]
    pub fn players(&self) -> &[PlayerId] {
        &self.scene.players.ids
    }

    /// Whether the player is on this shard.
    #[must_use]
    pub fn has_player(&self, player: PlayerId) -> bool {
        self.scene.find_player(player).is_some()
    }

    /// What the game keeps of a player.
    #[must_use]
    pub fn character(&self, player: PlayerId) -> Option<&G::Character> {
        self.scene.find_player(player).map(|at| self.scene.character(at))
    }

    /// A player's entity.
    #[must_use]
    pub fn entity_of(&self, player: PlayerId) -> Option<EntityId> {
        self.scene.find_player(player).map(|at| self.scene.player_entity(at))
    }

    /// A player's place.
    #[must_use]
    pub fn position_of(&self, player: PlayerId) -> Option<Position> {
        self.scene.find_player(player).map(|at| self.scene.position(Subject::Player(at)))
    }

    /// The newest input of a player that was applied.
    #[must_use]
    pub fn last_input(&self, player: PlayerId) -> Option<InputSeq> {
        self.scene.find_player(player).map(|at| self.scene.players.inputs[at].last_applied())
    }

    /// The newest input of a player that was taken, whether it waits or was applied.
    #[must_use]
    pub fn newest_input(&self, player: PlayerId) -> Option<InputSeq> {
        self.scene.find_player(player).map(|at| self.scene.players.inputs[at].newest())
    }

    /// The entities without a client on this shard and where they stand.
    pub fn things(&self) -> impl Iterator<Item = (EntityId, Position)> + '_ {
        let things = &self.scene.things;
        things.entities.iter().zip(&things.bodies).map(|(entity, body)| (*entity, body.position))
    }

    /// Takes in an entity without a client. A ghost of it makes way.
    ///
    /// # Errors
    /// When it is here already, the shard is full or the state is not one that a zone writes.
    pub fn insert_thing(&mut self, state: ThingState<G::Thing>) -> Result<(), InsertError> {
        self.scene.insert_thing(state).map(|_| ())
    }

    /// A copy of all of an entity without a client.
    #[must_use]
    pub fn capture_thing(&self, entity: EntityId) -> Option<ThingState<G::Thing>> {
        match self.scene.find(entity)? {
            Subject::Thing(at) => Some(self.scene.capture_thing(at)),
            Subject::Player(_) | Subject::Ghost(_) => None,
        }
    }

    /// Gives up an entity without a client.
    pub fn remove_thing(&mut self, entity: EntityId) -> Option<ThingState<G::Thing>> {
        match self.scene.find(entity)? {
            Subject::Thing(at) => Some(self.scene.remove_thing(at)),
            Subject::Player(_) | Subject::Ghost(_) => None,
        }
    }

    /// Queues a player's input for the next ticks. Inputs are taken in order only: `seq` has to be the number after the
    /// newest that was queued.
    ///
    /// # Errors
    /// When it is not the next or the queue is full; nothing is lost then, because a client repeats what was not applied.
    pub fn queue_input(&mut self, player: PlayerId, seq: InputSeq, value: InputValue) -> Result<(), InputRefused> {
        let at = self.scene.find_player(player).ok_or(InputRefused::NotHere)?;
        self.scene.players.inputs[at].push(seq, value)
    }

    /// Goes on after the input `seq` without those up to it, which never come: the player's client had been told that they were
    /// applied, and the state that had them was lost in a crash. Does nothing while inputs wait, or when `seq` is not ahead.
    /// Says how many are left out.
    pub fn skip_inputs(&mut self, player: PlayerId, seq: InputSeq) -> u32 {
        self.scene.find_player(player).map_or(0, |at| self.scene.players.inputs[at].skip_to(seq))
    }

    /// Queues a player's command for the next tick, which answers it with exactly one event.
    ///
    /// # Errors
    /// When the player is not here or has too many commands waiting.
    pub fn queue_command(
        &mut self,
        player: PlayerId,
        request: RequestId,
        command: G::Command,
    ) -> Result<(), CommandRefused> {
        let at = self.scene.find_player(player).ok_or(CommandRefused::NotHere)?;
        let waiting = &mut self.scene.players.waiting[at];
        if *waiting >= MAX_WAITING_COMMANDS {
            return Err(CommandRefused::Full);
        }
        *waiting += 1;
        self.commands.push(Waiting { player, request, command });
        Ok(())
    }

    /// What became of a durable request of a player on this shard; `None` when it was not done. It may not be durable yet.
    #[must_use]
    pub fn settled(&self, player: PlayerId, request: RequestId) -> Option<Outcome> {
        self.scene.find_player(player).and_then(|at| self.scene.players.settled[at].outcome(request))
    }

    /// Starts no durable action with the player from now on (or again, with `false`): it is between COMMIT and RELEASE.
    pub fn freeze(&mut self, player: PlayerId, frozen: bool) {
        if let Some(at) = self.scene.find_player(player) {
            self.scene.players.frozen[at] = frozen;
        }
    }
}
