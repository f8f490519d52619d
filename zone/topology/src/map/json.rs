//! The JSON form of a map, as the store and `ZoneServer.status` keep it. Decoding is validating: text that is not a map that
//! could have been written is an error that names the field.
//!
//! ```json
//! {
//!   "revision": 2,
//!   "bounds": {"min": {"x": 0, "y": 0}, "max": {"x": 64000, "y": 64000}},
//!   "shards": [
//!     {"id": 1, "bounds": {"min": {"x": 0, "y": 0}, "max": {"x": 32000, "y": 64000}},
//!      "zone": {"zone": "zone-1", "address": "127.0.0.1:7001", "public_key": "<64 hexadecimal digits>"}},
//!     {"id": 2, "bounds": {"min": {"x": 32000, "y": 0}, "max": {"x": 64000, "y": 64000}}, "zone": null}
//!   ],
//!   "retiring": [],
//!   "next_shard": 3
//! }
//! ```
//! Coordinates are in units of 1/64 m. `zone` and `retiring` may be left out. Fields that are not known are ignored, so that a
//! zone can read the map of a newer operator; only the operator writes maps.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Retiring, Shard, Topology, TopologyError, ZoneEndpoint};
use crate::geometry::Rect;
use crate::ids::{Revision, ShardId, ZoneId};

#[derive(Serialize, Deserialize)]
struct Document {
    revision: Revision,
    bounds: Rect,
    shards: Vec<ShardDocument>,
    #[serde(default)]
    retiring: Vec<RetiringDocument>,
    next_shard: ShardId,
}

#[derive(Serialize, Deserialize)]
struct ShardDocument {
    id: ShardId,
    bounds: Rect,
    #[serde(default)]
    zone: Option<ZoneEndpoint>,
}

#[derive(Serialize, Deserialize)]
struct RetiringDocument {
    id: ShardId,
    zone: ZoneEndpoint,
}

#[derive(Serialize, Deserialize)]
struct EndpointDocument {
    zone: ZoneId,
    address: SocketAddr,
    public_key: String,
}

impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { revision, bounds, shards, retiring, next_shard } = self.clone();
        let shards = shards.into_iter().map(|Shard { id, bounds, zone }| ShardDocument { id, bounds, zone }).collect();
        let retiring = retiring.into_iter().map(|Retiring { id, zone }| RetiringDocument { id, zone }).collect();
        Document { revision, bounds, shards, retiring, next_shard }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Topology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::deserialize(deserializer)?.into_map().map_err(de::Error::custom)
    }
}

impl Document {
    fn into_map(self) -> Result<Topology, TopologyError> {
        let Self { revision, bounds, shards, retiring, next_shard } = self;
        let shards = shards.into_iter().map(|ShardDocument { id, bounds, zone }| Shard { id, bounds, zone });
        let retiring = retiring.into_iter().map(|RetiringDocument { id, zone }| Retiring { id, zone });
        Topology::from_parts(revision, bounds, shards.collect(), retiring.collect(), next_shard)
    }
}

impl Serialize for ZoneEndpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { zone, address, public_key } = self.clone();
        let public_key = public_key.iter().fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        });
        EndpointDocument { zone, address, public_key }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ZoneEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let EndpointDocument { zone, address, public_key } = EndpointDocument::deserialize(deserializer)?;
        let public_key = key_from_hex(&public_key)
            .ok_or_else(|| de::Error::custom(format!("public_key of {zone}: give 64 hexadecimal digits")))?;
        Ok(Self { zone, address, public_key })
    }
}

fn key_from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}
