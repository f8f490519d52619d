//! Where a world is kept.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a world is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// The secret with the URL of the store, as `zone-server --store` takes it: `redis://…`, `cql://…`, or both with a comma
    /// between them. A secret, because a URL has a password in it.
    pub url_secret_ref: SecretKeyRef,
}

/// A key of a secret in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretKeyRef {
    /// Name of the secret.
    #[serde(default = "store")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("must be the name of a secret: lower-case letters, digits, hyphens and dots"))]
    pub name: String,
    /// Key in it.
    #[serde(default = "url")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
        .message("must be a key of a secret: letters, digits, hyphens, dots and underscores"))]
    pub key: String,
}

impl Default for SecretKeyRef {
    fn default() -> Self {
        Self { name: store(), key: url() }
    }
}

fn store() -> String {
    "darkages-store".to_owned()
}

fn url() -> String {
    "url".to_owned()
}
