//! Routes of the join desk.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::desk::Desk;
use crate::refusal::Refusal;
use crate::wire::{IssueRequest, JoinRequest};

/// Bytes of a request's body, at most: twice a ticket of the longest kind.
pub const MAX_BODY_BYTES: usize = 4_096;

/// A body has to arrive within this time.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// `POST /v1/join`, and `POST /v1/dev/ticket` when the desk issues tickets. See [`crate::wire`] for their JSON and
/// [`Refusal`] for what they answer when they say no.
pub fn join_routes(desk: Arc<Desk>) -> Router {
    let issues = desk.issues_tickets();
    let mut routes = Router::new().route("/v1/join", post(join));
    if issues {
        routes = routes.route("/v1/dev/ticket", post(issue));
    }
    routes.with_state(desk)
}

async fn join(State(desk): State<Arc<Desk>>, ConnectInfo(address): ConnectInfo<SocketAddr>, body: Body) -> Response {
    let answer = async {
        desk.admit(address.ip())?;
        let request: JoinRequest =
            read(body, "the body is not {\"ticket\": \"…\"}: send the ticket as its issuer gave it").await?;
        desk.join(&request).await
    };
    said("join", answer.await)
}

async fn issue(State(desk): State<Arc<Desk>>, ConnectInfo(address): ConnectInfo<SocketAddr>, body: Body) -> Response {
    let answer = async {
        desk.admit(address.ip())?;
        let request: IssueRequest = read(
            body,
            "the body is not {\"player\": number, \"spawn\": {\"x\": units, \"y\": units}}: both may be left out",
        )
        .await?;
        desk.issue(&request).ok_or(Refusal::Malformed("no tickets are issued here"))
    };
    said("issue", answer.await)
}

async fn read<T: DeserializeOwned>(body: Body, shape: &'static str) -> Result<T, Refusal> {
    let too_large = Refusal::TooLarge { limit: MAX_BODY_BYTES };
    let bytes = timeout(BODY_WITHIN, to_bytes(body, MAX_BODY_BYTES)).await.map_err(|_| Refusal::Slow)?;
    let bytes = bytes.map_err(|_| too_large)?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::Malformed(shape))
}

fn said<T: Serialize>(call: &'static str, answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(answer) => ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(refusal) => {
            tracing::debug!(call, code = refusal.label(), "refused");
            refusal.into_response()
        }
    }
}
