//! Where `tracing` ends: what is known of spans is kept with them, and what happens goes to the log, OTLP and Sentry.

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

/// Who is told.
pub(super) struct Sinks {
    pub(super) format: Format,
    pub(super) logs: Option<Queue<Record>>,
    pub(super) sentry: Option<Sentry>,
    /// What knows the spans, once it is installed. Kept here and not by each layer: an optional one is not told.
    pub(super) dispatch: OnceLock<WeakDispatch>,
}

/// Our own spans: those of other libraries hold paths and worse.
pub(super) fn is_our_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && is_ours(metadata.target())
}

/// The filter of what cares for our spans alone.
pub(super) fn our_spans<S: Subscriber>() -> impl Filter<S> {
    // A filter that decides anew each time makes every other do so too, and that is what it is for. sqlx asks whether its
    // line would be logged, and then logs none: that leaves the answers of all filters behind on the thread, and they
    // would be taken for those about the next span or event if that did not ask again.
    dynamic_filter_fn(|metadata, _| is_our_span(metadata) && *metadata.level() <= Level::INFO)
        .with_max_level_hint(LevelFilter::INFO)
}

/// Keeps what is known of a span with it.
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

/// The log, as `LEVQOR_LOG` filters it. Spans are let through whatever it says, so that every line has its trace.
pub(super) fn log<S>(filter: &str, sinks: Arc<Sinks>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Of other libraries only that something is wrong: their words are left out, and a line without words says nothing.
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

/// Sentry: errors, and what the log said before.
pub(super) fn errors<S>(sinks: Arc<Sinks>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let tell: fn(&Sinks, Record) = |sinks, record| {
        if let Some(sentry) = &sinks.sentry {
            sentry.hear(&record);
        }
    };
    // What it hints is what it does: where another layer wants more, a filter that says yes to that panics in builds for tests.
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

    /// Wants all there is.
    struct Greedy;

    impl<S: Subscriber> Layer<S> for Greedy {}

    #[test]
    fn what_another_layer_wants_beyond_ours_is_left_alone() {
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
