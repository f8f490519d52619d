//! A directory that is up before it knows its world: alive, not ready, and open as soon as there is something to tell.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower::ServiceExt as _;

/// Routes that come later.
#[derive(Clone, Debug, Default)]
pub struct Shop(Arc<OnceLock<Router>>);

impl Shop {
    /// All routes: until it opens, `/healthz` says that the process is alive, and everything else that it is not ready.
    pub fn routes(&self) -> Router {
        Router::new().route("/healthz", get(|| async { "ok\n" })).fallback(pass_on).with_state(self.clone())
    }

    /// Opens; a second time changes nothing.
    pub fn open(&self, routes: Router) {
        let _ = self.0.set(routes);
    }
}

async fn pass_on(State(shop): State<Shop>, request: Request) -> Response {
    match shop.0.get() {
        Some(routes) => routes.clone().oneshot(request).await.into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "the world is not there yet\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn a_directory_is_alive_before_it_is_ready() {
        let shop = Shop::default();
        let code = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            shop.routes().oneshot(request).await.expect("an answer").status()
        };
        assert_eq!((code("/healthz").await, code("/readyz").await), (StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE));
        shop.open(Router::new().route("/readyz", get(|| async { "ok\n" })));
        assert_eq!((code("/readyz").await, code("/nowhere").await), (StatusCode::OK, StatusCode::NOT_FOUND));
    }
}
