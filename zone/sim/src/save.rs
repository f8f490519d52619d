//! A whole world as bytes and as one number. Every column in its order, so that a loaded world goes on exactly as the saved
//! one would have.

use darkages_topology::{PlayerId, ShardEpoch, ShardId, Tick};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError, MAX_WORLD_BYTES};
use crate::game::{Game, Subject};
use crate::ghost::Ghost;
use crate::mint::{Mint, MintError};
use crate::state::{InsertError, PlayerState, ThingState};
use crate::world::{Waiting, World, WorldConfig};

/// All of a world but its configuration.
#[derive(Serialize, Deserialize)]
struct Saved<C, T, S, K> {
    shard: ShardId,
    epoch: ShardEpoch,
    tick: Tick,
    rng: Pcg32,
    mint: Mint,
    next_action: u64,
    state: S,
    players: Vec<PlayerState<C>>,
    frozen: Vec<PlayerId>,
    things: Vec<ThingState<T>>,
    ghosts: Vec<Ghost>,
    commands: Vec<Waiting<K>>,
}

/// Why a saved world cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no world of this version and game.
    #[error("read the saved world")]
    Codec(#[from] CodecError),
    /// The world of another shard.
    #[error("the saved world is of {found}, not of {wanted}")]
    OtherShard {
        /// The shard that was saved.
        found: ShardId,
        /// The shard that the configuration names.
        wanted: ShardId,
    },
    /// This incarnation of the shard can make no ids.
    #[error("prepare the ids of the shard")]
    Mint(#[from] MintError),
    /// An entity that is not sound or there twice.
    #[error("put the saved entities back")]
    Entity(#[from] InsertError),
}

impl LoadError {
    /// The reason code.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Codec(error) => error.label(),
            Self::OtherShard { .. } => "other_shard",
            Self::Mint(_) => "ids_used_up",
            Self::Entity(error) => error.label(),
        }
    }
}

impl<G: Game> World<G> {
    /// The bytes of the whole world, to be called right after a tick: what was only told between ticks is not in them.
    ///
    /// # Errors
    /// When the world takes more than [`MAX_WORLD_BYTES`].
    pub fn save(&self) -> Result<Vec<u8>, CodecError> {
        let scene = &self.scene;
        let frozen = (0..scene.player_count()).filter(|at| scene.is_frozen(*at)).map(|at| scene.player_id(at));
        codec::encode_within::<_, MAX_WORLD_BYTES>(&Saved {
            shard: scene.mint.shard(),
            epoch: scene.epoch,
            tick: scene.tick,
            rng: scene.rng.clone(),
            mint: scene.mint.clone(),
            next_action: scene.next_action,
            state: scene.shard.clone(),
            players: (0..scene.player_count()).map(|at| scene.capture_player(at)).collect(),
            frozen: frozen.collect(),
            things: (0..scene.thing_count()).map(|at| scene.capture_thing(at)).collect(),
            ghosts: scene.ghosts.clone(),
            commands: self.commands.clone(),
        })
    }

    /// The world that was saved. Under a new incarnation of its shard it makes ids of that incarnation; the seed of the
    /// configuration counts for new worlds only.
    ///
    /// # Errors
    /// When the bytes are not the world of this shard, version and game.
    pub fn load(config: WorldConfig<G::Rules>, bytes: &[u8]) -> Result<Self, LoadError> {
        type SavedOf<G> = Saved<<G as Game>::Character, <G as Game>::Thing, <G as Game>::Shard, <G as Game>::Command>;
        let saved: SavedOf<G> = codec::decode_within::<_, MAX_WORLD_BYTES>(bytes)?;
        let Saved { shard, epoch, tick, rng, mint, next_action, state, players, frozen, things, ghosts, commands } =
            saved;
        if shard != config.shard {
            return Err(LoadError::OtherShard { found: shard, wanted: config.shard });
        }
        let same_incarnation = epoch == config.epoch;
        let mut world = Self::new(config)?;
        let scene = &mut world.scene;
        scene.tick = tick;
        scene.rng = rng;
        scene.shard = state;
        if same_incarnation {
            scene.mint = mint;
            scene.next_action = next_action;
        }
        for player in players {
            scene.insert_player(player)?;
        }
        for thing in things {
            scene.insert_thing(thing)?;
        }
        for ghost in ghosts {
            if scene.index.insert(ghost.state.entity(), Subject::Ghost(scene.ghosts.len())).is_some() {
                return Err(InsertError::AlreadyHere.into());
            }
            scene.ghosts.push(ghost);
        }
        for player in frozen {
            world.freeze(player, true);
        }
        for Waiting { player, request, command } in commands {
            // One that is refused here belonged to a player who had left already.
            let _ = world.queue_command(player, request, command);
        }
        world.refresh_views();
        Ok(world)
    }

    /// One number for the whole state: FNV-1a of what [`World::save`] writes. Worlds that differ have different ones for all
    /// practical purposes.
    ///
    /// # Errors
    /// When the world takes more than [`MAX_WORLD_BYTES`].
    pub fn state_hash(&self) -> Result<u64, CodecError> {
        Ok(codec::fnv1a(&self.save()?))
    }
}
