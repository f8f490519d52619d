//! The world of one zone in the model: who is simulated, who is a ghost, and what their states are.

use std::collections::BTreeMap;
use std::rc::Rc;

use darkages_store::{PlayerData, StateVersion};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, PlayerId, Position, Rect, ShardId};

use super::map::Map;
use crate::handoff::{Players, Subject, UnreadableState};

/// Units that a player walks with one input: sprint at 60 Hz, rounded up.
pub const STEP: i32 = 10;

/// Gold and items that every player starts with.
pub const FIRST_GOLD: u32 = 1_000;
pub const FIRST_ITEMS: u32 = 2;

/// What a player owns. Items are bits, so that two owners of one are seen at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goods {
    pub gold: u32,
    pub items: u128,
}

impl Goods {
    pub fn first(player: PlayerId) -> Self {
        let items = ((1 << FIRST_ITEMS) - 1) << (player.0 as u32 * FIRST_ITEMS);
        Self { gold: FIRST_GOLD, items }
    }

    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(20);
        bytes.extend(self.gold.to_le_bytes());
        bytes.extend(self.items.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (gold, items) = bytes.split_at_checked(4)?;
        let gold = u32::from_le_bytes(gold.try_into().ok()?);
        Some(Self { gold, items: u128::from_le_bytes(items.try_into().ok()?) })
    }
}

/// A simulated player.
#[derive(Clone, Debug)]
pub struct Body {
    pub position: Position,
    pub last_input: InputSeq,
    pub version: StateVersion,
    pub goods: Goods,
    /// A transaction is with the store.
    pub is_busy: bool,
    /// Where the driver last wanted the player to be.
    pub wanted: Option<ShardId>,
    pub epoch: OwnerEpoch,
}

/// Something that the machine did to a world, for the checks.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Inserted(Subject),
    Removed(Subject),
}

/// The world of one zone.
#[derive(Debug)]
pub struct ModelWorld {
    pub map: Rc<Map>,
    pub me: ShardId,
    pub players: BTreeMap<PlayerId, Body>,
    pub npcs: BTreeMap<EntityId, Position>,
    /// Ghosts by player: whose, and until which tick they are shown without another frame.
    pub ghosts: BTreeMap<PlayerId, (ShardId, u64)>,
    pub tick: u64,
    pub changes: Vec<Change>,
}

/// A ghost of which nothing is heard is shown so many ticks.
pub const GHOST_TICKS: u64 = 60;

impl ModelWorld {
    pub fn new(map: Rc<Map>) -> Self {
        Self {
            map,
            me: ShardId(0),
            players: BTreeMap::new(),
            npcs: BTreeMap::new(),
            ghosts: BTreeMap::new(),
            tick: 0,
            changes: Vec::new(),
        }
    }

    /// The players that a client here sees, as bits.
    pub fn visible(&self) -> u64 {
        let ghosts = self.ghosts.iter().filter(|(_, (_, until))| *until >= self.tick).map(|(player, _)| player);
        self.players.keys().chain(ghosts).fold(0, |bits, player| bits | 1 << player.0)
    }

    pub fn simulated(&self) -> u64 {
        self.players.keys().fold(0, |bits, player| bits | 1 << player.0)
    }

    pub fn body(&mut self, player: PlayerId) -> Option<&mut Body> {
        self.players.get_mut(&player)
    }
}

impl Players for ModelWorld {
    fn capture(&mut self, subject: Subject) -> Option<PlayerData> {
        match subject {
            Subject::Player(player) => self.players.get(&player).map(|body| PlayerData {
                state: body.goods.encode(),
                version: body.version,
                last_input: body.last_input,
                position: body.position,
            }),
            Subject::Npc(entity) => {
                self.npcs.get(&entity).map(|&position| PlayerData { position, ..PlayerData::default() })
            }
        }
    }

    fn insert(&mut self, subject: Subject, data: &PlayerData, epoch: OwnerEpoch) -> Result<(), UnreadableState> {
        match subject {
            Subject::Player(player) => {
                let goods = Goods::decode(&data.state).ok_or(UnreadableState)?;
                let PlayerData { version, last_input, position, .. } = *data;
                let body = Body { position, last_input, version, goods, is_busy: false, wanted: None, epoch };
                self.players.insert(player, body);
                self.ghosts.remove(&player);
            }
            Subject::Npc(entity) => _ = self.npcs.insert(entity, data.position),
        }
        self.changes.push(Change::Inserted(subject));
        Ok(())
    }

    fn remove(&mut self, subject: Subject, left_to: Option<ShardId>) {
        match subject {
            Subject::Player(player) => {
                self.players.remove(&player);
                if let Some(shard) = left_to {
                    self.ghosts.insert(player, (shard, self.tick + GHOST_TICKS));
                }
            }
            Subject::Npc(entity) => _ = self.npcs.remove(&entity),
        }
        self.changes.push(Change::Removed(subject));
    }

    fn ghost(&mut self, subject: Subject, _: &PlayerData, of: ShardId) {
        if let Subject::Player(player) = subject {
            self.ghosts.insert(player, (of, self.tick + GHOST_TICKS));
        }
    }

    fn fresh(&mut self, player: PlayerId) -> PlayerData {
        PlayerData { state: Goods::first(player).encode(), position: spawn(player), ..PlayerData::default() }
    }

    fn is_busy(&self, player: PlayerId) -> bool {
        self.players.get(&player).is_some_and(|body| body.is_busy)
    }

    fn owner_of(&self, position: Position) -> Option<ShardId> {
        self.map.owner_of(position)
    }

    fn exists(&self, shard: ShardId) -> bool {
        self.map.exists(shard)
    }
}

/// Metres of the world's sides.
pub const SIDE_M: i32 = 60;

/// The ground of the whole world.
pub fn bounds() -> Rect {
    Rect { min: Position::from_metres(0, 0), max: Position::from_metres(SIDE_M, SIDE_M) }
}

/// Where a player enters the world for the first time.
pub fn spawn(player: PlayerId) -> Position {
    let spread = player.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let metres = |bits: u64| (bits % (SIDE_M as u64 - 2)) as i32 + 1;
    Position::from_metres(metres(spread >> 8), metres(spread >> 40))
}

/// Where a player stands after one more input. What an input says follows from its number, so that a repeated one cannot
/// say anything else, and everybody can compute where the player ought to be.
pub fn walk(player: PlayerId, seq: InputSeq, from: Position) -> Position {
    // A heading is kept for half a second to two; a quarter of the time the player stands.
    let stretch = u64::from(seq.0 / 48);
    let mix = (player.0 << 32 ^ stretch).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let (dx, dy) = match (mix >> 59) & 15 {
        0..=2 => (STEP, 0),
        3..=5 => (-STEP, 0),
        6..=8 => (0, STEP),
        9..=11 => (0, -STEP),
        12 => (STEP / 2, STEP / 2),
        13 => (-STEP / 2, -STEP / 2),
        _ => (0, 0),
    };
    let ground = bounds();
    Position {
        x: (from.x + dx).clamp(ground.min.x, ground.max.x - 1),
        y: (from.y + dy).clamp(ground.min.y, ground.max.y - 1),
    }
}
