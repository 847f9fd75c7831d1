//! Exemplars: for each bucket of a histogram the trace of one call in it. The SDK keeps none (opentelemetry-rust#3369), so we
//! keep them ourselves. OTLP and the OpenMetrics text carry them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use tracing::Span;

/// How long a bucket keeps its exemplar. Reading the trace context costs more than recording the duration, and a few
/// exemplars are enough.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Reads the context of a span.
type Find = fn(&Span) -> Option<SpanContext>;

/// Set once traces are exported: without an export a trace cannot be looked up.
static FIND: OnceLock<Find> = OnceLock::new();

/// Sets how exemplars read their traces. Only the first call counts.
pub(crate) fn find_traces(find: Find) {
    let _ = FIND.set(find);
}

/// The span's context, if its trace is recorded and can be shown as an exemplar.
#[must_use]
pub fn recorded_trace(span: &Span) -> Option<SpanContext> {
    FIND.get().and_then(|find| find(span)).filter(SpanContext::is_sampled)
}

/// One call and its trace.
#[derive(Debug, Clone)]
pub(super) struct Exemplar {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) value: f64,
    pub(super) time: SystemTime,
}

/// The exemplars of one series: a recent one for each bucket.
#[derive(Debug)]
pub(super) struct Exemplars {
    bounds: &'static [f64],
    slots: Box<[Mutex<Option<Exemplar>>]>,
}

impl Exemplars {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, slots: (0..=bounds.len()).map(|_| Mutex::default()).collect() }
    }

    /// Keeps a call as an exemplar if its trace is recorded. Reads the trace only if the bucket's exemplar is too old.
    pub(super) fn keep(&self, value: f64, trace: impl FnOnce() -> Option<SpanContext>) {
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        // Another thread that holds the lock keeps an equally good exemplar.
        let Some(Ok(mut slot)) = self.slots.get(bucket).map(Mutex::try_lock) else { return };
        let time = opentelemetry::time::now();
        let age = slot.as_ref().map(|kept| time.duration_since(kept.time));
        if age.is_some_and(|age| age.is_ok_and(|age| age < GOOD_FOR)) {
            return;
        }
        if let Some(trace) = trace().filter(|trace| trace.is_sampled() && trace.is_valid()) {
            let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
            *slot = Some(Exemplar { trace_id, span_id, value, time });
        }
    }
}

/// The exemplars of every series of a service, by the metric's name and the series' labels.
#[derive(Debug, Default)]
pub(super) struct Examples(Mutex<HashMap<&'static str, HashMap<String, Arc<Exemplars>>>>);

impl Examples {
    /// The place for the exemplars of a series.
    pub(super) fn place(&self, name: &'static str, labels: String, bounds: &'static [f64]) -> Arc<Exemplars> {
        let mut examples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = examples.entry(name).or_default().entry(labels);
        Arc::clone(series.or_insert_with(|| Arc::new(Exemplars::new(bounds))))
    }

    /// The exemplars of a series, by bucket.
    pub(super) fn of(&self, name: &str, labels: &str) -> Vec<Option<Exemplar>> {
        let examples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = examples.get(name).and_then(|series| series.get(labels));
        let copy =
            |slot: &Mutex<Option<Exemplar>>| slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        place.map(|exemplars| exemplars.slots.iter().map(copy).collect()).unwrap_or_default()
    }
}
