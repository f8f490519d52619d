//! The shard map as a status keeps it, and the way from and to the one that zones and planner use.
//!
//! Both say the same; this one has the names that Kubernetes wants. A map that is read from a status is looked at as a whole,
//! so that nothing acts by one that does not tile its bounds (invariant I8).

use std::fmt::Write as _;
use std::net::{AddrParseError, SocketAddr};

use darkages_topology::map::{MAX_RETIRING, MAX_SHARD_ID, MAX_SHARDS};
use darkages_topology::world::{MAX_COORDINATE_M, UNITS_PER_METRE};
use darkages_topology::{
    Position, Rect, Retiring, Revision, Shard, ShardId, Topology, TopologyError, ZoneEndpoint, ZoneId,
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The highest number that all readers of JSON have exactly. At a map a second it is reached in 285 million years.
const MAX_REVISION: u64 = (1 << 53) - 1;

/// Farthest coordinate, in units.
const MAX_COORDINATE: i32 = MAX_COORDINATE_M * UNITS_PER_METRE;

/// The shard map: which zone serves which ground.
#[derive(Clone, Debug, PartialEq, Eq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardMap {
    /// One more than that of the map from which it was made.
    #[schemars(range(max = MAX_REVISION))]
    pub revision: u64,
    /// The ground of the whole world.
    pub bounds: Ground,
    /// The shards, which tile the bounds exactly, by ascending id.
    #[schemars(length(min = 1, max = MAX_SHARDS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub shards: Vec<ServedShard>,
    /// Shards without ground whose players are still handed over, by ascending id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_RETIRING))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub retiring: Vec<RetiringShard>,
    /// The id of the next new shard.
    #[schemars(range(min = 1, max = MAX_SHARD_ID + 1))]
    pub next_shard: u32,
}

/// A shard with ground.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct ServedShard {
    /// Its id, never used again.
    #[schemars(range(min = 1, max = MAX_SHARD_ID))]
    pub id: u32,
    /// Its ground.
    pub bounds: Ground,
    /// The zone that serves it; absent while it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
}

/// A shard without ground.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct RetiringShard {
    /// Its id.
    #[schemars(range(min = 1, max = MAX_SHARD_ID))]
    pub id: u32,
    /// The zone that has its players.
    pub zone: Zone,
}

/// A zone, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Name of its pod.
    #[schemars(length(min = 1, max = 253))]
    pub pod: String,
    /// Its UDP address and port.
    #[schemars(length(min = 1, max = 64))]
    pub address: String,
    /// Its static X25519 key, in hexadecimal digits.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]*$"))]
    pub public_key: String,
}

/// A half-open rectangle in units of 1/64 m: `minX` and `minY` belong to it, `maxX` and `maxY` do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ground {
    /// Western edge, in units of 1/64 m.
    #[schemars(range(min = -MAX_COORDINATE, max = MAX_COORDINATE))]
    pub min_x: i32,
    /// Southern edge, in units of 1/64 m.
    #[schemars(range(min = -MAX_COORDINATE, max = MAX_COORDINATE))]
    pub min_y: i32,
    /// Eastern edge, in units of 1/64 m.
    #[schemars(range(min = -MAX_COORDINATE, max = MAX_COORDINATE))]
    pub max_x: i32,
    /// Northern edge, in units of 1/64 m.
    #[schemars(range(min = -MAX_COORDINATE, max = MAX_COORDINATE))]
    pub max_y: i32,
}

/// Why what a status has is no shard map. Messages name the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// An address that is none.
    #[error("status.topology: address of zone {pod}: give an IP address and a port, like 10.0.0.7:7777")]
    Address {
        /// The zone's pod.
        pod: String,
        /// What is wrong with it.
        #[source]
        source: AddrParseError,
    },
    /// A key that is none.
    #[error("status.topology: publicKey of zone {pod}: give 64 hexadecimal digits")]
    Key {
        /// The zone's pod.
        pod: String,
    },
    /// The whole is no map that could have been written.
    #[error("status.topology: {0}")]
    Map(#[from] TopologyError),
}

impl From<&Topology> for ShardMap {
    fn from(map: &Topology) -> Self {
        let served = |shard: &Shard| {
            let Shard { id, bounds, zone } = shard;
            ServedShard { id: id.0, bounds: (*bounds).into(), zone: zone.as_ref().map(Zone::from) }
        };
        let retiring = |retiring: &Retiring| {
            let Retiring { id, zone } = retiring;
            RetiringShard { id: id.0, zone: zone.into() }
        };
        Self {
            revision: map.revision().0,
            bounds: map.bounds().into(),
            shards: map.shards().iter().map(served).collect(),
            retiring: map.retiring().iter().map(retiring).collect(),
            next_shard: map.next_shard().0,
        }
    }
}

impl TryFrom<&ShardMap> for Topology {
    type Error = MapError;

    fn try_from(map: &ShardMap) -> Result<Self, MapError> {
        let ShardMap { revision, bounds, shards, retiring, next_shard } = map;
        let served = |shard: &ServedShard| {
            let ServedShard { id, bounds, zone } = shard;
            let zone = zone.as_ref().map(ZoneEndpoint::try_from).transpose()?;
            Ok::<_, MapError>(Shard { id: ShardId(*id), bounds: (*bounds).into(), zone })
        };
        let without_ground = |retiring: &RetiringShard| {
            let RetiringShard { id, zone } = retiring;
            Ok::<_, MapError>(Retiring { id: ShardId(*id), zone: zone.try_into()? })
        };
        let shards = shards.iter().map(served).collect::<Result<_, _>>()?;
        let retiring = retiring.iter().map(without_ground).collect::<Result<_, _>>()?;
        let map = Self::from_parts(Revision(*revision), (*bounds).into(), shards, retiring, ShardId(*next_shard))?;
        Ok(map)
    }
}

impl From<&ZoneEndpoint> for Zone {
    fn from(endpoint: &ZoneEndpoint) -> Self {
        let ZoneEndpoint { zone, address, public_key } = endpoint;
        let public_key = public_key.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        });
        Self { pod: zone.0.clone(), address: address.to_string(), public_key }
    }
}

impl TryFrom<&Zone> for ZoneEndpoint {
    type Error = MapError;

    fn try_from(zone: &Zone) -> Result<Self, MapError> {
        let Zone { pod, address, public_key } = zone;
        let address: SocketAddr = address.parse().map_err(|source| MapError::Address { pod: pod.clone(), source })?;
        let public_key = key_from_hex(public_key).ok_or_else(|| MapError::Key { pod: pod.clone() })?;
        Ok(Self { zone: ZoneId(pod.clone()), address, public_key })
    }
}

impl From<Rect> for Ground {
    fn from(rect: Rect) -> Self {
        let Rect { min, max } = rect;
        Self { min_x: min.x, min_y: min.y, max_x: max.x, max_y: max.y }
    }
}

impl From<Ground> for Rect {
    /// Of any edges; [`Topology::from_parts`] looks at them.
    fn from(ground: Ground) -> Self {
        let Ground { min_x, min_y, max_x, max_y } = ground;
        Self { min: Position { x: min_x, y: min_y }, max: Position { x: max_x, y: max_y } }
    }
}

fn key_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(key)
}
