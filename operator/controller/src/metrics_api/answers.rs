//! What the metrics API says, in the words of Kubernetes. Pure.
//!
//! The shapes are those of `k8s.io/metrics/pkg/apis/custom_metrics/v1beta2` and of discovery, old and aggregated.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The group, and the one version of it that is served.
pub const GROUP: &str = "custom.metrics.k8s.io";
/// The version.
pub const VERSION: &str = "v1beta2";

/// What is counted, of what. Players that are connected at this time: concurrent users.
pub const METRIC: &str = "ccu";
/// The resource as the API has it in paths.
pub const RESOURCE: &str = "zoneservers.darkages.io";

const KIND: &str = "MetricValueList";

fn group_version() -> String {
    format!("{GROUP}/{VERSION}")
}

fn group() -> Value {
    let version = json!({"groupVersion": group_version(), "version": VERSION});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

/// All groups.
#[must_use]
pub fn group_list() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})
}

/// The group.
#[must_use]
pub fn api_group() -> Value {
    let mut said = group();
    said["kind"] = "APIGroup".into();
    said["apiVersion"] = "v1".into();
    said
}

/// What the version has.
#[must_use]
pub fn resource_list() -> Value {
    let resource = json!({
        "name": format!("{RESOURCE}/{METRIC}"),
        "singularName": "",
        "namespaced": true,
        "kind": KIND,
        "verbs": ["get"],
    });
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version(), "resources": [resource]})
}

/// All of that in one answer, which newer API servers ask for.
#[must_use]
pub fn discovery() -> Value {
    let resource = json!({
        "resource": format!("{RESOURCE}/{METRIC}"),
        "responseKind": {"group": "", "version": "", "kind": KIND},
        "scope": "Namespaced",
        "singularResource": "",
        "verbs": ["get"],
    });
    let version = json!({"version": VERSION, "freshness": "Current", "resources": [resource]});
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [{"metadata": {"name": GROUP}, "versions": [version]}],
    })
}

/// The players of one world. An autoscaler takes exactly one item.
#[must_use]
pub fn metric_value_list(namespace: &str, name: &str, players: u32, now: Timestamp) -> Value {
    let item = json!({
        "describedObject": {
            "kind": "ZoneServer",
            "namespace": namespace,
            "name": name,
            "apiVersion": "darkages.io/v1alpha1",
        },
        "metric": {"name": METRIC},
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "value": players.to_string(),
    });
    json!({"kind": KIND, "apiVersion": group_version(), "metadata": {}, "items": [item]})
}

/// Why there is no answer.
#[must_use]
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    })
}
