//! Panics, recorded where they happen: one log line and one Sentry event, without the panic's message.

use std::{
    panic::{self, Location, PanicHookInfo},
    sync::Arc,
};

use super::{
    fields::Value,
    layers::Sinks,
    record::{Origin, Record},
};

/// Replaces the process' panic hook, so code that catches a panic need not report it.
pub(super) fn watch(sinks: Arc<Sinks>) {
    panic::set_hook(Box::new(move |info| tell(&sinks, info)));
}

fn tell(sinks: &Sinks, info: &PanicHookInfo<'_>) {
    let location = info.location().map_or_else(|| "an unknown place".to_owned(), place);
    let mut fields =
        vec![("error.type", Value::Text("panic".to_owned())), ("panic.location", Value::Text(location))];
    // Constant text comes from our source. Formatted text may hold anything.
    if let Some(words) = info.payload().downcast_ref::<&'static str>() {
        fields.push(("error.message", Value::Text((*words).to_owned())));
    }
    let record = Record::made("a panic", fields, Origin::current());
    sinks.format.write(&record);
    if let Some(sentry) = &sinks.sentry {
        sentry.panicked(&record);
    }
    if let Some(logs) = &sinks.logs {
        logs.push(record);
    }
}

/// File and line, relative to the root of the repository or library.
fn place(location: &Location<'_>) -> String {
    let file = location.file();
    let file = file.rsplit_once("/registry/src/").map_or(file, |(_, rest)| rest);
    format!("{file}:{}", location.line())
}
