//! The steps of every request, whatever its route: an id, a span, a permit or a refusal, and the headers of the response.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{Router, body::Body, extract::Request, response::Response};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Method, Version, header};
use http_body::Body as _;
use levqor_runtime::{
    error::ErrorCode,
    id,
    lifecycle::Readiness,
    metrics::{Metrics, recorded_trace},
    refusals::Refusals,
    telemetry,
};
use tower::Service;
use tracing::{Instrument, Span, field::Empty};

use crate::{
    admission::Admission,
    cors::Cors,
    head,
    metrics::{self, Requests},
    peer::CallerAddress,
    problem::{Ids, Problem},
};

const REQUEST_ID: HeaderName = HeaderName::from_static(id::REQUEST_ID);
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");
const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// The headers of every response. The gateway serves an API and not a website, so a browser may do nothing with a response but
/// show it.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")),
];
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The steps that every request passes before and after the routes.
pub(crate) struct Pipeline {
    routes: Router,
    cors: Cors,
    admission: Arc<Admission>,
    readiness: Readiness,
    requests: Requests,
    refusals: Refusals<CallerAddress>,
}

impl Pipeline {
    /// Puts the steps around these routes.
    #[must_use]
    pub(crate) fn new(
        routes: Router,
        cors: Cors,
        admission: Admission,
        readiness: Readiness,
        metrics: &Metrics,
        scheme: &'static str,
    ) -> Self {
        metrics.show_permits(admission.permits());
        let (requests, refusals) = (Requests::new(metrics, scheme), Refusals::new(metrics));
        Self { routes, cors, admission: Arc::new(admission), readiness, requests, refusals }
    }

    /// Answers a request. On a connection that is reserved for health checks, only health checks are answered.
    pub(crate) async fn serve(&self, mut request: Request, reserved: bool) -> Response {
        let begun = Instant::now();
        let (method, version) = (request.method().clone(), request.version());
        // The head is checked first, so that headers which are too long do not get into the trace context.
        let checked = head::check(&mut request);
        let request_id = id::request_id_of(request.headers());
        // The span is outermost, so that every line of the log below it carries the trace id.
        let span = span(&method, &request_id);
        telemetry::continue_trace(&span, request.headers(), telemetry::Port::Http);
        let ids =
            Ids { request_id: request_id.into(), trace_id: telemetry::trace_id_of(&span).map(Arc::from) };
        request.extensions_mut().insert(ids.clone());
        // After a malformed head the message boundary is unknown, so the connection is closed.
        let close = reserved || checked.is_err();
        // A browser must be able to read refusals too, and a preflight takes no permit.
        let answer = self.cors.around(request, checked.is_ok(), async |request| match checked {
            Ok(()) => self.admit(request, reserved, &ids).await,
            Err(problem) => problem.render(&ids),
        });
        let (response, series) = self.requests.watch(known(&method), answer.instrument(span.clone())).await;
        let mut response = self.finish(response, &method, version, &ids, close);
        if let Some(value) = telemetry::trace_response(&span) {
            response.headers_mut().insert(TRACE_RESPONSE, value);
        }
        span.record("http.response.status_code", i64::from(response.status().as_u16()));
        if response.status().is_server_error() {
            telemetry::fail(&span, response.status().as_str());
        }
        series.record(response.status(), begun.elapsed(), || recorded_trace(&span));
        response
    }

    /// Refuses a request that would have to wait for a permit, and answers all others.
    async fn admit(&self, mut request: Request, reserved: bool, ids: &Ids) -> Response {
        let caller = request.extensions().get().copied().unwrap_or(CallerAddress::UNKNOWN);
        let admission = self.admission.request(caller);
        // Health checks need no permit: they must be answered even if the gateway is busy.
        if !request.uri().path().starts_with("/health/") {
            // A request with a body takes its permit when the body is complete, so that a slow body holds no permit.
            let entered = if reserved {
                Err(Problem::busy())
            } else if request.body().is_end_stream() {
                admission.permit().map(drop)
            } else {
                Ok(())
            };
            if let Err(problem) = entered {
                return problem.render(ids);
            }
        }
        request.extensions_mut().insert(admission.clone());
        let mut answer = self.route(request, caller, ids).await;
        admission.hold_permit(&mut answer);
        answer
    }

