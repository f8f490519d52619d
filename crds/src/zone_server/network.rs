//! How a zone is reached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How players and other zones reach a zone, over UDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Which address of a zone everybody is told.
    #[serde(rename = "type")]
    pub type_: NetworkType,
    /// The ports that zones may use; needed unless `type` is PodIP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range: Option<PortRange>,
}

/// Which address of a zone everybody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NetworkType {
    /// That of the pod: for players inside of the cluster's network, or where it is routed to them.
    #[default]
    #[serde(rename = "PodIP")]
    PodIp,
    /// That of the node, with a port of it that is the pod's while it runs.
    HostPort,
    /// That of the node, with a port of a service that each zone has for itself.
    NodePort,
}

/// The first and the last of a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PortRange {
    /// The first one.
    #[schemars(range(min = 1_024))]
    pub min: u16,
    /// The last one.
    #[schemars(range(min = 1_024))]
    pub max: u16,
}
