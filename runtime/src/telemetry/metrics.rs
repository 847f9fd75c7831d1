//! Metrics over OTLP: the values of `/metrics`, from the same registries, every `OTEL_METRIC_EXPORT_INTERVAL` and once more when
//! the process ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::pipeline::Queue;
use crate::metrics::Metrics;

/// At most one export waits: values are read when they are sent, so a second one would add nothing.
pub(super) const CAPACITY: usize = 1;
/// Each item is one export.
pub(super) const BATCH: usize = 1;

/// An export is due.
pub(super) struct Due;

/// The metrics that this process exports: its services' and its own.
#[derive(Clone, Default)]
pub(super) struct Sources(Arc<Mutex<Vec<Metrics>>>);

impl Sources {
    /// Adds metrics. They are kept for the life of the process: their last values are exported after their service has stopped.
    pub(super) fn add(&self, metrics: &Metrics) {
        self.all().push(metrics.clone());
    }

    fn all(&self) -> MutexGuard<'_, Vec<Metrics>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests an export at every interval.
pub(super) async fn ask(queue: Queue<Due>, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        queue.push_once(Due);
    }
}

/// Packs the current values of all metrics.
pub(super) fn pack(sources: Sources) -> impl Fn(Vec<Due>) -> Option<ExportMetricsServiceRequest> {
    // The time of the last export: each exemplar is sent once.
    let packed = Mutex::new(SystemTime::UNIX_EPOCH);
    move |_| {
        let mut packed = packed.lock().unwrap_or_else(PoisonError::into_inner);
        let since = std::mem::replace(&mut *packed, opentelemetry::time::now());
        // There is nothing to redact: attributes come from closed sets, and descriptions from the source.
        let sources = sources.all().clone();
        let resource_metrics: Vec<_> = sources.iter().filter_map(|metrics| metrics.to_otlp(since)).collect();
        (!resource_metrics.is_empty()).then_some(ExportMetricsServiceRequest { resource_metrics })
    }
}
