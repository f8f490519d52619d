//! The shard map: which zone serves which ground.
//!
//! Operations flow in, whole new maps flow out. A [`Topology`] can only be made by [`Topology::whole`], [`Topology::grid`],
//! an operation on another one, or from its parts; each of these checks [`Topology::validate`], so every value of the type
//! tiles its bounds exactly (invariant I8) and its shards are the leaves of a k-d tree.
//!
//! A map never says who owns a player; the owner record in the store does. The map says where a player belongs, and zones
//! hand players over until the two agree.

use std::net::SocketAddr;

use crate::geometry::{Position, Rect};
use crate::ids::{Revision, ShardId, ZoneId};
use crate::world::UNITS_PER_METRE;

mod change;
mod check;
mod json;

pub use check::TopologyError;

/// Shards of one map, at most. Checking a map takes time that grows with the square of their number, and a world of this
/// many full zones holds half a million players.
pub const MAX_SHARDS: usize = 1024;

/// Shards without ground whose players are still being handed over, at most. Each keeps a zone busy, so more than this
/// means that handing over does not work and that moving more zones would make it worse.
pub const MAX_RETIRING: usize = 1024;

/// Shard ids that a world can use in its life: an entity's id has 24 bits for the shard that made it.
pub const MAX_SHARD_ID: u32 = (1 << 24) - 1;

/// Where a zone process is reached, and the key by which its peers and clients know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ZoneEndpoint {
    /// The zone process.
    pub zone: ZoneId,
    /// Where it receives datagrams.
    pub address: SocketAddr,
    /// Its static X25519 key.
    pub public_key: [u8; 32],
}

/// A rectangle of the world and the zone that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name, never used again for other ground.
    pub id: ShardId,
    /// Its ground.
    pub bounds: Rect,
    /// The zone that serves it, or `None` while it waits for one.
    pub zone: Option<ZoneEndpoint>,
}

/// A shard that owns no ground any more: its zone hands every player over to the owner of the ground it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retiring {
    /// The shard.
    pub id: ShardId,
    /// The zone that still holds its players.
    pub zone: ZoneEndpoint,
}

/// A shard map. See the module for what always holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    revision: Revision,
    bounds: Rect,
    shards: Vec<Shard>,
    retiring: Vec<Retiring>,
    next_shard: ShardId,
}

impl Topology {
    /// Number of this map: one more than that of the map that it was made from.
    #[must_use]
    pub const fn revision(&self) -> Revision {
        self.revision
    }

    /// The ground of the whole world.
    #[must_use]
    pub const fn bounds(&self) -> Rect {
        self.bounds
    }

    /// The shards, by ascending id.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shards that own no ground but whose players are not over yet, by ascending id.
    #[must_use]
    pub fn retiring(&self) -> &[Retiring] {
        &self.retiring
    }

    /// The id that the next new shard gets.
    #[must_use]
    pub const fn next_shard(&self) -> ShardId {
        self.next_shard
    }

    /// The shard with this id, unless it is retiring or gone.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&Shard> {
        self.index(id).map(|index| &self.shards[index])
    }

    /// Whether this shard has lost its ground and still holds players.
    #[must_use]
    pub fn is_retiring(&self, id: ShardId) -> bool {
        self.retiring.binary_search_by_key(&id, |retiring| retiring.id).is_ok()
    }

    /// Where the zone of this shard is reached, retiring shards included.
    #[must_use]
    pub fn endpoint(&self, id: ShardId) -> Option<&ZoneEndpoint> {
        match self.retiring.binary_search_by_key(&id, |retiring| retiring.id) {
            Ok(index) => Some(&self.retiring[index].zone),
            Err(_) => self.shard(id)?.zone.as_ref(),
        }
    }

    /// The shard, retiring ones included, that this zone serves.
    #[must_use]
    pub fn served_by(&self, zone: &ZoneId) -> Option<ShardId> {
        let active = self.shards.iter().find(|shard| shard.zone.as_ref().is_some_and(|at| at.zone == *zone));
        let retiring = || self.retiring.iter().find(|retiring| retiring.zone.zone == *zone);
        active.map(|shard| shard.id).or_else(|| retiring().map(|retiring| retiring.id))
    }

    /// The shard whose ground this is, or `None` beyond the bounds of the world.
    #[must_use]
    pub fn owner_of(&self, position: Position) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.bounds.contains(position))
    }

    /// The other shards with ground at most `within` metres from the ground of `shard`, by ascending id. Empty when `shard`
    /// has no ground.
    #[must_use]
    pub fn neighbours(&self, shard: ShardId, within: i32) -> Vec<&Shard> {
        let Some(own) = self.shard(shard) else { return Vec::new() };
        let reach = i64::from(within) * i64::from(UNITS_PER_METRE);
        let near = |other: &&Shard| other.id != shard && own.bounds.gap_squared(&other.bounds) <= reach * reach;
        self.shards.iter().filter(near).collect()
    }

    /// The pairs of shards that could become one, lower id first: their union is a rectangle and the rest stays a k-d tree.
    #[must_use]
    pub fn siblings(&self) -> Vec<(ShardId, ShardId)> {
        let mut pairs = Vec::new();
        for (index, first) in self.shards.iter().enumerate() {
            for second in &self.shards[index + 1..] {
                if self.can_join(first, second) {
                    pairs.push((first.id, second.id));
                }
            }
        }
        pairs
    }

    fn can_join(&self, first: &Shard, second: &Shard) -> bool {
        let Some(joined) = first.bounds.joined(&second.bounds) else { return false };
        let others = self.shards.iter().filter(|shard| shard.id != first.id && shard.id != second.id);
        let rectangles = others.map(|shard| shard.bounds).chain([joined]).collect();
        check::is_guillotine(rectangles)
    }

    fn index(&self, id: ShardId) -> Option<usize> {
        self.shards.binary_search_by_key(&id, |shard| shard.id).ok()
    }
}
