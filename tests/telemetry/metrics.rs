//! Metrics over OTLP say what the page says, with a trace to look at, and the last of them leave with the process.

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

const ROLES: [&str; 3] = ["gateway", "billing", "notifications"];

/// Series by name and labels, with their values.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Bounds are numbers: `1.0` and `1` are one.
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

/// What an export says, by the names that the OpenTelemetry specification gives it in Prometheus.
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
            other => panic!("none of ours: {other:?}"),
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

/// What moves by itself while nothing happens.
fn restless(name: &str) -> bool {
    ["process_", "levqor_runtime_", "levqor_telemetry_"].iter().any(|start| name.starts_with(start))
}

#[test]
fn what_is_pushed_is_what_the_page_shows() {
    let roles = Roles::start(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu"),
    ]);
    roles.deliver(&paid_checkout("1", "alice"));
    roles.wait_for_mails("alice@example.com");
    for role in ROLES {
        let service = format!("levqor-{role}");
        let export = || {
            let before = roles.recorder.told().metrics.len();
            // The second after the page was shown was read after it, too.
            let of =
                |export: &ResourceMetrics| pushed(export).keys().any(|(_, it)| it["service_name"] == service);
            roles.recorder.until("the next exports", |told| {
                told.metrics[before..].iter().filter(|export| of(export)).nth(1).map(pushed)
            })
        };
        // Work goes on in the background: where two pages agree, what was pushed between them must, unless it goes up and
        // down, and did so in between.
        let mut apart = Vec::new();
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
            let still: Vec<_> = still.filter(|((name, _), _)| !restless(name)).collect();
            assert!(still.len() > 50, "too little stands still at {role}: {}", still.len());
            let other: Vec<_> =
                still.into_iter().filter(|(of, value)| export[*of].total_cmp(value).is_ne()).collect();
            apart = other.iter().map(|(of, value)| format!("{of:?} {value} {}", export[*of])).collect();
            let falls = |(name, _): &(String, _)| !name.ends_with("_total") && !name.ends_with("_bucket");
            assert!(other.iter().all(|(of, _)| falls(of)), "{role}: {apart:#?}");
            apart.is_empty()
        });
        assert!(agree, "the pages of {role} never come to rest, or not with what is pushed: {apart:#?}");
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
fn the_last_numbers_leave_with_the_process_and_name_spans_that_left_too() {
    // Nothing is due within a test.
    let roles = Roles::start(&[("OTEL_METRIC_EXPORT_INTERVAL", "3600000")]);
    roles.deliver(&paid_checkout("1", "alice"));
    roles.wait_for_mails("alice@example.com");
    assert!(roles.recorder.told().metrics.is_empty(), "it was told before the hour was over");
    let (recorder, _) = roles.stop();
    let told = recorder.told();
    assert_eq!(told.metrics.len(), ROLES.len(), "one last export of each");
    for (service, name, kind) in [
        ("levqor-gateway", "http.server.request.duration", SpanKind::Server),
        ("levqor-gateway", "rpc.client.call.duration", SpanKind::Client),
        ("levqor-billing", "rpc.server.call.duration", SpanKind::Server),
        ("levqor-billing", "rpc.client.call.duration", SpanKind::Client),
        ("levqor-notifications", "rpc.server.call.duration", SpanKind::Server),
    ] {
        let metric = told.last_metric(service, name).expect(name);
        assert!(!metric.description.is_empty() && metric.unit == "s", "{metric:?}");
        let spans = shown_by(metric, &told.spans);
        assert!(!spans.is_empty(), "{name} of {service} shows no trace");
        for span in spans {
            assert_eq!((span.service.as_str(), span.it.kind()), (service, kind), "{name}");
        }
    }
    let accepted = pushed(told.last_metrics("levqor-billing").expect("billing's"));
    let of = |(name, labels): &(String, BTreeMap<String, String>)| {
        name == "levqor_webhook_events_total" && labels["outcome"] == "accepted"
    };
    assert_eq!(accepted.iter().find(|(series, _)| of(series)).map(|(_, value)| *value), Some(1.0));
}
