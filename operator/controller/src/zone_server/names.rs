//! What the objects that belong to a `ZoneServer` are called, and how they are found again.

use std::collections::BTreeMap;

use darkages_crds::ZoneServer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource as _, ResourceExt as _};

/// Who writes fields, as the API server keeps it.
pub const FIELD_MANAGER: &str = "zone-operator";

/// What keeps a `ZoneServer` until its players are saved.
pub const FINALIZER: &str = "darkages.io/players";

/// The `ZoneServer` that a pod belongs to, by name.
pub const ZONE_SERVER_LABEL: &str = "darkages.io/zone-server";

/// The zone of a pod, by name: what the service of one zone selects.
pub const ZONE_LABEL: &str = "darkages.io/zone";

/// What a pod was made from: the same for all pods that are up to date.
pub const TEMPLATE_HASH_LABEL: &str = "darkages.io/template-hash";

/// Label of everything that the operator makes.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", FIELD_MANAGER);

/// Selects everything that the operator makes.
#[must_use]
pub fn managed() -> String {
    format!("{}={}", MANAGED_BY.0, MANAGED_BY.1)
}

/// Selects the zone pods of a `ZoneServer`.
#[must_use]
pub fn selector(name: &str) -> String {
    format!("{ZONE_SERVER_LABEL}={name}")
}

/// Labels of everything that belongs to a `ZoneServer`.
#[must_use]
pub fn labels(name: &str) -> BTreeMap<String, String> {
    let labels = [
        ("app.kubernetes.io/name", "zone-server"),
        ("app.kubernetes.io/instance", name),
        MANAGED_BY,
        (ZONE_SERVER_LABEL, name),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The secret with the key by which the directory seals tokens and zones open them.
#[must_use]
pub fn world_key_secret(name: &str) -> String {
    format!("{name}-world-key")
}

/// The secret with the authority of the control API, which nobody mounts.
#[must_use]
pub fn authority_secret(name: &str) -> String {
    format!("{name}-authority")
}

/// The secret with the certificate of the zones, as they mount it.
#[must_use]
pub fn zone_secret(name: &str) -> String {
    format!("{name}-zones")
}

/// Metadata of an object that belongs to a `ZoneServer` and goes with it.
#[must_use]
pub fn metadata(owner: &ZoneServer, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: owner.namespace(),
        labels: Some(labels(&owner.name_any())),
        owner_references: Some(owner.controller_owner_ref(&()).into_iter().collect::<Vec<OwnerReference>>()),
        ..ObjectMeta::default()
    }
}