    /// Answers an admitted request. A panic becomes a response too.
    async fn route(&self, request: Request, caller: CallerAddress, ids: &Ids) -> Response {
        let mut routes = self.routes.clone();
        let mut response = match AssertUnwindSafe(async { routes.call(request).await }).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::error!(error.type = "panic", "a handler panicked");
                return Problem::internal().render(ids);
            }
        };
        match response.extensions_mut().remove::<Arc<Problem>>() {
            None => response,
            Some(problem) => {
                if matches!(problem.code(), ErrorCode::Unauthenticated | ErrorCode::PermissionDenied) {
                    self.refusals.note(caller, problem.reason());
                }
                let mut rendered = problem.render(ids);
                // Keeps the headers of the router (allowed methods) and of the rate limits.
                for (name, value) in response.headers_mut().drain() {
                    if let Some(name) = name.filter(|name| name != header::CONTENT_LENGTH) {
                        rendered.headers_mut().entry(name).or_insert(value);
                    }
                }
                rendered
            }
        }
    }

    fn finish(
        &self,
        mut response: Response,
        method: &Method,
        version: Version,
        ids: &Ids,
        close: bool,
    ) -> Response {
        if method == Method::HEAD {
            let length = response.body().size_hint().exact();
            *response.body_mut() = Body::empty();
            if let Some(length) = length.filter(|length| *length > 0) {
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
        let headers = response.headers_mut();
        // Reserves space for the headers below and for those of the trace, so that the map grows once.
        headers.reserve(ALWAYS.len() + 5);
        for (name, value) in ALWAYS {
            // A response with an `ETag` is the same for every caller, so it may be cached and revalidated.
            if name == header::CACHE_CONTROL && headers.contains_key(header::ETAG) {
                continue;
            }
            headers.insert(name, value);
        }
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CONTENT_POLICY);
        for (name, id) in [(REQUEST_ID, Some(&ids.request_id)), (TRACE_ID, ids.trace_id.as_ref())] {
            if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
                headers.insert(name, value);
            }
        }
        // During the drain, clients are asked to close their connections. Their new connections go to other replicas.
        if (close || self.readiness.is_draining()) && version <= Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The method's name. An unknown method is `_OTHER`, because callers must not create new label values.
fn known(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).and_then(|n| NAMES.get(n)).unwrap_or(&"_OTHER")
}

fn span(method: &Method, request_id: &str) -> Span {
    let method = known(method);
    tracing::info_span!(
        "http",
        otel.name = method,
        otel.kind = "server",
        http.request.method = method,
        http.route = Empty,
        url.path = Empty,
        http.response.status_code = Empty,
        otel.status_code = Empty,
        error.type = Empty,
        levqor.service = crate::NAME,
        request.id = request_id,
    )
}

/// Names the current request's span after its route. The path itself is not recorded, because it may contain personal data.
pub(crate) fn name_span(name: impl FnOnce() -> String, route: &str) {
    let span = Span::current();
    telemetry::rename(&span, name);
    tracing::record_all!(span, http.route = route, url.path = route);
    metrics::name_route(route);
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http::StatusCode;

    use super::*;
    use crate::{
        body::{Bodies, BodyLimits},
        cors::Origins,
    };

    async fn burst() -> &'static str {
        panic!("secret words")
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_gives_its_permit_back() {
        let admission = Admission::new(1, Bodies::new(BodyLimits::default()));
        let routes = Router::new().route("/", get(burst));
        let cors = Cors::new(Origins::default());
        let pipeline =
            Pipeline::new(routes, cors, admission, Readiness::default(), &Metrics::new("test"), "http");
        for _ in 0..3 {
            let request = Request::builder().header("host", "a").body(Body::empty()).expect("a request");
            let response = pipeline.serve(request, false).await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(response.headers().contains_key(&REQUEST_ID));
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
            let text = String::from_utf8(body.to_vec()).expect("text");
            assert!(text.contains("\"reason\":\"INTERNAL\"") && !text.contains("secret"), "{text}");
        }
    }
}
