//! What an operator answers to people, Prometheus and the kubelet.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use darkages_crds::ZoneServer;
use darkages_crds::picture;
use kube::runtime::reflector::ObjectRef;

use crate::gallery::Gallery;
use crate::leader::{Mandate, Witness};
use crate::metrics::Metrics;

/// What is answered from.
#[derive(Clone, Debug)]
pub struct Desk {
    /// What Prometheus is told.
    pub metrics: Metrics,
    /// Pictures of worlds.
    pub gallery: Gallery,
    /// Whether this operator acts.
    pub mandate: Mandate,
    /// Where the one that acts is.
    pub witness: Witness,
}

/// Routes of an operator.
///
/// | route | answer |
/// | --- | --- |
/// | `GET /healthz`, `GET /readyz` | 200, whether or not it acts: one that waits is as it should be |
/// | `GET /metrics` | what Prometheus scrapes |
/// | `GET /v1/namespaces/{namespace}/zoneservers/{name}` | the newest picture of a world; 307 to the operator that acts |
pub fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .route(&picture::path("{namespace}", "{name}"), get(world))
        .with_state(desk)
}

async fn metrics(State(desk): State<Desk>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], desk.metrics.text()).into_response()
}

async fn world(State(desk): State<Desk>, Path((namespace, name)): Path<(String, String)>) -> Response {
    if !desk.mandate.holds() {
        return match desk.witness.address() {
            Some(address) => {
                Redirect::temporary(&format!("http://{address}{}", picture::path(&namespace, &name))).into_response()
            }
            None => (StatusCode::SERVICE_UNAVAILABLE, "no operator acts\n").into_response(),
        };
    }
    match desk.gallery.picture(&ObjectRef::<ZoneServer>::new(&name).within(&namespace)) {
        Some(picture) => ([(CACHE_CONTROL, "no-store")], Json(picture)).into_response(),
        None => {
            let message =
                format!("there is no picture of ZoneServer {namespace}/{name}: it is not there, or not served yet\n");
            (StatusCode::NOT_FOUND, message).into_response()
        }
    }
}
