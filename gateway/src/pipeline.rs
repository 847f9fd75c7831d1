//! What happens to every request, whatever it is for: an id, a span, a permit or a refusal, and the headers of the
//! answer.

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

/// On every answer. Nothing that we answer is a page of ours, so a browser may do nothing with it but show it.
const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")),
];
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What every request passes before and after the routes.
pub(crate) struct Pipeline {
    routes: Router,
    cors: Cors,
    admission: Arc<Admission>,
    readiness: Readiness,
    requests: Requests,
    refusals: Refusals<CallerAddress>,
}

impl Pipeline {
    /// Around these routes, for requests that are admitted.
    #[must_use]
    pub(crate) fn new(
        routes: Router,
        cors: Cors,
        admission: Admission,
        readiness: Readiness,
        metrics: &Metrics,
    ) -> Self {
        metrics.show_permits(admission.permits());
        let (requests, refusals) = (Requests::new(metrics), Refusals::new(metrics));
        Self { routes, cors, admission: Arc::new(admission), readiness, requests, refusals }
    }

    /// Answers a request. Over a connection that is reserved for questions after our health, only those are answered.
    pub(crate) async fn serve(&self, mut request: Request, reserved: bool) -> Response {
        let begun = Instant::now();
        let (method, version) = (request.method().clone(), request.version());
        // First: what is too long to go on must not go on in the trace's context either.
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

    /// Refuses what would only queue, and answers the rest.
    async fn admit(&self, mut request: Request, reserved: bool, ids: &Ids) -> Response {
        let caller = request.extensions().get().copied().unwrap_or(CallerAddress::UNKNOWN);
        let admission = self.admission.request(caller);
        // Whoever asks whether we live must be answered most of all when we are busy.
        if !request.uri().path().starts_with("/health/") {
            // A request whose body is still to come takes its permit when that is there: it may take its time, and nobody
            // else waits for it.
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

    /// Answers a request that is admitted; a panic becomes an answer too.
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
                // The router knows which methods a path takes, and the limits how many requests are left.
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
        // Room for all that follow, and for those of the trace, so that the map grows once.
        headers.reserve(ALWAYS.len() + 5);
        for (name, value) in ALWAYS {
            headers.insert(name, value);
        }
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CONTENT_POLICY);
        for (name, id) in [(REQUEST_ID, Some(&ids.request_id)), (TRACE_ID, ids.trace_id.as_ref())] {
            if let Some(value) = id.and_then(|id| HeaderValue::from_str(id).ok()) {
                headers.insert(name, value);
            }
        }
        // On the way out, clients with open connections are asked to make new ones, which lead elsewhere.
        if (close || self.readiness.is_draining()) && version <= Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The method's name. What a stranger makes up must not become a name in anybody's statistics.
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

/// Names the current request's span after its route. The path itself stays out of it: ids and worse are in paths.
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
        let pipeline = Pipeline::new(routes, cors, admission, Readiness::default(), &Metrics::new("test"));
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
