//! The chat widget of the website, and the page on which `levqor up` shows it.

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, header};

use crate::transcode::conditional;

/// The script, as it is served.
const SCRIPT: &str = include_str!("../pages/widget.js");
/// The page that shows it.
const DEMO: &str = include_str!("../pages/demo.html");
/// The script has the same address in every release, so a browser may keep it for minutes only. After that it may show the old
/// one while it asks for the new one.
const CACHED_FOR: HeaderValue = HeaderValue::from_static("public, max-age=300, stale-while-revalidate=86400");
/// The content security policy of the page. It forbids what the widget must never need: styles and scripts in the page, strings
/// that become markup, and every other origin.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The routes. Like health checks they have no rate limit, because they call no service.
pub(crate) fn routes(demo_page: bool) -> Router {
    let routes = Router::new().route("/widget.js", get(script));
    if demo_page { routes.route("/demo", get(demo)) } else { routes }
}

async fn script(request: Request) -> Response {
    let mut response = Response::new(Body::from(SCRIPT));
    let script = HeaderValue::from_static("text/javascript; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, script);
    let answer = conditional::answer(request.headers(), response).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHED_FOR);
    response
}

async fn demo() -> Response {
    let mut response = Response::new(Body::from(DEMO));
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}
