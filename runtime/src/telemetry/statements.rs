//! Spans of the database (`DB client spans` of the semantic conventions), made from sqlx's event at the end of each statement. So
//! the code that runs statements needs no instrumentation, and no statement is forgotten.

use std::{fmt::Debug, sync::Arc, time::Duration};

use opentelemetry::{
    Context as TraceContext, KeyValue,
    trace::{Span as _, SpanKind, TraceContextExt, Tracer},
};
use opentelemetry_sdk::trace::SdkTracer;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    dispatcher::WeakDispatch,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, filter::dynamic_filter_fn, layer::Context, registry::LookupSpan};

use super::{
    layers::{Sinks, is_our_span},
    record::Facts,
};

/// The target of sqlx's events about statements.
const TARGET: &str = "sqlx::query";

/// A statement that has ended.
#[derive(Debug, Default)]
pub(super) struct Statement {
    summary: String,
    text: String,
    elapsed: Duration,
    rows: i64,
}

impl Statement {
    /// Reads an event of sqlx. `None` if it is about something else.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        (event.metadata().target() == TARGET).then(|| {
            let mut statement = Self::default();
            event.record(&mut statement);
            statement
        })
    }

    /// Operation and table, `INSERT items`. Statements are our constants, with placeholders for values.
    pub(super) fn summary(&self) -> String {
        let (operation, table) = self.operation();
        table.map_or_else(|| operation.to_owned(), |table| format!("{operation} {table}"))
    }

    fn operation(&self) -> (&str, Option<&str>) {
        // The summary is cut. The text is empty if nothing was cut.
        let text = if self.text.trim().is_empty() { &self.summary } else { &self.text };
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or("SQL");
        let before_table: &[&str] = match first {
            "INSERT" => &["INTO"],
            "UPDATE" => &["UPDATE"],
            _ => &["FROM", "INTO", "UPDATE"],
        };
        let mut previous = first;
        for word in words {
            if before_table.contains(&previous) && !word.starts_with('(') {
                let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.');
                return (first, word.get(..end.unwrap_or(word.len())).filter(|table| !table.is_empty()));
            }
            previous = word;
        }
        (first, None)
    }
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "elapsed_secs" {
            self.elapsed = Duration::try_from_secs_f64(value).unwrap_or_default();
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "rows_returned" {
            self.rows = i64::try_from(value).unwrap_or(i64::MAX);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Makes a span of each statement within a recorded trace. For other statements it tells sqlx that there is no listener.
pub(super) fn statements<S>(tracer: SdkTracer, sinks: Arc<Sinks>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let listening = Arc::clone(&sinks);
    let filter = dynamic_filter_fn(move |metadata: &Metadata<'_>, context: &Context<'_, S>| {
        // This filter sees only spans that it let through before.
        is_our_span(metadata) || (is_statement(metadata) && recorded(context, &listening).is_some())
    });
    let callsites = |metadata: &'static Metadata<'static>| {
        if is_our_span(metadata) || is_statement(metadata) {
            tracing::subscriber::Interest::sometimes()
        } else {
            tracing::subscriber::Interest::never()
        }
    };
    let filter = filter.with_callsite_filter(callsites).with_max_level_hint(LevelFilter::DEBUG);
    Statements { tracer, sinks }.with_filter(filter)
}

/// sqlx's event, or its question whether the event is wanted.
fn is_statement(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET && !metadata.is_span()
}

/// The trace context of the current span of a thread, where it is recorded.
fn recorded<S>(context: &Context<'_, S>, sinks: &Sinks) -> Option<TraceContext>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let span = context.lookup_current()?;
    let dispatch: Dispatch = sinks.dispatch.get().and_then(WeakDispatch::upgrade)?;
    let context = tracing_opentelemetry::get_otel_context(&span.id(), &dispatch)?;
    context.span().span_context().is_sampled().then_some(context)
}

struct Statements {
    tracer: SdkTracer,
    sinks: Arc<Sinks>,
}

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(parent) = recorded(&context, &self.sinks) else { return };
        let Some(statement) = Statement::of(event) else { return };
        let ended = opentelemetry::time::now();
        let (operation, table) = statement.operation();
        let mut attributes = vec![
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.operation.name", operation.to_owned()),
            KeyValue::new("db.query.summary", statement.summary()),
            KeyValue::new("db.response.returned_rows", statement.rows),
        ];
        let facts = context.lookup_current().map(|span| Facts::around(&span)).unwrap_or_default();
        attributes.extend(facts.service.map(|service| KeyValue::new("levqor.service", service)));
        attributes.extend(table.map(|table| KeyValue::new("db.collection.name", table.to_owned())));
        let span = self.tracer.span_builder(statement.summary()).with_kind(SpanKind::Client);
        let span = span.with_start_time(ended - statement.elapsed).with_attributes(attributes);
        span.start_with_context(&self.tracer, &parent).end_with_timestamp(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::Statement;

    #[test]
    fn statements_are_named_by_what_they_do_and_to_which_table() {
        for (text, expected) in [
            ("COMMIT", "COMMIT"),
            ("\n\nSELECT id, (state) FROM items WHERE id = $1\n", "SELECT items"),
            ("INSERT INTO items(item_id) VALUES ($1)", "INSERT items"),
            ("UPDATE runtime.work SET due_time = $1", "UPDATE runtime.work"),
            ("WITH due AS (SELECT 1 FROM runtime.work) UPDATE x SET y = 1", "WITH runtime.work"),
            ("SELECT runtime.now() AS \"now!\"", "SELECT"),
        ] {
            let statement = Statement { text: text.to_owned(), ..Statement::default() };
            assert_eq!(statement.summary(), expected);
        }
    }
}
