//! The simulated world of one incarnation together with the map that the zone knows: what the handoff machine moves players
//! in and out of.
//!
//! What flows in are states from the store and from other zones, what flows out are captures of them. The durable
//! transactions of a player are counted here, because a state without its version cannot be saved.

use std::collections::HashMap;
use std::sync::Arc;

use darkages_sim::codec;
use darkages_sim::{EntityView, Game, GhostState, PlayerState, ThingState, World};
use darkages_store::{PlayerData, StateVersion};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, PlayerId, Position, Rect, ShardId, Tick, Topology};

use crate::handoff::{Players, Subject, UnreadableState};

/// Ways of a player into this zone that are remembered until it is in, at most: as many as a machine expects.
const MAX_EXPECTED: usize = 2_048;

/// Ticks after which nobody is expected any more: longer than any handoff or join takes.
const EXPECTED_TICKS: u64 = 1_800;

/// What is known of a player before this zone acts for it.
#[derive(Clone, Copy, Debug, Default)]
struct Expected {
    /// Where the token wants a new player to start.
    spawn: Option<Position>,
    /// The entity and the newest applied input as of PREPARE.
    known: Option<(EntityId, InputSeq)>,
    /// When it was noted.
    since: Tick,
}

/// The world and the map of one incarnation.
pub struct Hall<G: Game> {
    /// The simulated world.
    pub world: World<G>,
    /// The newest map.
    pub topology: Arc<Topology>,
    shard: ShardId,
    versions: HashMap<PlayerId, StateVersion>,
    /// Durable transactions with the store, by player.
    busy: HashMap<PlayerId, u32>,
    expected: HashMap<PlayerId, Expected>,
}

impl<G: Game> Hall<G> {
    /// The hall of `shard` on this map.
    #[must_use]
    pub fn new(world: World<G>, topology: Arc<Topology>, shard: ShardId) -> Self {
        let (versions, busy, expected) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { world, topology, shard, versions, busy, expected }
    }

    /// The ground of this shard; `None` when it retires.
    #[must_use]
    pub fn ground(&self) -> Option<Rect> {
        self.topology.shard(self.shard).map(|shard| shard.bounds)
    }

    /// Knows a newer map.
    pub fn set_topology(&mut self, topology: Arc<Topology>) {
        self.topology = topology;
        if let Some(ground) = self.ground() {
            self.world.set_ground(ground);
        }
    }

    /// A player who may be new is on its way in; the token says where a new one starts.
    pub fn expect(&mut self, player: PlayerId, spawn: Option<Position>) {
        if let Some(expected) = self.note(player) {
            expected.spawn = spawn;
        }
    }

    /// The entity and the newest applied input of a player who is being handed over to this zone.
    #[must_use]
    pub fn known(&self, player: PlayerId) -> Option<(EntityId, InputSeq)> {
        self.expected.get(&player)?.known
    }

    /// Nothing is expected of this player any more.
    pub fn forget(&mut self, player: PlayerId) {
        self.expected.remove(&player);
    }

    /// Forgets players who were expected long ago and never came.
    pub fn forget_old(&mut self) {
        let now = self.world.tick();
        self.expected.retain(|_, expected| now.since(expected.since) < EXPECTED_TICKS);
    }

    fn note(&mut self, player: PlayerId) -> Option<&mut Expected> {
        if self.expected.len() >= MAX_EXPECTED && !self.expected.contains_key(&player) {
            return None;
        }
        let expected = self.expected.entry(player).or_default();
        expected.since = self.world.tick();
        Some(expected)
    }

    /// Whether nobody has a durable transaction with the store.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.busy.is_empty()
    }

    /// A transaction of the player is with the store from now on.
    pub fn began(&mut self, player: PlayerId) {
        *self.busy.entry(player).or_default() += 1;
    }

    /// It is over; `is_durable` when it took effect.
    pub fn ended(&mut self, player: PlayerId, is_durable: bool) {
        if let Some(count) = self.busy.get_mut(&player) {
            *count -= 1;
            if *count == 0 {
                self.busy.remove(&player);
            }
        }
        if is_durable && let Some(version) = self.versions.get_mut(&player) {
            *version = version.next();
        }
    }

    /// A player's state with everything that the store keeps beside it.
    #[must_use]
    pub fn data(&self, player: PlayerId) -> Option<PlayerData> {
        let state = self.world.capture(player)?;
        let version = self.versions.get(&player).copied().unwrap_or_default();
        data_of(&state, version)
    }

    fn spawn_of(&self, player: PlayerId) -> Position {
        let ground = self.ground().unwrap_or_else(|| self.topology.bounds());
        let wanted = self.expected.get(&player).and_then(|expected| expected.spawn);
        wanted
            .filter(|place| ground.contains(*place))
            .unwrap_or_else(|| Position { x: ground.min.x + ground.width() / 2, y: ground.min.y + ground.height() / 2 })
    }

    fn show_ghost(&mut self, view: EntityView, player: Option<PlayerId>, of: ShardId) {
        let tick = self.world.tick();
        // A full table or an entity of our own shows nothing new; both are fine.
        let _ = self.world.upsert_ghost(GhostState { view, player, from_shard: of, tick });
    }

    fn player_view(&self, state: &PlayerState<G::Character>) -> EntityView {
        let look = G::character_look(self.world.scene(), &state.character);
        let input = state.last_input.0 as u8;
        EntityView {
            entity: state.entity,
            position: state.body.position,
            heading: state.body.heading,
            speed: state.body.speed,
            kind: look.kind,
            hit_points: look.hit_points,
            flags: look.flags,
            input,
        }
    }

    fn thing_view(&self, state: &ThingState<G::Thing>) -> EntityView {
        let look = G::thing_look(self.world.scene(), &state.thing);
        EntityView {
            entity: state.entity,
            position: state.body.position,
            heading: state.body.heading,
            speed: state.body.speed,
            kind: look.kind,
            hit_points: look.hit_points,
            flags: look.flags,
            input: 0,
        }
    }
}

