//! How long requests take, by route, method and status.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::{Duration, Instant},
};

use http::StatusCode;
use levqor_runtime::metrics::{Attribute, Definition, KeyValue, Metrics, SpanContext, Timing};

/// Requests that the gateway answered.
pub const HTTP_SERVER: Definition = Definition::timing(
    "http.server.request.duration",
    "Time from the headers of a request to the headers of its response.",
    &[
        Attribute::known("http.request.method", "the methods of RFC 9110 and PATCH, or `_OTHER`"),
        Attribute::known("http.route", "a route of the protos or of the gateway; absent without a route"),
        Attribute::known(
            "http.response.status_code",
            "the statuses that the gateway answers with, or `_OTHER`",
        ),
        Attribute::one_of("url.scheme", &["http", "https"]),
        Attribute::known("error.type", "the status, if it is a server error (5xx); else absent"),
    ],
);

/// All metrics of the gateway.
pub const ALL: &[Definition] = &[HTTP_SERVER];

/// The statuses that the gateway answers with.
const STATUSES: &[u16] = &[
    200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431, 499,
    500, 503, 504,
];

tokio::task_local! {
    /// The request that is being answered. The code that finds its route stores the series here, so it need not return it.
    static CURRENT: Current;
}

struct Current {
    requests: Requests,
    method: &'static str,
    begun: Instant,
    series: RefCell<Option<Arc<Series>>>,
    answered: Cell<bool>,
}

impl Current {
    /// The series of the request. The empty route means that no route was found.
    fn series(&self) -> Arc<Series> {
        self.series.take().unwrap_or_else(|| self.requests.series(self.method, ""))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        // The client has disconnected. nginx uses the status 499 for that, so it is widely known.
        if !self.answered.get()
            && let Ok(gone) = StatusCode::from_u16(499)
        {
            self.series().record(gone, self.begun.elapsed(), || None);
        }
    }
}

/// The timings of requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Requests(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    scheme: &'static str,
    routed: RwLock<HashMap<&'static str, HashMap<String, Arc<Series>>>>,
}

impl Requests {
    /// Adds the timings to these metrics. All requests of a port have the same scheme.
    #[must_use]
    pub(crate) fn new(metrics: &Metrics, scheme: &'static str) -> Self {
        Self(Arc::new(Inner { metrics: metrics.clone(), scheme, routed: RwLock::default() }))
    }

    /// Waits for the answer to a request. Returns it with the series of its route.
    pub(crate) async fn watch<T>(
        &self,
        method: &'static str,
        answer: impl Future<Output = T>,
    ) -> (T, Arc<Series>) {
        let current = Current {
            requests: self.clone(),
            method,
            begun: Instant::now(),
            series: RefCell::default(),
            answered: Cell::new(false),
        };
        let watched = CURRENT.scope(current, async {
            let answer = answer.await;
            let series = CURRENT.with(|current| {
                current.answered.set(true);
                current.series()
            });
            (answer, series)
        });
        watched.await
    }

    /// The series of a route. A route is one of the protos or of the gateway, and never a path that a caller made up.
    fn series(&self, method: &'static str, route: &str) -> Arc<Series> {
        let routed = self.0.routed.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = routed.get(method).and_then(|routes| routes.get(route)) {
            return Arc::clone(series);
        }
        drop(routed);
        let mut routed = self.0.routed.write().unwrap_or_else(PoisonError::into_inner);
        let series = routed.entry(method).or_default().entry(route.to_owned()).or_insert_with(|| {
            let mut attributes = vec![
                KeyValue::new("http.request.method", method),
                KeyValue::new("url.scheme", self.0.scheme),
            ];
            if !route.is_empty() {
                attributes.push(KeyValue::new("http.route", route.to_owned()));
            }
            Arc::new(Series { metrics: self.0.metrics.clone(), attributes, statuses: Default::default() })
        });
        Arc::clone(series)
    }
}

/// Says which route the current request has.
pub(crate) fn name_route(route: &str) {
    // Outside of a request, as in a unit test, there is nothing to store.
    let _ = CURRENT.try_with(|current| {
        current.series.replace(Some(current.requests.series(current.method, route)));
    });
}

/// The series of one route, one for each status. Each is created when its status occurs for the first time.
pub(crate) struct Series {
    metrics: Metrics,
    attributes: Vec<KeyValue>,
    statuses: [OnceLock<Timing>; STATUSES.len() + 1],
}

impl Series {
    /// Notes how long a request took.
    pub(crate) fn record(
        &self,
        status: StatusCode,
        took: Duration,
        trace: impl FnOnce() -> Option<SpanContext>,
    ) {
        let known = STATUSES.iter().position(|known| *known == status.as_u16());
        let Some(slot) = self.statuses.get(known.unwrap_or(STATUSES.len())) else { return };
        let timing = slot.get_or_init(|| {
            let code = if known.is_some() { status.as_str().to_owned() } else { "_OTHER".to_owned() };
            let mut attributes = self.attributes.clone();
            attributes.push(KeyValue::new("http.response.status_code", code.clone()));
            if status.is_server_error() {
                attributes.push(KeyValue::new("error.type", code));
            }
            self.metrics.histogram(&HTTP_SERVER, &attributes)
        });
        timing.record_traced(took, trace);
    }
}
