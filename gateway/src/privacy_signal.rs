//! The file by which the site says that it honours the signal of Global Privacy Control (`/.well-known/gpc.json`).

use axum::{Router, body::Body, response::Response, routing::get};
use http::{HeaderValue, header};

/// The file, as <https://privacycg.github.io/gpc-spec/> describes it. The date is that of the last change of our behaviour.
const FILE: &str = r#"{"gpc": true, "lastUpdate": "2026-11-30"}"#;

/// The route. It counts against no limit of a caller: it asks no service.
pub(crate) fn routes() -> Router {
    Router::new().route("/.well-known/gpc.json", get(file))
}

async fn file() -> Response {
    let mut response = Response::new(Body::from(FILE));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
