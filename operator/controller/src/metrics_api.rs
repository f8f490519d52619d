//! The metrics API: `custom.metrics.k8s.io`, from which a stock HorizontalPodAutoscaler takes a world's players.
//!
//! The API server passes requests on to us. It shows the certificate of its front proxy, and says in headers who asks; we
//! believe these headers from nobody else, and ask it in turn whether that user may. Every operator answers; the acting one
//! tells the API server whom it may trust, and leaves a registration alone that names another service.

pub mod answers;
pub mod authorize;
pub mod front_proxy;
pub mod registration;
mod routes;
mod serve;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::front_proxy::{FrontProxy, FrontProxyError};
use self::registration::{RegistrationError, trust};
use self::tls::{Door, TlsError};
use crate::authority::{Authority, AuthorityError, Purpose};
use crate::census::Census;
use crate::deadline::{Call, CallError, within};
use crate::leader::Mandate;

/// The secret with the authority that signs for this API.
pub const AUTHORITY: &str = "darkages-metrics-authority";

/// How often certificates and registration are looked after, and how soon again after that went wrong.
const TEND_EVERY: Duration = Duration::from_secs(60);
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What the metrics API needs.
pub struct MetricsApi {
    /// The API server.
    pub client: Client,
    /// The operator's own namespace.
    pub namespace: String,
    /// The service there by which the API server reaches it.
    pub service: String,
    /// Who counts players.
    pub census: Census,
    /// Whether this operator acts.
    pub mandate: Mandate,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
enum TendError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(transparent)]
    FrontProxy(#[from] FrontProxyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    #[error("the acting operator has not made secret {AUTHORITY} yet")]
    NoAuthority,
}

impl MetricsApi {
    /// Serves until it is dropped.
    pub async fn run(self, listener: TcpListener) {
        let (open, door) = watch::channel(None);
        let routes = routes::routes(self.census.clone(), self.client.clone());
        tokio::join!(self.tend(open), serve::serve(listener, routes, door));
    }

    /// Keeps the certificate, those that are trusted, and the registration up to date.
    async fn tend(&self, open: watch::Sender<Option<Arc<Door>>>) {
        let mut last_error = None;
        loop {
            let wait = match self.look(&open).await {
                Ok(()) => {
                    last_error = None;
                    TEND_EVERY
                }
                Err(error) => {
                    // Somebody has to do something first.
                    let wait = if matches!(error, TendError::Registration(_)) { TEND_EVERY } else { TRY_AGAIN_AFTER };
                    let error = error.to_string();
                    if last_error.as_ref() != Some(&error) {
                        tracing::warn!(error, "the metrics API is not as it should be");
                    }
                    last_error = Some(error);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn look(&self, open: &watch::Sender<Option<Arc<Door>>>) -> Result<(), TendError> {
        let now = Timestamp::now();
        let authority = self.authority(now).await?;
        let told = Api::<ConfigMap>::namespaced(self.client.clone(), front_proxy::NAMESPACE);
        let told = within(Call::Read, told.get(front_proxy::CONFIG_MAP)).await?;
        let proxy = FrontProxy::read(&told)?;
        let name = format!("{}.{}.svc", self.service, self.namespace);
        let own = authority.issue(Purpose::Server(&name), now)?;
        open.send_replace(Some(Arc::new(Door::new(&own, proxy)?)));
        if self.mandate.holds() {
            let trusted = authority.trusted();
            trust(Api::all(self.client.clone()), &self.namespace, &self.service, &trusted).await?;
        }
        Ok(())
    }

    /// The authority. The acting operator makes and rotates it.
    async fn authority(&self, now: Timestamp) -> Result<Authority, TendError> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let found = within(Call::Read, secrets.get_opt(AUTHORITY)).await?;
        let before = found.as_ref().map(Authority::read).transpose()?;
        if !self.mandate.holds() {
            return before.ok_or(TendError::NoAuthority);
        }
        let authority = match &before {
            Some(before) => before.clone().at(now)?,
            None => Authority::new(now)?,
        };
        if before.as_ref() != Some(&authority) {
            let name = Some(AUTHORITY.to_owned());
            let version = found.as_ref().and_then(ResourceExt::resource_version);
            let secret = authority.secret(ObjectMeta { name, resource_version: version, ..ObjectMeta::default() });
            let params = PostParams::default();
            match found {
                Some(_) => within(Call::Write, secrets.replace(AUTHORITY, &params, &secret)).await?,
                None => within(Call::Write, secrets.create(&params, &secret)).await?,
            };
        }
        Ok(authority)
    }
}
