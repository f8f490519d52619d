//! What all stewards share, and the one way by which they write to the API server.

use std::sync::Arc;

use darkages_crds::ZoneServer;
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::events::Recorder;
use kube::{Client, Resource, ResourceExt as _};

use crate::deadline::{Call, CallError, within};
use crate::fleet::Fleet;
use crate::gallery::Gallery;
use crate::leader::Mandate;
use crate::metrics::Metrics;

/// What all stewards share.
pub struct Office {
    /// The API server.
    pub client: Client,
    /// What is seen of the cluster.
    pub fleet: Arc<Fleet>,
    /// Whether this operator acts.
    pub mandate: Mandate,
    /// The image of zones whose template names none.
    pub image: String,
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// Where pictures of worlds hang.
    pub gallery: Gallery,
    /// Who events are from.
    pub recorder: Recorder,
}

impl Office {
    /// Objects of a kind in the namespace of a `ZoneServer`.
    #[must_use]
    pub fn api<K>(&self, owner: &ZoneServer) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &owner.namespace().unwrap_or_default())
    }

    /// Writes something, if this operator still acts.
    ///
    /// # Errors
    /// Those of the call, and [`CallError::NoMandate`].
    pub async fn write<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
        if !self.mandate.holds() {
            return Err(CallError::NoMandate);
        }
        within(Call::Write, call).await
    }
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").field("mandate", &self.mandate).field("image", &self.image).finish_non_exhaustive()
    }
}
