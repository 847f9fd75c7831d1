//! The text that Prometheus scrapes: OpenMetrics 1.0 with exemplars, or the older text format on request.
//!
//! We write it ourselves from the SDK's data: `opentelemetry-prometheus` builds on a registry without exemplars.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{Display, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};

use super::exemplar::Examples;

/// The text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/openmetrics-text; version=1.0.0`: with exemplars.
    OpenMetrics,
    /// `text/plain; version=0.0.4`.
    Plain,
}

impl Format {
    /// The format that the scraper prefers.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Plain }
    }

    /// The content type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// A metric family's name: a character that is not a letter, digit or colon becomes an underscore, and the unit is written out at
/// the end.
pub(super) fn family(name: &str, unit: &str, gauge: bool) -> String {
    let unit = match unit {
        "s" => "seconds",
        "By" => "bytes",
        "1" if gauge => "ratio",
        // The description explains units such as `{call}`.
        _ => "",
    };
    let name = sanitised(name);
    if unit.is_empty() || name.ends_with(unit) { name.into_owned() } else { format!("{name}_{unit}") }
}

fn sanitised(name: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if fits(c) { c } else { '_' }).collect())
}

/// Attributes as label text, sorted by name.
pub(super) fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let pairs: BTreeMap<_, _> = attributes
        .map(|pair| (sanitised(pair.key.as_str()).into_owned(), pair.value.as_str().into_owned()))
        .collect();
    let mut text = String::new();
    for (name, value) in pairs {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text
}

/// A metric family: its header, and its series.
struct Family {
    kind: &'static str,
    unit: &'static str,
    help: String,
    lines: String,
}

/// Families of any number of services, merged so that each appears once.
pub(super) struct Page {
    format: Format,
    families: BTreeMap<String, Family>,
}

impl Page {
    pub(super) fn new(format: Format) -> Self {
        Self { format, families: BTreeMap::new() }
    }

    /// Adds the metrics of one service.
    pub(super) fn add(&mut self, collected: &ResourceMetrics, examples: &Examples) {
        let resource: Vec<_> = collected
            .resource()
            .iter()
            .map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
            .collect();
        let service = labels(resource.iter().filter(|pair| pair.key.as_str() == "service.name"));
        // The other resource attributes go into one series, to be joined by queries.
        let target = self.family("target".to_owned(), "info", "", "The process that measures.");
        let _ = writeln!(target.lines, "target_info{{{}}} 1", labels(resource.iter()));
        for metric in collected.scope_metrics().flat_map(ScopeMetrics::metrics) {
            match metric.data() {
                AggregatedMetrics::F64(data) => self.add_data(metric, data, &service, examples),
                AggregatedMetrics::U64(data) => self.add_data(metric, data, &service, examples),
                AggregatedMetrics::I64(data) => self.add_data(metric, data, &service, examples),
            }
        }
    }

    fn family(&mut self, name: String, kind: &'static str, unit: &'static str, help: &str) -> &mut Family {
        let family = || Family {
            kind,
            unit,
            help: help.replace('\\', "\\\\").replace('\n', "\\n"),
            lines: String::new(),
        };
        self.families.entry(name).or_insert_with(family)
    }

