//! Routes of the metrics API.

use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use jiff::Timestamp;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{self, METRIC, RESOURCE};
use super::authorize::{Wish, may};
use super::front_proxy::Disbelief;
use super::serve::Caller;
use crate::census::{Census, Unknown};

/// What the aggregated discovery document is asked for and given as.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// All routes, for whoever may.
pub fn routes(census: Census, client: Client) -> Router {
    Router::new()
        .route("/apis", get(discover))
        .route("/apis/custom.metrics.k8s.io", get(|| async { Json(answers::api_group()) }))
        .route("/apis/custom.metrics.k8s.io/v1beta2", get(|| async { Json(answers::resource_list()) }))
        .route("/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}/{resource}/{name}/{metric}", get(players))
        // API servers merge these with their own, and complain once a minute of one that has none.
        .route("/openapi/v2", get(|| async { Json(no_schemas(json!({"swagger": "2.0"}))) }))
        .route("/openapi/v3", get(|| async { Json(json!({"paths": {}})) }))
        .fallback(|uri: Uri| async move {
            refusal(StatusCode::NOT_FOUND, "NotFound", &format!("there is no {}", uri.path()))
        })
        .layer(middleware::from_fn_with_state(client, admit))
        .with_state(census)
}

fn no_schemas(mut document: Value) -> Value {
    document["info"] = json!({"title": "darkages metrics", "version": answers::VERSION});
    document["paths"] = json!({});
    document
}

async fn discover(headers: HeaderMap) -> Response {
    let accepts = headers.get(ACCEPT).and_then(|accepts| accepts.to_str().ok()).unwrap_or_default();
    let newest = accepts.split(',').any(|accepted| accepted.replace(' ', "").contains(DISCOVERY));
    if newest {
        ([(CONTENT_TYPE, DISCOVERY)], answers::discovery().to_string()).into_response()
    } else {
        Json(answers::group_list()).into_response()
    }
}

#[derive(Debug, Deserialize)]
struct Selection {
    #[serde(rename = "metricLabelSelector", default)]
    metric_label_selector: String,
}

async fn players(
    State(census): State<Census>,
    Extension(wish): Extension<Wish>,
    Query(selection): Query<Selection>,
) -> Response {
    let not_found = |message: &str| refusal(StatusCode::NOT_FOUND, "NotFound", message);
    let Wish::Players { namespace, name } = wish else {
        return not_found(&format!("there is no such metric: the one metric is {METRIC} of {RESOURCE}"));
    };
    if name == "*" {
        let message = "* names no ZoneServer: give the name of one";
        return refusal(StatusCode::BAD_REQUEST, "BadRequest", message);
    }
    if !selection.metric_label_selector.is_empty() {
        return not_found(&format!("{METRIC} has no labels to select by: leave metric.selector out"));
    }
    match census.players(&namespace, &name) {
        Ok(players) => Json(answers::metric_value_list(&namespace, &name, players, Timestamp::now())).into_response(),
        Err(error @ Unknown::NoZoneServer { .. }) => not_found(&error.to_string()),
        Err(error @ (Unknown::NotCounted { .. } | Unknown::NobodyCounts { .. })) => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &error.to_string())
        }
    }
}

/// Lets through who is believed and may.
async fn admit(State(client): State<Client>, mut request: Request, next: Next) -> Response {
    let believed = request.extensions().get::<Caller>().ok_or(Disbelief::NoCertificate).and_then(|caller| {
        caller.door.proxy.believe(caller.certificate.as_ref())?;
        caller.door.proxy.user(request.headers())
    });
    let user = match believed {
        Ok(user) => user,
        Err(disbelief) => return refusal(StatusCode::UNAUTHORIZED, "Unauthorized", &disbelief.to_string()),
    };
    let Some(wish) = wish(request.uri().path()) else {
        return refusal(StatusCode::BAD_REQUEST, "BadRequest", "no path of this API has a % in it");
    };
    match may(&client, &user, request.method(), &wish).await {
        Ok(true) => {
            request.extensions_mut().insert(wish);
            next.run(request).await
        }
        Ok(false) => {
            let message = format!("user {} may not {} {}", user.name, request.method(), request.uri().path());
            refusal(StatusCode::FORBIDDEN, "Forbidden", &message)
        }
        Err(error) => {
            let message = format!("whether user {} may is not known: {error}", user.name);
            refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", &message)
        }
    }
}

/// What a path asks for. It is authorized, and then answered, by this and nothing else, so that no way of writing a path is
/// authorized as one thing and answered as another. No name in Kubernetes needs an escape, so there is none.
fn wish(path: &str) -> Option<Wish> {
    if path.contains('%') {
        return None;
    }
    let segments: Vec<&str> = path.split('/').collect();
    Some(match segments.as_slice() {
        ["", "apis", answers::GROUP, answers::VERSION, "namespaces", namespace, RESOURCE, name, METRIC] => {
            Wish::Players { namespace: (*namespace).to_owned(), name: (*name).to_owned() }
        }
        _ => Wish::Path(path.to_owned()),
    })
}

fn refusal(code: StatusCode, reason: &str, message: &str) -> Response {
    (code, Json(answers::status(code.as_u16(), reason, message))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_answered_as_what_it_is_authorized_as() {
        let players = |namespace: &str, name: &str| {
            Some(Wish::Players { namespace: namespace.to_owned(), name: name.to_owned() })
        };
        let base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/prod";
        assert_eq!(wish(&format!("{base}/zoneservers.darkages.io/meadow/ccu")), players("prod", "meadow"));
        assert_eq!(wish(&format!("{base}/zoneservers.darkages%2Eio/meadow/ccu")), None);
        assert_eq!(wish(&format!("{base}/zoneservers.darkages.io/%6Deadow/ccu")), None);
        for path in ["/apis", "/apis/custom.metrics.k8s.io/v1beta2", &format!("{base}/pods/meadow/ccu")] {
            assert_eq!(wish(path), Some(Wish::Path(path.to_owned())));
        }
    }
}
