//! What Prometheus and the kubelet ask a zone over HTTP.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::handle::ZoneHandle;
use crate::stats::ZoneState;

/// `/metrics`, `/healthz` and `/readyz` of one zone.
pub fn router(zone: ZoneHandle) -> Router {
    let (health, ready) = (zone.clone(), zone.clone());
    Router::new()
        .route("/metrics", get(async move || metrics(&zone)))
        .route("/healthz", get(async move || healthz(&health)))
        .route("/readyz", get(async move || readyz(&ready)))
}

/// Serves until the task is dropped.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(listen: SocketAddr, zone: ZoneHandle) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, router(zone)).await
}

fn metrics(zone: &ZoneHandle) -> impl IntoResponse + use<> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], zone.metrics().text())
}

/// Alive while ticks go on; a thread that hangs is restarted by whoever asks.
fn healthz(zone: &ZoneHandle) -> impl IntoResponse + use<> {
    if zone.is_ticking() { (StatusCode::OK, "ok\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "no tick\n") }
}

/// Ready when it can take a shard or serves one.
fn readyz(zone: &ZoneHandle) -> impl IntoResponse + use<> {
    let stats = zone.stats();
    let ready = matches!(stats.state, ZoneState::Unassigned | ZoneState::Serving) && !stats.draining;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{}\n", stats.state.label()))
}
