//! The registration of the metrics API with the API server: whom it may trust when it asks us.

use k8s_openapi::ByteString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, ServiceReference};
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::answers::{GROUP, VERSION};
use crate::deadline::{Call, CallError, within};

/// Why the API server does not ask us.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// It was not read or written.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Nobody is registered.
    #[error("there is no APIService {VERSION}.{GROUP}: install the chart with metricsApi.enabled=true")]
    Missing,
    /// It is another's: a cluster has one for each version, and whoever scales by it depends on it.
    #[error(
        "APIService {VERSION}.{GROUP} is for service {found}, not for {ours}, and is left alone: remove the other \
         provider, or use the external scaler"
    )]
    Another {
        /// Whom it names.
        found: String,
        /// Whom it would have to name.
        ours: String,
    },
}

/// Tells the API server whom it may trust, if the registration is ours.
///
/// # Errors
/// Why it is not told.
pub async fn trust(
    registrations: Api<APIService>,
    namespace: &str,
    service: &str,
    trusted: &str,
) -> Result<(), RegistrationError> {
    let name = format!("{VERSION}.{GROUP}");
    let found = within(Call::Read, registrations.get_opt(&name)).await?.ok_or(RegistrationError::Missing)?;
    let spec = found.spec.clone().unwrap_or_default();
    let named = named(spec.service.as_ref());
    let ours = format!("{namespace}/{service}");
    if named != ours {
        return Err(RegistrationError::Another { found: named, ours });
    }
    let bundle = ByteString(trusted.as_bytes().to_vec());
    if spec.ca_bundle.as_ref() == Some(&bundle) {
        return Ok(());
    }
    // With the revision that was looked at, so that it is still ours.
    let patch = json!({"metadata": {"resourceVersion": found.resource_version()}, "spec": {"caBundle": bundle}});
    let params = PatchParams::default();
    within(Call::Write, registrations.patch(&name, &params, &Patch::Merge(patch))).await?;
    tracing::info!("the API server trusts the metrics API");
    Ok(())
}

fn named(service: Option<&ServiceReference>) -> String {
    let part = |part: Option<&String>| part.cloned().unwrap_or_default();
    match service {
        Some(service) => format!("{}/{}", part(service.namespace.as_ref()), part(service.name.as_ref())),
        None => "none".to_owned(),
    }
}
