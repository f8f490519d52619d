//! Routes of the directory.

use std::convert::Infallible;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::frame::{Past, encode};
use crate::page;
use crate::refusal::Refusal;
use crate::stream::Broadcast;
use crate::view::{WorldWatch, ZoneState};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The map page, the world as JSON and as a stream, and the probes.
///
/// | route | answer |
/// | --- | --- |
/// | `GET /` | the live map |
/// | `GET /v1/world` | the newest picture, see [`crate::frame`] |
/// | `GET /v1/world/stream` | server-sent events, one picture each, at most 10 a second |
/// | `GET /healthz` | 200 while the process answers |
/// | `GET /readyz` | 200 when every shard is served, 503 before |
pub fn map_routes(broadcast: Broadcast) -> Router {
    Router::new()
        .route("/v1/world", get(world))
        .route("/v1/world/stream", get(stream))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(broadcast)
        .merge(page::routes())
}

async fn world(State(broadcast): State<Broadcast>) -> Response {
    let view = broadcast.world().borrow().clone();
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, encode(&view, Past::Whole)).into_response()
}

async fn stream(State(broadcast): State<Broadcast>) -> Response {
    let Some(events) = broadcast.subscribe() else { return Refusal::TooManyWatchers.into_response() };
    let mut headers = HeaderMap::new();
    // A proxy that gathers the answer before it sends it on would make the map stand still.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (headers, Sse::<tokio_stream::wrappers::ReceiverStream<Result<_, Infallible>>>::new(events)).into_response()
}

async fn ready(State(broadcast): State<Broadcast>) -> Response {
    if served(broadcast.world()) {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a shard waits for its zone\n").into_response()
    }
}

fn served(world: &WorldWatch) -> bool {
    let view = world.borrow();
    let mut grounds = view.zones.iter().filter(|zone| zone.bounds.is_some()).peekable();
    grounds.peek().is_some() && grounds.all(|zone| zone.state == ZoneState::Serving)
}
