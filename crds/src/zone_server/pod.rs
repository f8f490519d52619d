//! What users may say of zone pods.
//!
//! A set of fields and no whole pod template: the operator answers for the rest (security context, probes, ports, volumes,
//! how a pod ends), and a field that it would have to overrule would be a trap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, EnvVarSource, LocalObjectReference, Toleration, TopologySpreadConstraint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labels and annotations of a pod, at most, each; labels by which it chooses its node, too.
const MAX_LABELS: usize = 64;

/// Tolerations, at most.
const MAX_TOLERATIONS: usize = 32;

/// Rules by which pods are spread, at most.
const MAX_SPREAD: usize = 8;

/// Environment variables, at most.
const MAX_ENV: usize = 64;

/// Secrets for pulling the image, at most.
const MAX_PULL_SECRETS: usize = 8;

/// Kinds of resources, at most.
const MAX_RESOURCES: usize = 16;

/// What zone pods have beside what they need by themselves.
#[derive(Clone, Debug, Default, PartialEq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Image of the zone server. When left out it is the one of the operator's own release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_024))]
    pub image: Option<String>,

    /// Secrets for pulling the image, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_PULL_SECRETS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// Processor and memory of the zone server. A full zone of 500 players wants a core of its own.
    #[serde(default)]
    pub resources: Resources,

    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MAX_LABELS))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that zone pods bear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_TOLERATIONS))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tolerations: Vec<Toleration>,

    /// Which nodes and which pods zone pods are to be near or far from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// How zone pods are spread over nodes and failure domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_SPREAD))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Priority of zone pods, by its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,

    /// Further labels of zone pods. Those of darkages.io are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MAX_LABELS))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('darkages.io/'))")
        .message("must not have labels of darkages.io, by which the operator finds its pods: take another prefix"))]
    pub labels: BTreeMap<String, String>,

    /// Further annotations of zone pods. Those of darkages.io are the operator's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MAX_LABELS))]
    #[x_kube(validation = Rule::new("self.all(key, !key.startsWith('darkages.io/'))")
        .message("must not have annotations of darkages.io, which are the operator's: take another prefix"))]
    pub annotations: BTreeMap<String, String>,

    /// Further environment variables of the zone server, like RUST_LOG. Those that begin with DARKAGES_ are the operator's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ENV))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".to_owned()]),
        validation = Rule::new("self.all(variable, !variable.name.startsWith('DARKAGES_'))")
            .message("must not have variables that begin with DARKAGES_, which are the operator's: take another name"),
        validation = Rule::new("self.all(variable, !(has(variable.value) && has(variable.valueFrom)))")
            .message("has a variable with both value and valueFrom: remove one of them"),
    )]
    pub env: Vec<EnvVar>,
}

/// What a pod asks for and what it is held to.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// What is set aside for it on its node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MAX_RESOURCES))]
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use, at most. A zone that is held to less processor than it needs has late ticks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = MAX_RESOURCES))]
    pub limits: BTreeMap<String, Quantity>,
}

/// An environment variable.
#[derive(Clone, Debug, Default, PartialEq, KubeSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z][-._a-zA-Z0-9]*$')")
        .message("must be the name of a variable: letters, digits, hyphens, dots and underscores, no digit first"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4_096))]
    pub value: Option<String>,
    /// Where its value comes from instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvVarSource>,
}
