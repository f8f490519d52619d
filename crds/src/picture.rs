//! What the acting operator sees of a world, beyond what a status has room for: where everybody stands, ten times a second. It
//! is asked for by the live map and by `kubectl darkages`, as JSON.

use darkages_topology::Topology;
use serde::{Deserialize, Serialize};

/// Bytes of a picture, at most: those of 100,000 players fit.
pub const MAX_PICTURE_BYTES: usize = 8 << 20;

/// The path at which an operator answers with the picture of a world.
#[must_use]
pub fn path(namespace: &str, name: &str) -> String {
    format!("/v1/namespaces/{namespace}/zoneservers/{name}")
}

/// A world at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldPicture {
    /// When it was seen, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Its shard map.
    pub map: Topology,
    /// Players that it takes in, at most.
    pub capacity: u32,
    /// Its zones, also those that stand by.
    pub zones: Vec<ZonePicture>,
    /// What was done to the map lately, the oldest first.
    #[serde(default)]
    pub events: Vec<WorldEvent>,
}

/// Something that was done to a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldEvent {
    /// Its number among those that this operator has seen, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// What, in a word, as the planner calls it.
    pub kind: String,
    /// The shards that it concerns, the one that gives ground first.
    pub shards: Vec<u32>,
    /// What, in a sentence.
    pub text: String,
}

/// A zone at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZonePicture {
    /// Its name, which is that of its pod.
    pub zone: String,
    /// The shard that it is assigned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// What it is doing.
    pub state: ZoneLife,
    /// Whether it has to go.
    pub draining: bool,
    /// 95th percentile of the processor time of its ticks over the last two seconds, in microseconds.
    pub tick_work_p95_us: u32,
    /// 99th percentile of how long its ticks took, over the same.
    pub tick_p99_us: u32,
    /// Players of neighbours that it shows.
    pub ghosts: u32,
    /// Handoffs that it started and that are not over.
    pub open_handoffs: u32,
    /// How long ago it said all this, in milliseconds.
    pub silent_for_ms: u64,
    /// Where its players stand: x and y of each, in 1/64 m.
    pub positions: Vec<[i32; 2]>,
    /// A number for each of them that stays the same from picture to picture.
    pub handles: Vec<u32>,
}

/// What a zone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZoneLife {
    /// It waits for a shard.
    Standby,
    /// It wants the lease of its shard.
    Acquiring,
    /// It serves its shard.
    Serving,
    /// Its shard has no ground any more, and it hands over who is left.
    Retiring,
    /// It has ended.
    Over,
}

impl ZoneLife {
    /// Static label, as JSON has it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Acquiring => "acquiring",
            Self::Serving => "serving",
            Self::Retiring => "retiring",
            Self::Over => "over",
        }
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::Rect;

    use super::*;

    #[test]
    fn a_picture_comes_back_as_it_was_written() {
        let bounds = Rect::from_metres(0.0, 0.0, 400.0, 400.0).expect("a rectangle");
        let zone = ZonePicture {
            zone: "meadow-bcdfg".into(),
            shard: Some(1),
            state: ZoneLife::Serving,
            draining: false,
            tick_work_p95_us: 900,
            tick_p99_us: 1_200,
            ghosts: 3,
            open_handoffs: 0,
            silent_for_ms: 20,
            positions: vec![[64, -64]],
            handles: vec![7],
        };
        let map = Topology::grid(bounds, 2).expect("a map");
        let picture = WorldPicture { unix_ms: 1, map, capacity: 600, zones: vec![zone], events: vec![] };
        let text = serde_json::to_string(&picture).expect("it is written");
        assert!(text.contains(r#""state":"serving""#) && text.contains(r#""positions":[[64,-64]]"#), "{text}");
        let back: WorldPicture = serde_json::from_str(&text).expect("it is read");
        assert_eq!((back.map, back.zones, back.capacity), (picture.map, picture.zones, 600));
    }
}
