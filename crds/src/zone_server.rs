//! `ZoneServer`: a world, or a rectangle of one, that zone pods serve.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use darkages_topology::map::MAX_SHARDS;

mod ground;
mod limits;
mod map;
mod network;
mod pod;
mod status;
mod storage;

pub use ground::Bounds;
pub use limits::{Merge, Slide, Split};
pub use map::{Ground, MapError, RetiringShard, ServedShard, ShardMap, Zone};
pub use network::{Network, NetworkType, PortRange};
pub use pod::{EnvVar, PodTemplate, Resources};
pub use status::{Hottest, MAX_OPERATIONS, Operation, OperationKind, OperationPhase, ZoneServerStatus, condition};
pub use storage::{SecretKeyRef, Storage};

/// Players that a zone takes in, at most, when nobody says otherwise and zones split at 500 or below.
const LEAST_DEFAULT_CAPACITY: u32 = 1_000;

/// Players that one zone can simulate, at most.
pub const MAX_ZONE_CAPACITY: u32 = 4_096;

/// Players of a world, at most: those of as many full zones as a map can have.
pub const MAX_PLAYERS: u32 = MAX_SHARDS as u32 * MAX_ZONE_CAPACITY;

/// Warm zone pods, at most.
pub const MAX_STANDBY: u32 = 16;

