//! What the operator says of a world.

use darkages_topology::map::{MAX_SHARD_ID, MAX_SHARDS};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ShardMap;

/// Operations that a status tells of, at most.
pub const MAX_OPERATIONS: usize = 64;

/// Conditions, at most.
const MAX_CONDITIONS: usize = 16;

/// Shards that one operation concerns, at most.
const MAX_CONCERNED: usize = 2;

/// Types of conditions.
pub mod condition {
    /// Every shard has a zone that takes players in.
    pub const READY: &str = "Ready";
    /// The map or the pods are being changed.
    pub const PROGRESSING: &str = "Progressing";
    /// No cut, merge or moved border is due.
    pub const BALANCED: &str = "Balanced";
    /// A shard has too many players, and no cut would relieve it.
    pub const SPLIT_INFEASIBLE: &str = "SplitInfeasible";
    /// There are not as many shards as are asked for, and why.
    pub const SCALING_LIMITED: &str = "ScalingLimited";
    /// A part of the store does not answer the zones. They play on, and may refuse what must be durable.
    pub const STORE_DEGRADED: &str = "StoreDegraded";
}

/// What the operator says of a world.
#[derive(Clone, Debug, Default, PartialEq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneServerStatus {
    /// The generation of the spec by which the operator acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Shards of the map.
    #[serde(default)]
    #[schemars(range(max = MAX_SHARDS))]
    pub replicas: u32,

    /// Shards whose zone takes players in.
    #[serde(default)]
    #[schemars(range(max = MAX_SHARDS))]
    pub ready_replicas: u32,

    /// Selects the zone pods of this world, for a HorizontalPodAutoscaler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,

    /// Players in the world. Absent while the operator does not know, which is something other than 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players: Option<u32>,

    /// Players that the world takes in, at most: those of all shards together, or `maxPlayers` where that is less.
    #[serde(default)]
    pub capacity: u32,

    /// The shard that has most players.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hottest: Option<Hottest>,

    /// 99th percentile of the time of a tick in the last seconds, in the zone where it is longest, like 4.1ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub tick_p99: Option<Duration>,

    /// The shard map. It has one writer, the operator, and is replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = StructMerge::Atomic)]
    pub topology: Option<ShardMap>,

    /// What is being done to the map, the oldest first. Those beyond 64 are not told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_OPERATIONS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub operations: Vec<Operation>,

    /// How the world is: Ready, Progressing, Balanced, SplitInfeasible, ScalingLimited, StoreDegraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_CONDITIONS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,
}

/// The shard that has most players.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Hottest {
    /// The shard.
    #[schemars(range(min = 1, max = MAX_SHARD_ID))]
    pub shard: u32,
    /// Its players.
    pub players: u32,
}

/// A change of the map whose players are not all where the map says.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What is done.
    pub kind: OperationKind,
    /// How far it is.
    pub phase: OperationPhase,
    /// The shards that it concerns.
    #[schemars(length(max = MAX_CONCERNED), inner(range(min = 1, max = MAX_SHARD_ID)))]
    pub shards: Vec<u32>,
    /// When it was begun.
    pub started_at: Time,
    /// Players that it has moved or has to move.
    pub moved: u32,
    /// Players of these that are not over yet.
    pub left: u32,
    /// Why it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// What is done to the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub enum OperationKind {
    /// A shard is cut in two.
    Split,
    /// Two shards become one.
    Merge,
    /// The border of two shards moves.
    Slide,
    /// The ground of a shard goes to another zone, players on board.
    Move,
    /// A shard without a living zone gets one.
    Assign,
    /// A change that was under way when the operator started.
    Handover,
}

/// How far a change is. One that is over is not told any more, but by an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub enum OperationPhase {
    /// The map has it, and not all zones have the map.
    Committed,
    /// All zones have the map, and players are on their way.
    HandingOver,
}