    fn add_data<T: Display + Copy>(
        &mut self,
        metric: &Metric,
        data: &MetricData<T>,
        service: &str,
        examples: &Examples,
    ) {
        let gauge = matches!(data, MetricData::Gauge(_));
        let name = family(metric.name(), metric.unit(), gauge);
        let unit = ["seconds", "bytes", "ratio"].into_iter().find(|unit| name.ends_with(unit));
        let kind = match data {
            MetricData::Sum(sum) if sum.is_monotonic() => "counter",
            MetricData::Gauge(_) | MetricData::Sum(_) => "gauge",
            MetricData::Histogram(_) => "histogram",
            // We have no metrics of this type.
            MetricData::ExponentialHistogram(_) => return,
        };
        let format = self.format;
        let family = self.family(name.clone(), kind, unit.unwrap_or_default(), metric.description());
        let with = |own: &str| if own.is_empty() { service.to_owned() } else { format!("{service},{own}") };
        let lines = &mut family.lines;
        match data {
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    let labels = with(&labels(point.attributes()));
                    let _ = writeln!(lines, "{name}{{{labels}}} {}", point.value());
                }
            }
            MetricData::Sum(sum) => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                for point in sum.data_points() {
                    let labels = with(&labels(point.attributes()));
                    let _ = writeln!(lines, "{name}{suffix}{{{labels}}} {}", point.value());
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    let own = labels(point.attributes());
                    let exemplars = if format == Format::OpenMetrics {
                        examples.of(metric.name(), &own)
                    } else {
                        Vec::new()
                    };
                    let labels = with(&own);
                    let bounds = point.bounds().map(bound).chain([String::from("+Inf")]);
                    let mut count = 0;
                    for (n, (bound, in_bucket)) in bounds.zip(point.bucket_counts()).enumerate() {
                        count += in_bucket;
                        let _ = write!(lines, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
                        if let Some(Some(exemplar)) = exemplars.get(n) {
                            let _ = write!(
                                lines,
                                " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}",
                                exemplar.trace_id,
                                exemplar.span_id,
                                exemplar.value,
                                seconds(exemplar.time)
                            );
                        }
                        lines.push('\n');
                    }
                    let _ = writeln!(lines, "{name}_sum{{{labels}}} {}", point.sum());
                    let _ = writeln!(lines, "{name}_count{{{labels}}} {count}");
                }
            }
            MetricData::ExponentialHistogram(_) => {}
        }
    }

    /// Renders the text.
    pub(super) fn finish(self) -> String {
        let mut text = String::new();
        for (name, family) in self.families.iter().filter(|(_, family)| !family.lines.is_empty()) {
            let Family { kind, unit, help, lines } = family;
            let open = self.format == Format::OpenMetrics;
            // The older format uses a counter's series name, and has no info type and no units.
            let (name, kind) = match *kind {
                "counter" if !open => (format!("{name}_total"), "counter"),
                "info" if !open => (format!("{name}_info"), "gauge"),
                kind => (name.clone(), kind),
            };
            let _ = writeln!(text, "# HELP {name} {help}");
            let _ = writeln!(text, "# TYPE {name} {kind}");
            if open && !unit.is_empty() {
                let _ = writeln!(text, "# UNIT {name} {unit}");
            }
            text.push_str(lines);
        }
        if self.format == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

/// A bucket's bound, in the form that OpenMetrics requires for whole numbers.
fn bound(bound: f64) -> String {
    if bound.fract() == 0.0 { format!("{bound:.1}") } else { bound.to_string() }
}

fn seconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

    use super::{super::*, Format};

    const CALLS: Definition = Definition::timing("test.call.duration", "How \"long\" \\ it took.", &[]);
    const DONE: Definition = Definition::counter("test.done", "{call}", "What was done.", &[]);
    const DEPTH: Definition = Definition::gauge("test.depth", "By", "What waits.", &[]);

    fn trace(flags: TraceFlags) -> SpanContext {
        let (trace_id, span_id) = (TraceId::from(0x0af7_6519), SpanId::from(0xb7ad));
        SpanContext::new(trace_id, span_id, flags, false, TraceState::default())
    }

    #[test]
    fn a_page_has_all_series_of_a_family_together() {
        let (one, other) = (Metrics::new("one"), Metrics::new("other"));
        for (metrics, label) in [(&one, "a\"b"), (&other, "c")] {
            let calls = metrics.histogram(&CALLS, &[KeyValue::new("some.label", label)]);
            calls.record(Duration::from_millis(300));
            calls.record(Duration::from_secs(20));
            metrics.counter(&DONE, &[]).add(2);
        }
        let page = render(&[one, other], Format::Plain);
        for lines in [
            "# HELP test_call_duration_seconds How \"long\" \\\\ it took.\n# TYPE test_call_duration_seconds histogram\n",
            "test_call_duration_seconds_bucket{service_name=\"levqor-one\",some_label=\"a\\\"b\",le=\"0.25\"} 0\n",
            "some_label=\"a\\\"b\",le=\"0.5\"} 1\n",
            "some_label=\"a\\\"b\",le=\"+Inf\"} 2\n",
            "test_call_duration_seconds_sum{service_name=\"levqor-other\",some_label=\"c\"} 20.3\n",
            "# TYPE test_done_total counter\ntest_done_total{service_name=\"levqor-one\"} 2\ntest_done_total{service_name=\"levqor-other\"} 2\n",
            "# TYPE target_info gauge\n",
        ] {
            assert!(page.contains(lines), "{lines} is missing in {page}");
        }
        assert_eq!(page.matches("# TYPE test_call_duration_seconds ").count(), 1, "{page}");
    }

    #[test]
    fn the_open_format_names_units_and_ends() {
        let metrics = Metrics::new("one");
        metrics.counter(&DONE, &[]).one();
        metrics.histogram(&CALLS, &[]).record(Duration::from_secs(1));
        let page = render(&[metrics], Format::OpenMetrics);
        for lines in [
            "# TYPE test_done counter\ntest_done_total{",
            "# UNIT test_call_duration_seconds seconds\n",
            "le=\"1.0\"} 1\n",
            "# TYPE target info\ntarget_info{service_name=\"levqor-one\"} 1\n",
        ] {
            assert!(page.contains(lines), "{lines} is missing in {page}");
        }
        assert!(page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn a_recorded_trace_is_the_example_of_its_bucket() {
        let metrics = Metrics::new("one");
        let calls = metrics.histogram(&CALLS, &[]);
        let took = Duration::from_millis(40);
        calls.record_traced(took, || Some(trace(TraceFlags::NOT_SAMPLED)));
        assert!(!render(std::slice::from_ref(&metrics), Format::OpenMetrics).contains("trace_id"));
        calls.record_traced(took, || Some(trace(TraceFlags::SAMPLED)));
        calls.record_traced(took, || panic!("it is asked for a trace while its own is good"));
        let page = render(std::slice::from_ref(&metrics), Format::OpenMetrics);
        let example = "le=\"0.05\"} 3 # {trace_id=\"0000000000000000000000000af76519\",span_id=\"000000000000b7ad\"} 0.04 ";
        assert!(page.contains(example) && page.matches("trace_id").count() == 1, "{page}");
        // The older format has no exemplars; its scrapers fail on them.
        assert!(!render(&[metrics], Format::Plain).contains("trace_id"));
    }

    #[test]
    fn failed_measurements_are_absent_and_not_zero() {
        let metrics = Metrics::new("one");
        let at = |second| DateTime::from_timestamp(second, 0).expect("an instant");
        let page = || render(std::slice::from_ref(&metrics), Format::Plain);
        let mut readings = Readings::default();
        readings.count(&DEPTH, &[KeyValue::new("state", "due")], 7);
        metrics.publish("own", at(100), Some(readings));
        assert!(
            page().contains("test_depth_bytes{service_name=\"levqor-one\",state=\"due\"} 7\n"),
            "{}",
            page()
        );
        metrics.publish("own", at(200), None);
        assert!(!page().contains("test_depth_bytes{"), "{}", page());
        // The age of the last measurement keeps increasing.
        assert!(page().contains("measurement=\"own\"} 100\n"), "{}", page());
    }
}
