//! Metrics in OTLP form: the SDK's data in its own translation, with our exemplars.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Exemplar as WireExemplar, ResourceMetrics, exemplar::Value, metric::Data},
};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};

use super::{Metrics, exemplar::Exemplar, text};

impl Metrics {
    /// All current values, with the exemplars since then. `None` if there are no values.
    pub(crate) fn to_otlp(&self, since: SystemTime) -> Option<ResourceMetrics> {
        let collected = self.collect();
        let mut wire = ExportMetricsServiceRequest::from(&collected).resource_metrics.pop()?;
        let scopes = collected.scope_metrics().zip(&mut wire.scope_metrics);
        // The translation keeps the order.
        let metrics = scopes.flat_map(|(scope, wire)| scope.metrics().zip(&mut wire.metrics));
        for (metric, wire) in metrics {
            if let AggregatedMetrics::F64(MetricData::Histogram(histogram)) = metric.data()
                && let Some(Data::Histogram(wire)) = &mut wire.data
            {
                for (point, wire) in histogram.data_points().zip(&mut wire.data_points) {
                    let exemplars = self.0.examples.of(metric.name(), &text::labels(point.attributes()));
                    let recent = exemplars.into_iter().flatten().filter(|exemplar| exemplar.time >= since);
                    wire.exemplars = recent.map(Into::into).collect();
                }
            }
        }
        (!wire.scope_metrics.is_empty()).then_some(wire)
    }
}

impl From<Exemplar> for WireExemplar {
    fn from(exemplar: Exemplar) -> Self {
        let since = exemplar.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            time_unix_nano: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            span_id: exemplar.span_id.to_bytes().to_vec(),
            trace_id: exemplar.trace_id.to_bytes().to_vec(),
            value: Some(Value::AsDouble(exemplar.value)),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
    use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};

    use super::{super::*, *};

    const CALLS: Definition = Definition::timing("test.call.duration", "How long it took.", &[]);
    const DONE: Definition = Definition::counter("test.done", "{call}", "What was done.", &[]);
    const DEPTH: Definition = Definition::gauge("test.depth", "By", "What waits.", &[]);

    fn trace() -> SpanContext {
        let (trace_id, span_id) = (TraceId::from(0x0af7_6519), SpanId::from(0xb7ad));
        SpanContext::new(trace_id, span_id, TraceFlags::SAMPLED, false, TraceState::default())
    }

    fn named(metrics: &Metrics, name: &str, since: SystemTime) -> Metric {
        let all = metrics.to_otlp(since).expect("something");
        let mut all = all.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
        all.find(|metric| metric.name == name).expect(name)
    }

    #[test]
    fn a_counter_rises_from_its_start_and_a_gauge_is_what_it_is() {
        let metrics = Metrics::new("one");
        let done = metrics.counter(&DONE, &[KeyValue::new("some", "label")]);
        metrics.gauge(&DEPTH, |observe| observe(7.0, &[]));
        done.add(2);
        named(&metrics, "test.done", UNIX_EPOCH);
        done.one();
        let counter = named(&metrics, "test.done", UNIX_EPOCH);
        assert_eq!((counter.unit.as_str(), counter.description.as_str()), ("{call}", "What was done."));
        let Some(Data::Sum(sum)) = counter.data else { panic!("{counter:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality() == AggregationTemporality::Cumulative);
        let point = &sum.data_points[0];
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
        assert!(point.start_time_unix_nano > 0 && point.time_unix_nano >= point.start_time_unix_nano);
        assert_eq!(point.attributes[0].key, "some");
        let Some(Data::Gauge(gauge)) = named(&metrics, "test.depth", UNIX_EPOCH).data else { panic!("none") };
        assert_eq!(gauge.data_points[0].value, Some(number_data_point::Value::AsDouble(7.0)));
    }

    #[test]
    fn a_histogram_has_bounds_and_each_exemplar_once() {
        let metrics = Metrics::new("one");
        let calls = metrics.histogram(&CALLS, &[KeyValue::new("some.label", "a")]);
        calls.record_traced(Duration::from_millis(40), || Some(trace()));
        let point = |since| {
            let Some(Data::Histogram(it)) = named(&metrics, "test.call.duration", since).data else {
                panic!()
            };
            it.data_points[0].clone()
        };
        let first = point(UNIX_EPOCH);
        assert_eq!(first.explicit_bounds, CALLS.buckets);
        assert_eq!((first.count, first.bucket_counts.len()), (1, CALLS.buckets.len() + 1));
        let exemplar = &first.exemplars[0];
        assert_eq!(
            (exemplar.trace_id.len(), exemplar.span_id.as_slice()),
            (16, &[0, 0, 0, 0, 0, 0, 0xb7, 0xad][..])
        );
        assert_eq!(exemplar.value, Some(Value::AsDouble(0.04)));
        let later = opentelemetry::time::now() + Duration::from_secs(1);
        assert_eq!((point(later).count, point(later).exemplars.len()), (1, 0));
    }
}
