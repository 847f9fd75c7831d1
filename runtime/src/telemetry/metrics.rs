//! Metrics over OTLP: the values of `/metrics`, from the same registries, every `OTEL_METRIC_EXPORT_INTERVAL` and once more when
//! the process ends.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{
    otlp::{Receiver, refusal},
    pipeline::{Destination, Queue, Refusal},
};
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

/// Metrics over OTLP.
pub(super) struct ToReceiver {
    receiver: Receiver,
    sources: Sources,
    /// The time of the last export: each exemplar is sent once.
    packed: Mutex<SystemTime>,
}

impl ToReceiver {
    pub(super) fn new(receiver: Receiver, sources: Sources) -> Self {
        Self { receiver, sources, packed: Mutex::new(SystemTime::UNIX_EPOCH) }
    }
}

impl Destination for ToReceiver {
    type Item = Due;
    type Parcel = ExportMetricsServiceRequest;

    fn name(&self) -> &'static str {
        "metrics"
    }

    fn pack(&self, _: Vec<Due>) -> Vec<ExportMetricsServiceRequest> {
        let mut packed = self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        let since = std::mem::replace(&mut *packed, opentelemetry::time::now());
        // There is nothing to redact: attributes come from closed sets, and descriptions from the source.
        let sources = self.sources.all().clone();
        let resource_metrics: Vec<_> = sources.iter().filter_map(|metrics| metrics.to_otlp(since)).collect();
        if resource_metrics.is_empty() {
            return Vec::new();
        }
        vec![ExportMetricsServiceRequest { resource_metrics }]
    }

    async fn send(&mut self, parcel: ExportMetricsServiceRequest) -> Result<(), Refusal> {
        let mut client = MetricsServiceClient::new(self.receiver.channel.clone());
        let answer = client.export(self.receiver.request(parcel)).await;
        let partial = answer.map_err(|status| refusal(&status))?.into_inner().partial_success;
        match partial.filter(|partial| partial.rejected_data_points > 0) {
            None => Ok(()),
            Some(_) => Err(Refusal { reason: "some were rejected".to_owned(), retry: None }),
        }
    }
}
