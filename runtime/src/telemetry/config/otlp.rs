//! Settings of the OTLP export, by OpenTelemetry's names.

use std::{str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::Sampler;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;

use super::standard::Standard;
use crate::config::{Reader, Setting};

const ENDPOINT: Setting = Setting::plain(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    None,
    "Where traces, metrics and logs go: the URL of an OTLP receiver that speaks gRPC, http://127.0.0.1:4317. Without it `otlp` is off.",
);
const HEADERS: Setting = Setting::secret(
    "OTEL_EXPORTER_OTLP_HEADERS",
    "Headers of every export, as `name=value,name=value`, values percent-encoded.",
);
const PROTOCOL: Setting = Setting::plain(
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    Some("grpc"),
    "The protocol of OTLP. Only `grpc` is supported.",
);
const TIMEOUT: Setting = Setting::plain(
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    Some("10000"),
    "How long one export may take, in milliseconds; 0 is no limit.",
);
const SAMPLER: Setting = Setting::plain(
    "OTEL_TRACES_SAMPLER",
    Some("parentbased_traceidratio"),
    "Which traces are recorded: `always_on`, `always_off` or `traceidratio`; with `parentbased_` before it, only where a trusted caller has not decided.",
);
const SAMPLER_ARG: Setting = Setting::plain(
    "OTEL_TRACES_SAMPLER_ARG",
    Some("1.0"),
    "The share of traces that `traceidratio` and `parentbased_traceidratio` record, from 0 to 1.",
);
const RESOURCE: Setting = Setting::plain(
    "OTEL_RESOURCE_ATTRIBUTES",
    None,
    "Further resource attributes of this process, for everything that it exports, as `name=value,name=value`, values percent-encoded.",
);
const METRIC_INTERVAL: Setting = Setting::plain(
    "OTEL_METRIC_EXPORT_INTERVAL",
    Some("60000"),
    "How often metrics go out over OTLP, in milliseconds.",
);

/// How and where OTLP is exported.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The receiver.
    pub endpoint: Uri,
    /// The headers of every export; values are marked sensitive.
    pub headers: HeaderMap,
    /// How long one export may take.
    pub timeout: Duration,
    /// Which traces are recorded.
    pub(in crate::telemetry) sampler: Samplers,
    /// Additional resource attributes of the process.
    pub resource: Vec<KeyValue>,
    /// How often metrics are exported.
    pub metric_interval: Duration,
}

/// Which traces are recorded.
#[derive(Debug, Clone)]
pub(in crate::telemetry) struct Samplers {
    /// Decides for the first span of a trace.
    pub(in crate::telemetry) root: Sampler,
    /// Whether later spans follow their parents.
    pub(in crate::telemetry) parent_based: bool,
}

impl Otlp {
    /// The settings.
    #[must_use]
    pub(super) fn settings() -> Vec<Setting> {
        vec![ENDPOINT, HEADERS, PROTOCOL, TIMEOUT, SAMPLER, SAMPLER_ARG, RESOURCE, METRIC_INTERVAL]
    }

    /// Reads all settings, also when the export is off, so that mistakes are found before it is turned on. The outer none means
    /// that a problem was noted. The error says why the export is off.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        standard: &mut Standard,
    ) -> Option<Result<Self, &'static str>> {
        let expected = "the URL of an OTLP receiver without a path, such as http://127.0.0.1:4317";
        let given = reader.is_set(&ENDPOINT);
        let endpoint: Option<Endpoint> = reader.optional(&ENDPOINT, expected);
        let headers = headers(reader);
        let only_grpc = |text: &str| text.eq_ignore_ascii_case("grpc").then_some(());
        standard.read(reader, &PROTOCOL, "`grpc`, the only supported protocol", only_grpc);
        let timeout = standard.timeout(reader, &TIMEOUT);
        let sampler = sampler(reader, standard);
        let pairs = "`name=value,name=value`, values percent-encoded";
        // All of it is discarded if a part of it is malformed (Resource SDK).
        let resource = standard.read(reader, &RESOURCE, pairs, self::pairs).unwrap_or_default();
        let metric_interval = standard.interval(reader, &METRIC_INTERVAL);
        if !given {
            let rest = (headers?, timeout?, sampler?, metric_interval?);
            drop(rest);
            return Some(Err("OTEL_EXPORTER_OTLP_ENDPOINT is not set"));
        }
        Some(Ok(Self {
            endpoint: endpoint?.0,
            headers: headers?,
            timeout: timeout?,
            sampler: sampler?,
            resource: resource.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect(),
            metric_interval: metric_interval?,
        }))
    }
}

