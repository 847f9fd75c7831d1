//! The layers of `tracing`: they keep facts with spans, and pass events to the log, OTLP and Sentry.

use std::sync::{Arc, OnceLock};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    dispatcher::WeakDispatch,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record as Values},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, dynamic_filter_fn, filter_fn},
    layer::{Context, Filter},
    registry::LookupSpan,
};

use super::{
    errors::Sentry,
    logs::Format,
    pipeline::Queue,
    record::{Facts, Record, is_ours},
};

/// The destinations.
pub(super) struct Sinks {
    pub(super) format: Format,
    pub(super) logs: Option<Queue<Record>>,
    pub(super) sentry: Option<Sentry>,
    /// The subscriber that knows the spans, once it is installed. It is kept here and not in each layer, because an optional
    /// layer does not receive it.
    pub(super) dispatch: OnceLock<WeakDispatch>,
}

/// Whether a span is ours: spans of other libraries hold paths and more sensitive data.
pub(super) fn is_our_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && is_ours(metadata.target())
}

/// The filter of layers that only need our spans.
pub(super) fn our_spans<S: Subscriber>() -> impl Filter<S> {
    // A dynamic filter makes every other filter decide again each time. sqlx asks whether its line would be logged and then logs
    // none, so the filters' answers would be used for the thread's next span or event.
    dynamic_filter_fn(|metadata, _| is_our_span(metadata) && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO)
}

/// Keeps the known facts of a span with the span.
pub(super) struct KeepFacts;

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for KeepFacts {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut facts = Facts::default();
        attributes.record(&mut facts);
        if let Some(span) = context.span(id).filter(|_| !facts.is_empty()) {
            span.extensions_mut().insert(facts);
        }
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(facts) = extensions.get_mut::<Facts>() {
            values.record(facts);
        }
    }
}

/// The log, as `LEVQOR_LOG` filters it. Spans always pass, so that every line has its trace.
pub(super) fn log<S>(filter: &str, sinks: Arc<Sinks>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Of other libraries, only warnings and errors are logged: their text is left out, and without the text the other lines are
    // useless.
    let worth_it = filter_fn(|metadata| is_ours(metadata.target()) || *metadata.level() <= Level::WARN)
        .with_max_level_hint(LevelFilter::TRACE);
    let tell: fn(&Sinks, Record) = |sinks, record| {
        sinks.format.write(&record);
        if let Some(logs) = &sinks.logs {
            logs.push(record);
        }
    };
    Tell { sinks, tell }.with_filter(filter.and(worth_it).or(our_spans()))
}

/// Sentry: errors, and the log records before them.
pub(super) fn errors<S>(sinks: Arc<Sinks>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let tell: fn(&Sinks, Record) = |sinks, record| {
        if let Some(sentry) = &sinks.sentry {
            sentry.hear(&record);
        }
    };
    // The level hint must equal what the filter does: otherwise it panics in test builds where another layer wants more.
    let ours = filter_fn(|metadata| is_ours(metadata.target()) && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO);
    Tell { sinks, tell }.with_filter(ours)
}

struct Tell {
    sinks: Arc<Sinks>,
    tell: fn(&Sinks, Record),
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Tell {
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.sinks.dispatch.set(dispatch.downgrade());
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let dispatch = self.sinks.dispatch.get().and_then(WeakDispatch::upgrade);
        let span = context.event_span(event).map(|span| span.id());
        (self.tell)(&self.sinks, Record::of(event, span.as_ref(), dispatch.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// A layer that wants every event.
    struct Greedy;

    impl<S: Subscriber> Layer<S> for Greedy {}

    #[test]
    fn spans_and_lines_that_only_another_layer_records_cause_no_panic() {
        let sinks = Arc::new(Sinks {
            format: Format::default(),
            logs: None,
            sentry: None,
            dispatch: OnceLock::new(),
        });
        let layers = tracing_subscriber::registry()
            .with(KeepFacts.with_filter(our_spans()))
            .with(log("off", Arc::clone(&sinks)))
            .with(errors(sinks))
            .with(Greedy);
        let _hears = crate::testing::hear(layers);
        tracing::trace_span!("a span of ours").in_scope(|| tracing::debug!("a line of ours"));
    }
}
