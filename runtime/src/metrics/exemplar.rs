//! Exemplars: for each bucket of a histogram one call that fell into it, by its trace. The SDK keeps none
//! (opentelemetry-rust#3369), so we keep them beside it; only the text for Prometheus carries them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The current span's context, if its trace is recorded: what may be shown as an example.
#[must_use]
pub fn recorded_trace() -> Option<SpanContext> {
    let context = Span::current().context();
    let span = context.span();
    let trace = span.span_context();
    trace.is_sampled().then(|| trace.clone())
}

/// One call, by its trace.
#[derive(Debug, Clone)]
pub(super) struct Exemplar {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) value: f64,
    pub(super) time: SystemTime,
}

/// The exemplars of one series: one for each bucket, the latest.
#[derive(Debug)]
pub(super) struct Exemplars {
    bounds: &'static [f64],
    slots: Box<[Mutex<Option<Exemplar>>]>,
}

impl Exemplars {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, slots: (0..=bounds.len()).map(|_| Mutex::default()).collect() }
    }

    /// Keeps a call of a trace that is recorded; one that nobody can look up is no example.
    pub(super) fn keep(&self, value: f64, trace: &SpanContext) {
        if !trace.is_sampled() || !trace.is_valid() {
            return;
        }
        let bucket = self.bounds.partition_point(|&bound| bound < value);
        let Some(slot) = self.slots.get(bucket) else { return };
        // Whoever is just keeping another one keeps as good a one.
        if let Ok(mut slot) = slot.try_lock() {
            *slot = Some(Exemplar {
                trace_id: trace.trace_id(),
                span_id: trace.span_id(),
                value,
                time: opentelemetry::time::now(),
            });
        }
    }
}

/// The exemplars of every series of a service, by the metric's name and the series' labels.
#[derive(Debug, Default)]
pub(super) struct Examples(Mutex<HashMap<(&'static str, String), Arc<Exemplars>>>);

impl Examples {
    /// Where a series' exemplars are kept.
    pub(super) fn place(&self, name: &'static str, labels: String, bounds: &'static [f64]) -> Arc<Exemplars> {
        let mut examples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(examples.entry((name, labels)).or_insert_with(|| Arc::new(Exemplars::new(bounds))))
    }

    /// The exemplars of a series, bucket by bucket.
    pub(super) fn of(&self, name: &str, labels: &str) -> Vec<Option<Exemplar>> {
        let examples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = examples.iter().find(|((of, with), _)| *of == name && with == labels);
        let copy =
            |slot: &Mutex<Option<Exemplar>>| slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
        place.map(|(_, exemplars)| exemplars.slots.iter().map(copy).collect()).unwrap_or_default()
    }
}