/// What a user wants of a world. Only `world` and `bounds` have to be given.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "darkages.io",
    version = "v1alpha1",
    kind = "ZoneServer",
    namespaced,
    shortname = "zs",
    category = "darkages",
    status = "ZoneServerStatus",
    derive = "PartialEq",
    doc = "A game world whose zones are cut in two, merged and moved while people play in it.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(
        name = "World",
        type_ = "string",
        json_path = ".spec.world",
        description = "The world that is served."
    ),
    printcolumn(
        name = "Zones",
        type_ = "integer",
        json_path = ".status.replicas",
        description = "Shards of the map, each served by one zone."
    ),
    printcolumn(
        name = "Ready",
        type_ = "integer",
        json_path = ".status.readyReplicas",
        description = "Shards whose zone takes players in."
    ),
    printcolumn(
        name = "Players",
        type_ = "integer",
        json_path = ".status.players",
        description = "Players in the world."
    ),
    printcolumn(
        name = "Hottest",
        type_ = "integer",
        json_path = ".status.hottest.players",
        description = "Players of the shard that has most."
    ),
    printcolumn(
        name = "Tick-P99",
        type_ = "string",
        json_path = ".status.tickP99",
        description = "99th percentile of the time of a tick, in the zone where it is longest."
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why the world is ready, or is not."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be at most 40 lower-case letters, digits and hyphens, the first one a letter, because pods and services are named after it"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.merge.maxPlayers < self.split.maxPlayers")
        .message("must be less than split.maxPlayers, or zones would be cut and merged in turn")
        .field_path(".merge.maxPlayers"),
    validation = Rule::new("!has(self.zoneCapacity) || self.zoneCapacity > self.split.maxPlayers")
        .message("must be more than split.maxPlayers, because players come in while a zone is cut")
        .field_path(".zoneCapacity"),
)]
pub struct ZoneServerSpec {
    /// Name of the world in its store: zones and directory find players and items by it. It cannot be changed.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
            .message("must be lower-case letters, digits and hyphens, and begin and end with a letter or a digit"),
        validation = Rule::new("self == oldSelf")
            .message("cannot be changed, because players and items are kept under it: make another ZoneServer"),
    )]
    pub world: String,

    /// The ground of the world, in metres. It may grow, and never shrinks, because players may stand on what would go.
    #[x_kube(
        validation = Rule::new("self.minX < self.maxX").message("minX must be less than maxX: swap them or move one"),
        validation = Rule::new("self.minY < self.maxY").message("minY must be less than maxY: swap them or move one"),
        validation = Rule::new("self.minX <= oldSelf.minX && self.minY <= oldSelf.minY && self.maxX >= oldSelf.maxX && self.maxY >= oldSelf.maxY")
            .message("may only grow, because players may stand on the ground that would go: leave minX and minY as they are or lower them, maxX and maxY or raise them"),
    )]
    pub bounds: Bounds,

    /// Shards at least: zones are not merged below it, and hot ones are cut until there are as many. This is what `kubectl
    /// scale` and a HorizontalPodAutoscaler change; leave it out of manifests where one of them does. Zones with too many
    /// players are cut whatever it says.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = MAX_SHARDS))]
    pub replicas: u32,

    /// When a zone is cut in two.
    #[serde(default)]
    pub split: Split,

    /// When two zones become one.
    #[serde(default)]
    pub merge: Merge,

    /// When the border of two zones moves.
    #[serde(default)]
    pub slide: Slide,

    /// How long a shard rests after it was cut, merged or its border moved, in seconds. A cut because of too many players does
    /// not wait for it.
    #[serde(default = "cooldown_seconds")]
    #[schemars(range(max = limits::MAX_SECONDS))]
    pub cooldown_seconds: u32,

    /// Zone pods that run without a shard, so that a cut, a drained node or a crash never waits for a pod to start.
    #[serde(default = "one")]
    #[schemars(range(max = MAX_STANDBY))]
    pub standby: u32,

    /// Players that one zone takes in, at most. When left out it is twice `split.maxPlayers`, at least 1,000 and at most 4,096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = MAX_ZONE_CAPACITY))]
    pub zone_capacity: Option<u32>,

    /// Players in the world, at most: the directory lets nobody in beyond it. When left out it is what all zones take in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_PLAYERS))]
    pub max_players: Option<u32>,

    /// Where the world is kept. It cannot be changed, because a world in two stores would have two owners for each player.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("cannot be changed, because a world in two stores would have two owners for each player: restore a backup into a world of another ZoneServer"))]
    pub storage: Storage,

    /// How players and other zones reach a zone.
    #[serde(default)]
    #[x_kube(
        validation = Rule::new("self.type == 'PodIP' || has(self.portRange)")
            .message("portRange is needed unless type is PodIP: give the ports that zones may use"),
        validation = Rule::new("self.type != 'PodIP' || !has(self.portRange)")
            .message("portRange does nothing when type is PodIP: remove it, or make type HostPort or NodePort"),
        validation = Rule::new("!has(self.portRange) || self.portRange.min <= self.portRange.max")
            .message("portRange.min must not be more than portRange.max: swap them or move one"),
    )]
    pub network: Network,

    /// What zone pods have beside what they need by themselves. A change moves each shard to a new pod, one at a time, players
    /// on board.
    #[serde(default)]
    pub template: PodTemplate,

    /// Whether the operator leaves the map and the pods as they are. Zones play on, and crashed ones are not replaced.
    #[serde(default)]
    pub paused: bool,
}

impl ZoneServerSpec {
    /// Players that one zone takes in, at most.
    #[must_use]
    pub fn zone_capacity(&self) -> u32 {
        let twice = self.split.max_players.saturating_mul(2);
        self.zone_capacity.unwrap_or(twice.clamp(LEAST_DEFAULT_CAPACITY, MAX_ZONE_CAPACITY))
    }
}

const fn one() -> u32 {
    1
}

const fn cooldown_seconds() -> u32 {
    30
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(split_at: u32, zone_capacity: Option<u32>) -> ZoneServerSpec {
        let spec = serde_json::json!({
            "world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1},
            "split": {"maxPlayers": split_at}, "zoneCapacity": zone_capacity,
        });
        serde_json::from_value(spec).expect("it is one")
    }

    #[test]
    fn a_zone_takes_in_more_than_it_is_cut_at() {
        assert_eq!(spec(10, None).zone_capacity(), 1_000);
        assert_eq!(spec(500, None).zone_capacity(), 1_000);
        assert_eq!(spec(1_500, None).zone_capacity(), 3_000);
        assert_eq!(spec(4_000, None).zone_capacity(), 4_096);
        assert_eq!(spec(500, Some(600)).zone_capacity(), 600);
    }
}
