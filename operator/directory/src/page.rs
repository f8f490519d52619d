//! The map page: static files that are part of the binary. No build step, nothing from elsewhere.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// Nothing but our own files and our own stream; the page shows names that come from elsewhere, so it runs no script in them.
/// Styles in attributes are how rows and marks get the colours of their zones.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type and text of each file.
const FILES: [(&str, &str, &str); 13] = [
    ("/", HTML, include_str!("page/index.html")),
    ("/map/page.css", CSS, include_str!("page/page.css")),
    ("/map/icon.svg", SVG, include_str!("page/icon.svg")),
    ("/map/page.js", SCRIPT, include_str!("page/page.js")),
    ("/map/feed.js", SCRIPT, include_str!("page/feed.js")),
    ("/map/tracks.js", SCRIPT, include_str!("page/tracks.js")),
    ("/map/map.js", SCRIPT, include_str!("page/map.js")),
    ("/map/camera.js", SCRIPT, include_str!("page/camera.js")),
    ("/map/flashes.js", SCRIPT, include_str!("page/flashes.js")),
    ("/map/labels.js", SCRIPT, include_str!("page/labels.js")),
    ("/map/charts.js", SCRIPT, include_str!("page/charts.js")),
    ("/map/colours.js", SCRIPT, include_str!("page/colours.js")),
    ("/map/side.js", SCRIPT, include_str!("page/side.js")),
];

/// Routes of all files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(move || async move { file(kind, text) }))
    })
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
