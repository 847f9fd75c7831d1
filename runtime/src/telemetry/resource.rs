//! The resource that traces, metrics and logs carry.

use std::sync::OnceLock;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use super::TelemetryConfig;
use crate::id;

/// A unique id of this process.
pub(crate) fn instance_id() -> &'static str {
    static INSTANCE: OnceLock<String> = OnceLock::new();
    INSTANCE.get_or_init(id::request_id)
}

/// The resource of a service of this process. In `levqor up` several services share a process.
pub(crate) fn resource(config: &TelemetryConfig, service: &str) -> Resource {
    let given = config.otlp.as_ref().map(|otlp| otlp.resource.clone()).unwrap_or_default();
    // Our own values come last, so they override the configured ones.
    Resource::builder_empty()
        .with_attributes(given)
        .with_attributes([
            KeyValue::new("service.namespace", "levqor"),
            KeyValue::new("service.name", format!("levqor-{service}")),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance_id()),
            KeyValue::new("deployment.environment.name", config.environment.clone()),
        ])
        .build()
}
