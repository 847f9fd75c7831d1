//! Metrics over OTLP have the same values as `/metrics`, and exemplars. The last values are exported when the process ends.

use std::collections::BTreeMap;

use levqor_runtime::testing::recorder::{Recorded, attribute};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, metric::Data,
        number_data_point::Value,
    },
    trace::v1::{Span, span::SpanKind},
};

use crate::{page::Page, roles::Roles, stripe::paid_checkout};

/// The name of each process.
fn roles() -> impl Iterator<Item = &'static str> {
    ["gateway"].into_iter().chain(levqor_gateway::methods().services().iter().map(String::as_str))
}

/// Series by name and labels, with their values.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// The bound of a bucket in one spelling: `1` and `1.0` are the same bound.
fn bound(text: &str) -> String {
    format!("{:?}", text.parse::<f64>().expect(text))
}

fn shown(page: &str) -> Series {
    let series = Page::read(page).0.into_iter().map(|mut sample| {
        if let Some(le) = sample.labels.get_mut("le") {
            *le = bound(le);
        }
        ((sample.name, sample.labels), sample.value)
    });
    series.collect()
}

fn labels(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| attribute(attributes, &pair.key).expect("text");
    attributes.iter().map(|pair| (pair.key.replace('.', "_"), text(pair))).collect()
}

/// The series of an export, with the names that the OpenTelemetry specification gives them in Prometheus.
fn pushed(export: &ResourceMetrics) -> Series {
    let resource = labels(&export.resource.as_ref().expect("a resource").attributes);
    let service = resource["service_name"].clone();
    let mut series = Series::from([(("target_info".to_owned(), resource), 1.0)]);
    for metric in export.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
        let unit = match metric.unit.as_str() {
            "s" if !metric.name.ends_with("seconds") => "_seconds",
            "By" if !metric.name.ends_with("bytes") => "_bytes",
            _ => "",
        };
        let name = format!("{}{unit}", metric.name.replace('.', "_"));
        let mut add = |name: String, attributes: &[KeyValue], le: Option<String>, value| {
            let mut labels = labels(attributes);
            labels.insert("service_name".to_owned(), service.clone());
            labels.extend(le.map(|le| ("le".to_owned(), le)));
            series.insert((name, labels), value);
        };
        let number = |point: &NumberDataPoint| match point.value.expect("a value") {
            Value::AsDouble(value) => value,
            Value::AsInt(value) => f64::from(u32::try_from(value).expect("a small count")),
        };
        match metric.data.as_ref().expect("data") {
            Data::Gauge(it) => {
                it.data_points.iter().for_each(|at| add(name.clone(), &at.attributes, None, number(at)));
            }
            Data::Sum(it) => {
                assert!(
                    it.is_monotonic && it.aggregation_temporality() == AggregationTemporality::Cumulative
                );
                let name = format!("{name}_total");
                it.data_points.iter().for_each(|at| add(name.clone(), &at.attributes, None, number(at)));
            }
            Data::Histogram(it) => {
                assert_eq!(it.aggregation_temporality(), AggregationTemporality::Cumulative);
                it.data_points.iter().for_each(|at| histogram(at, &name, &mut add));
            }
            other => panic!("we export no metrics of this kind: {other:?}"),
        }
    }
    series
}

fn histogram(
    at: &HistogramDataPoint,
    name: &str,
    add: &mut impl FnMut(String, &[KeyValue], Option<String>, f64),
) {
    assert!(at.start_time_unix_nano > 0 && at.start_time_unix_nano <= at.time_unix_nano, "{at:?}");
    let count = |count: u64| f64::from(u32::try_from(count).expect("a small count"));
    let mut below = 0;
    for (le, in_bucket) in at.explicit_bounds.iter().chain([&f64::INFINITY]).zip(&at.bucket_counts) {
        below += in_bucket;
        add(format!("{name}_bucket"), &at.attributes, Some(format!("{le:?}")), count(below));
    }
    add(format!("{name}_sum"), &at.attributes, None, at.sum.expect("a sum"));
    add(format!("{name}_count"), &at.attributes, None, count(at.count));
}

/// Whether a metric changes even if no request arrives.
fn changes_by_itself(name: &str) -> bool {
    ["process_", "levqor_runtime_", "levqor_telemetry_"].iter().any(|start| name.starts_with(start))
}