impl<G: Game> Players for Hall<G> {
    fn capture(&mut self, subject: Subject) -> Option<PlayerData> {
        match subject {
            Subject::Player(player) => self.data(player),
            Subject::Npc(entity) => {
                let state = self.world.capture_thing(entity)?;
                let position = state.body.position;
                Some(PlayerData { state: encode(&state)?, position, ..PlayerData::default() })
            }
        }
    }

    fn insert(&mut self, subject: Subject, data: &PlayerData, _owner_epoch: OwnerEpoch) -> Result<(), UnreadableState> {
        match subject {
            Subject::Player(player) => {
                let state = PlayerState::decode(&data.state).map_err(|_| UnreadableState)?;
                if state.player != player {
                    return Err(UnreadableState);
                }
                self.world.insert_player(state).map_err(|_| UnreadableState)?;
                self.versions.insert(player, data.version);
                self.expected.remove(&player);
            }
            Subject::Npc(entity) => {
                let state = ThingState::decode(&data.state).map_err(|_| UnreadableState)?;
                if state.entity != entity {
                    return Err(UnreadableState);
                }
                self.world.insert_thing(state).map_err(|_| UnreadableState)?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, subject: Subject, left_to: Option<ShardId>) {
        let (view, player) = match subject {
            Subject::Player(player) => {
                self.versions.remove(&player);
                let Some(state) = self.world.remove_player(player) else { return };
                (self.player_view(&state), Some(player))
            }
            Subject::Npc(entity) => {
                let Some(state) = self.world.remove_thing(entity) else { return };
                (self.thing_view(&state), None)
            }
        };
        if let Some(shard) = left_to {
            self.show_ghost(view, player, shard);
        }
    }

    fn ghost(&mut self, subject: Subject, data: &PlayerData, of: ShardId) {
        match subject {
            Subject::Player(player) => {
                let Ok(state) = PlayerState::<G::Character>::decode(&data.state) else { return };
                if let Some(expected) = self.note(player) {
                    expected.known = Some((state.entity, state.last_input));
                }
                self.show_ghost(self.player_view(&state), Some(player), of);
            }
            Subject::Npc(_) => {
                let Ok(state) = ThingState::<G::Thing>::decode(&data.state) else { return };
                self.show_ghost(self.thing_view(&state), None, of);
            }
        }
    }

    fn fresh(&mut self, player: PlayerId) -> PlayerData {
        let place = self.spawn_of(player);
        let state = self.world.new_player(player, place);
        // Without an id left the empty state cannot be read, so the machine does not take the player in.
        state.and_then(|state| data_of(&state, StateVersion::default())).unwrap_or_default()
    }

    fn is_busy(&self, player: PlayerId) -> bool {
        self.busy.contains_key(&player)
    }

    fn owner_of(&self, position: Position) -> Option<ShardId> {
        self.topology.owner_of(position).map(|shard| shard.id)
    }

    fn exists(&self, shard: ShardId) -> bool {
        self.topology.shard(shard).is_some() || self.topology.is_retiring(shard)
    }
}

fn encode<T: serde::Serialize>(state: &T) -> Option<Vec<u8>> {
    codec::encode(state).inspect_err(|error| tracing::error!(%error, "a state cannot be written")).ok()
}

fn data_of<C: serde::Serialize + serde::de::DeserializeOwned>(
    state: &PlayerState<C>,
    version: StateVersion,
) -> Option<PlayerData> {
    let (last_input, position) = (state.last_input, state.body.position);
    Some(PlayerData { state: encode(state)?, version, last_input, position })
}
