//! OTLP on the wire: the channel to the receiver, its exports, the resources of this process, and the meaning of refusals.

use std::{collections::BTreeMap, time::Duration};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
        metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
        trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    },
    common::v1::{AnyValue, KeyValue, any_value},
    resource::v1::Resource,
};
use tonic::{
    Code, Request, Status,
    metadata::MetadataMap,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt;

use super::{
    Otlp, TelemetryConfig,
    pipeline::{Destination, Refusal},
    resource::resource,
};

/// The connection timeout.
const CONNECT: Duration = Duration::from_secs(5);
/// The pause before a retry, where the receiver names none.
const PAUSE: Duration = Duration::from_millis(500);

/// The channel to the receiver.
#[derive(Clone)]
pub(super) struct Receiver {
    channel: Channel,
    headers: MetadataMap,
    timeout: Duration,
}

impl Receiver {
    /// Connects on first use. It must be created and used on the telemetry thread.
    pub(super) fn new(otlp: &Otlp) -> Self {
        let mut endpoint =
            Endpoint::from(otlp.endpoint.clone()).connect_timeout(CONNECT).timeout(otlp.timeout);
        if otlp.endpoint.scheme_str() == Some("https") {
            let tls = ClientTlsConfig::new().with_webpki_roots();
            // Fails only on a certificate, and this configuration has none. Then https fails, and the failure is reported.
            endpoint = endpoint.clone().tls_config(tls).unwrap_or(endpoint);
        }
        let headers = MetadataMap::from_headers(otlp.headers.clone());
        Self { channel: endpoint.connect_lazy(), headers, timeout: otlp.timeout }
    }

    /// A request with the headers and timeout of every export.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request.set_timeout(self.timeout);
        request
    }
}

/// A message of OTLP that carries telemetry.
pub(super) trait Export: Clone + Send + 'static {
    /// Sends itself, and returns how many of its items the receiver rejected.
    fn export(self, receiver: &Receiver) -> impl Future<Output = Result<i64, Status>> + Send;
}

macro_rules! export {
    ($request:ident, $client:ident, $rejected:ident) => {
        impl Export for $request {
            async fn export(self, receiver: &Receiver) -> Result<i64, Status> {
                let request = receiver.request(self);
                let answer = $client::new(receiver.channel.clone()).export(request).await?;
                Ok(answer.into_inner().partial_success.map_or(0, |partial| partial.$rejected))
            }
        }
    };
}

export!(ExportTraceServiceRequest, TraceServiceClient, rejected_spans);
export!(ExportLogsServiceRequest, LogsServiceClient, rejected_log_records);
export!(ExportMetricsServiceRequest, MetricsServiceClient, rejected_data_points);

/// Sends items over OTLP.
pub(super) struct ToReceiver<T, E> {
    name: &'static str,
    receiver: Receiver,
    pack: Box<dyn Fn(Vec<T>) -> Option<E> + Send + Sync>,
}

impl<T, E> ToReceiver<T, E> {
    /// Creates the sender of a signal with this name. `pack` returns none where there is nothing to export.
    pub(super) fn new(
        name: &'static str,
        receiver: &Receiver,
        pack: impl Fn(Vec<T>) -> Option<E> + Send + Sync + 'static,
    ) -> Self {
        Self { name, receiver: receiver.clone(), pack: Box::new(pack) }
    }
}

impl<T: Send + 'static, E: Export> Destination for ToReceiver<T, E> {
    type Item = T;
    type Parcel = E;

    fn name(&self) -> &'static str {
        self.name
    }

    fn pack(&self, items: Vec<T>) -> Vec<E> {
        (self.pack)(items).into_iter().collect()
    }

    async fn send(&mut self, parcel: E) -> Result<(), Refusal> {
        match parcel.export(&self.receiver).await {
            Ok(..=0) => Ok(()),
            Ok(_) => Err(Refusal { reason: "some were rejected".to_owned(), retry: None }),
            Err(status) => Err(refusal(&status)),
        }
    }
}

/// The meaning of a refusal, by OTLP's list of retryable codes.
fn refusal(status: &Status) -> Refusal {
    let asked = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
    let again = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    );
    let exhausted = status.code() == Code::ResourceExhausted && asked.is_some();
    let retry = (again || exhausted).then(|| asked.unwrap_or(PAUSE));
    Refusal { reason: format!("{:?}", status.code()), retry }
}

/// The resources of this process: in `levqor up` each service has its own.
#[derive(Clone)]
pub(super) struct Resources {
    config: TelemetryConfig,
    process: &'static str,
}

impl Resources {
    pub(super) fn new(config: &TelemetryConfig, process: &'static str) -> Self {
        Self { config: config.clone(), process }
    }

    pub(super) fn of(&self, service: Option<&str>) -> Resource {
        Resource::from(&resource(&self.config, service.unwrap_or(self.process)))
    }

    /// Groups items by their resource.
    pub(super) fn split<T>(
        &self,
        items: Vec<T>,
        service: impl Fn(&T) -> Option<String>,
    ) -> Vec<(Resource, Vec<T>)> {
        let mut by_service: BTreeMap<Option<String>, Vec<T>> = BTreeMap::new();
        for item in items {
            by_service.entry(service(&item)).or_default().push(item);
        }
        by_service.into_iter().map(|(service, items)| (self.of(service.as_deref()), items)).collect()
    }
}

/// A text value in OTLP.
pub(super) fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(any_value::Value::StringValue(text.into())) }
}

/// A named value in OTLP.
pub(super) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_may_be_accepted_later_is_sent_several_times() {
        assert!(refusal(&Status::unavailable("")).retry.is_some());
        assert!(refusal(&Status::resource_exhausted("")).retry.is_none());
        let told = refusal(&Status::invalid_argument("alice@example.com"));
        assert_eq!(told, Refusal { reason: "InvalidArgument".to_owned(), retry: None });
    }
}