#[test]
fn exported_metrics_equal_the_metrics_of_the_page() {
    let roles = Roles::start(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu"),
    ]);
    roles.deliver(&paid_checkout("1", "alice"));
    roles.wait_for_mails("alice@example.com");
    for role in self::roles() {
        let service = format!("levqor-{role}");
        let export = || {
            let before = roles.recorder.received().metrics.len();
            // The next export may have been read before the page. The one after it was certainly read after the page.
            let of =
                |export: &ResourceMetrics| pushed(export).keys().any(|(_, it)| it["service_name"] == service);
            roles.recorder.until("the next exports", |received| {
                received.metrics[before..].iter().filter(|export| of(export)).nth(1).map(pushed)
            })
        };
        // Background work continues meanwhile. A series that has the same value on the page before and after the export must have
        // this value in the export too. Only a value that can fall may differ: it may have changed and changed back. Then the
        // comparison is repeated.
        let mut differences = Vec::new();
        let agree = (0..20).any(|_| {
            let before = shown(&roles.page(role));
            let export = export();
            let after = shown(&roles.page(role));
            let names = |series: &Series| series.keys().cloned().collect::<Vec<_>>();
            if names(&before) != names(&after) {
                return false;
            }
            assert_eq!(names(&export), names(&after), "{role}");
            let still = before.iter().filter(|(series, value)| after[series].total_cmp(value).is_eq());
            let still: Vec<_> = still.filter(|((name, _), _)| !changes_by_itself(name)).collect();
            assert!(still.len() > 50, "too few series of {role} kept their values: {}", still.len());
            let other: Vec<_> =
                still.into_iter().filter(|(of, value)| export[*of].total_cmp(value).is_ne()).collect();
            differences = other.iter().map(|(of, value)| format!("{of:?} {value} {}", export[*of])).collect();
            let may_fall = |(name, _): &(String, _)| !name.ends_with("_total") && !name.ends_with("_bucket");
            assert!(other.iter().all(|(of, _)| may_fall(of)), "{role}: {differences:#?}");
            differences.is_empty()
        });
        assert!(agree, "no export of {role} equals the pages before and after it: {differences:#?}");
    }
    roles.stop();
}

/// The spans that a metric's exemplars name.
fn shown_by<'t>(metric: &Metric, spans: &'t [Recorded<Span>]) -> Vec<&'t Recorded<Span>> {
    let Some(Data::Histogram(it)) = &metric.data else { panic!("no histogram: {metric:?}") };
    let exemplars = it.data_points.iter().flat_map(|point| &point.exemplars);
    let span = |exemplar: &opentelemetry_proto::tonic::metrics::v1::Exemplar| {
        let of = |span: &&Recorded<Span>| {
            span.it.trace_id == exemplar.trace_id && span.it.span_id == exemplar.span_id
        };
        spans.iter().find(of).expect("the span of an exemplar")
    };
    exemplars.map(span).collect()
}

#[test]
fn the_last_metrics_are_exported_when_the_process_ends_with_exemplars_of_exported_spans() {
    // No export is due during the test.
    let roles = Roles::start(&[("OTEL_METRIC_EXPORT_INTERVAL", "3600000")]);
    roles.deliver(&paid_checkout("1", "alice"));
    roles.wait_for_mails("alice@example.com");
    assert!(roles.recorder.received().metrics.is_empty(), "metrics were exported before the hour was over");
    let (recorder, _) = roles.stop();
    let received = recorder.received();
    assert_eq!(received.metrics.len(), self::roles().count(), "one last export of each");
    for (service, name, kind) in [
        ("levqor-gateway", "http.server.request.duration", SpanKind::Server),
        ("levqor-gateway", "rpc.client.call.duration", SpanKind::Client),
        ("levqor-billing", "rpc.server.call.duration", SpanKind::Server),
        ("levqor-billing", "rpc.client.call.duration", SpanKind::Client),
        ("levqor-notifications", "rpc.server.call.duration", SpanKind::Server),
    ] {
        let metric = received.last_metric(service, name).expect(name);
        assert!(!metric.description.is_empty() && metric.unit == "s", "{metric:?}");
        let spans = shown_by(metric, &received.spans);
        assert!(!spans.is_empty(), "{name} of {service} shows no trace");
        for span in spans {
            assert_eq!((span.service.as_str(), span.it.kind()), (service, kind), "{name}");
        }
    }
    let accepted = pushed(received.last_metrics("levqor-billing").expect("billing's"));
    let of = |(name, labels): &(String, BTreeMap<String, String>)| {
        name == "levqor_webhook_events_total" && labels["outcome"] == "accepted"
    };
    assert_eq!(accepted.iter().find(|(series, _)| of(series)).map(|(_, value)| *value), Some(1.0));
}