fn headers(reader: &mut Reader<'_>) -> Option<HeaderMap> {
    let Some(text) = reader.secret(&HEADERS) else { return Some(HeaderMap::new()) };
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs(text)? {
            let mut value = HeaderValue::from_str(&value).ok()?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_str(&name).ok()?, value);
        }
        Some(headers)
    };
    let headers = read(text.expose_secret());
    if headers.is_none() {
        reader.problem(&HEADERS, "expected headers as `name=value,name=value`, values percent-encoded");
    }
    headers
}

fn sampler(reader: &mut Reader<'_>, standard: &mut Standard) -> Option<Samplers> {
    let share = standard.read(reader, &SAMPLER_ARG, "a share from 0 to 1, such as 0.1", |text| {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share))
    })?;
    let kinds = "`always_on`, `always_off` or `traceidratio`, or one of them with `parentbased_` before it";
    standard.read(reader, &SAMPLER, kinds, |text| {
        let text = text.to_ascii_lowercase();
        let (parent_based, root) =
            text.strip_prefix("parentbased_").map_or((false, text.as_str()), |root| (true, root));
        let root = match root {
            "traceidratio" => Sampler::TraceIdRatioBased(share),
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            _ => return None,
        };
        Some(Samplers { root, parent_based })
    })
}

/// The text does not have the expected form.
#[derive(Debug)]
struct Malformed;

/// An http or https URL with a host and without path, query or user.
struct Endpoint(Uri);

impl FromStr for Endpoint {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let uri: Uri = text.parse().map_err(|_| Malformed)?;
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        let authority = uri.authority().is_some_and(|it| !it.host().is_empty() && !it.as_str().contains('@'));
        let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        if scheme && authority && bare { Ok(Self(uri)) } else { Err(Malformed) }
    }
}

/// Reads `name=value,name=value`, values percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
        Some((name.trim().to_owned(), value)).filter(|(name, _)| !name.is_empty())
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Problem};

    fn read_all(pairs: &[(&str, &str)]) -> Result<(Result<Otlp, &'static str>, Vec<Problem>), String> {
        let env = Env::from_pairs(pairs.iter().copied());
        let (mut reader, mut standard) = (Reader::new(&env), Standard::default());
        let otlp = Otlp::read(&mut reader, &mut standard);
        let otlp = reader.finish(otlp).map_err(|problems| problems.to_string())?;
        Ok((otlp, standard.ignored()))
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Result<Otlp, &'static str>, String> {
        read_all(pairs).map(|(otlp, _)| otlp)
    }

    #[test]
    fn the_usual_settings_are_read() {
        let otlp = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-team=1"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu-west-2"),
        ]);
        let otlp = otlp.expect("sound").expect("on");
        assert_eq!(otlp.headers.get("x-key").and_then(|value| value.to_str().ok()), Some("a b"));
        assert_eq!(otlp.resource, [KeyValue::new("cloud.region", "eu-west-2")]);
        assert!(format!("{:?}", otlp.sampler).contains("0.1"), "{:?}", otlp.sampler);
        assert!(!format!("{otlp:?}").contains("a b"), "a header's value is shown");
    }

    #[test]
    fn malformed_settings_are_named_even_if_their_feature_is_off() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4317"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318/v1/traces"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
        ] {
            let said = read(&[(name, value)]).expect_err(value);
            assert!(said.contains(&format!("{name}: expected")), "{said}");
            assert!(!said.contains(&format!(" {value}")), "a value is shown: {said}");
        }
    }

    #[test]
    fn a_value_that_the_standard_says_to_ignore_is_ignored_with_a_warning_and_the_default_holds() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        let defaults = format!("{:?}", read(&[endpoint]).expect("sound").expect("on"));
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_SAMPLER_ARG", "10"),
            ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=1,region"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "often"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ] {
            let (otlp, ignored) = read_all(&[endpoint, (name, value)]).expect(value);
            assert_eq!(format!("{:?}", otlp.expect("on")), defaults, "{name}={value}");
            assert_eq!(ignored.iter().map(|of| of.setting.as_str()).collect::<Vec<_>>(), [name], "{value}");
            assert!(!ignored[0].expected.contains(value), "a value is shown: {ignored:?}");
        }
    }

    #[test]
    fn the_standards_samplers_are_known_in_any_case() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        for (name, parent_based, root) in [
            ("always_on", false, "AlwaysOn"),
            ("ALWAYS_OFF", false, "AlwaysOff"),
            ("traceidratio", false, "TraceIdRatioBased(1.0)"),
            ("ParentBased_Always_On", true, "AlwaysOn"),
            ("parentbased_always_off", true, "AlwaysOff"),
            ("parentbased_traceidratio", true, "TraceIdRatioBased(1.0)"),
        ] {
            let samplers = read(&[endpoint, ("OTEL_TRACES_SAMPLER", name)]).expect(name).expect("on").sampler;
            assert_eq!(
                (samplers.parent_based, format!("{:?}", samplers.root).as_str()),
                (parent_based, root)
            );
        }
    }
}
