//! Settings of telemetry: the level and format of the log, the destinations of OTLP and errors, and the name of this deployment.

mod otlp;
mod standard;

use secrecy::{ExposeSecret, SecretString};
use sentry::types::Dsn;
use tracing_subscriber::EnvFilter;

pub use otlp::Otlp;

use self::standard::Standard;
use super::sampling::Trusted;
use crate::config::{Problem, Reader, Setting};

const LOG: Setting = Setting::plain(
    "LEVQOR_LOG",
    Some("info"),
    "What is logged, in the syntax of tracing-subscriber's EnvFilter: `info`, `warn,levqor_runtime=debug`.",
);
const LOG_FORMAT: Setting = Setting::plain(
    "LEVQOR_LOG_FORMAT",
    None,
    "How it is logged: `text` for people, `json` for machines. Where it is not set: `json` if LEVQOR_ENVIRONMENT is `production`, else `text`.",
);
const ENVIRONMENT: Setting = Setting::plain(
    "LEVQOR_ENVIRONMENT",
    Some("development"),
    "What this deployment is called in traces, metrics, logs and Sentry: `production`, `staging`, `development`.",
);
const SENTRY_DSN: Setting = Setting::secret(
    "SENTRY_DSN",
    "Where internal errors and panics are reported: the DSN of a Sentry project, https://key@host/project. Without it `sentry` is off.",
);
const SDK_DISABLED: Setting = Setting::plain(
    "OTEL_SDK_DISABLED",
    Some("false"),
    "`true`, in upper or lower case: nothing is exported over OTLP, whatever else is set. It does not affect Sentry and the log.",
);
const TRUSTED: Setting = Setting::plain(
    "LEVQOR_TRUST_TRACE_SAMPLING",
    Some("grpc"),
    "On which ports a caller decides whether its trace is recorded: `grpc` (services), `http` (the gateway), `grpc,http`, or `none`. Elsewhere the trace keeps its id, and OTEL_TRACES_SAMPLER decides.",
);

/// The telemetry configuration.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    pub(crate) filter: String,
    pub(crate) json: bool,
    /// `LEVQOR_ENVIRONMENT`
    pub(crate) environment: String,
    /// Where traces, metrics and logs go; an error says why the export is off.
    pub(crate) otlp: Result<Otlp, &'static str>,
    /// The ports where a caller's sampling decision is trusted.
    pub(super) trusted: Trusted,
    /// Settings that were not understood. They are ignored, as OpenTelemetry requires.
    pub(super) ignored: Vec<Problem>,
    /// Where errors go. `None` if error reports are off.
    pub(crate) sentry: Option<SentryDsn>,
}

/// A DSN. Its `Debug` shows nothing.
#[derive(Clone)]
pub(crate) struct SentryDsn(pub(crate) Dsn);

impl std::fmt::Debug for SentryDsn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SentryDsn(…)")
    }
}

impl TelemetryConfig {
    /// The settings.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        let mut settings = vec![LOG, LOG_FORMAT, ENVIRONMENT, SENTRY_DSN, SDK_DISABLED, TRUSTED];
        settings.extend(Otlp::settings());
        settings
    }

    /// Whether this deployment is called `production`.
    pub fn is_production(reader: &mut Reader<'_>) -> bool {
        environment(reader).is_some_and(|name| name == "production")
    }

    /// Reads the settings. Returns none only after it noted a problem.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let filter: Option<String> = reader.defaulted(&LOG, "an EnvFilter");
        if filter.as_ref().is_some_and(|filter| EnvFilter::try_new(filter).is_err()) {
            reader.problem(&LOG, "expected an EnvFilter such as `info` or `warn,levqor_runtime=debug`");
        }
        let format: Option<String> = reader.optional(&LOG_FORMAT, "`text` or `json`");
        if format.as_deref().is_some_and(|format| !matches!(format, "text" | "json")) {
            reader.problem(&LOG_FORMAT, "expected `text` or `json`");
        }
        let environment = environment(reader);
        let mut standard = Standard::default();
        let disabled = standard.boolean(reader, &SDK_DISABLED);
        let otlp = Otlp::read(reader, &mut standard);
        let trusted = reader.defaulted(&TRUSTED, "`grpc`, `http`, `grpc,http` or `none`");
        let sentry = reader.secret(&SENTRY_DSN).and_then(|text| dsn(reader, &text));
        let otlp = if disabled { Err("OTEL_SDK_DISABLED is true") } else { otlp? };
        let environment = environment?;
        let json = format.map_or(environment == "production", |format| format == "json");
        let (trusted, ignored) = (trusted?, standard.ignored());
        Some(Self { filter: filter?, json, environment, otlp, trusted, ignored, sentry })
    }
}

fn environment(reader: &mut Reader<'_>) -> Option<String> {
    let expected = "a name of up to 64 letters, digits, dots, dashes and underscores, such as production";
    let name: String = reader.defaulted(&ENVIRONMENT, expected)?;
    let fits = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if !fits {
        reader.problem(&ENVIRONMENT, format!("expected {expected}"));
    }
    Some(name)
}

/// Reads a DSN. A key without its host, as after an incomplete copy, is not a DSN.
fn dsn(reader: &mut Reader<'_>, text: &SecretString) -> Option<SentryDsn> {
    let parsed = text.expose_secret().parse().ok();
    if parsed.is_none() {
        let expected =
            "expected a DSN, https://PUBLIC_KEY@HOST/PROJECT_ID, as Sentry shows it under Client Keys";
        reader.problem(&SENTRY_DSN, expected);
    }
    parsed.map(SentryDsn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    fn read(pairs: &[(&str, &str)]) -> Result<TelemetryConfig, String> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = TelemetryConfig::read(&mut reader);
        reader.finish(config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_set_means_that_nothing_leaves() {
        let config = read(&[]).expect("defaults");
        assert!(config.otlp.is_err() && config.sentry.is_none());
        assert_eq!(config.environment, "development");
    }

    #[test]
    fn production_logs_for_machines_unless_told_otherwise() {
        let json = |pairs: &[(&str, &str)]| read(pairs).expect("sound").json;
        let production = ("LEVQOR_ENVIRONMENT", "production");
        assert!(json(&[production]) && !json(&[]) && !json(&[("LEVQOR_ENVIRONMENT", "staging")]));
        assert!(
            !json(&[production, ("LEVQOR_LOG_FORMAT", "text")]) && json(&[("LEVQOR_LOG_FORMAT", "json")])
        );
        assert!(read(&[production, ("LEVQOR_LOG_FORMAT", "xml")]).is_err());
    }

    #[test]
    fn an_invalid_dsn_is_refused_with_the_expected_form_and_without_the_value() {
        // The first value is a bare hash, as after an incomplete copy.
        for text in
            ["4c1a9d0e77b24bd1a1d3b1c2d3e4f5a6", "https://sentry.io/1", "key@host/1", "https://key@host/"]
        {
            let said = read(&[("SENTRY_DSN", text)]).expect_err(text);
            assert!(
                said.contains("SENTRY_DSN: expected a DSN, https://PUBLIC_KEY@HOST/PROJECT_ID"),
                "{said}"
            );
            assert!(!said.contains(text), "{said}");
        }
        assert!(
            read(&[("SENTRY_DSN", "https://key@o1.ingest.sentry.io/42")]).expect("a DSN").sentry.is_some()
        );
    }

    #[test]
    fn a_disabled_sdk_exports_nothing_but_its_mistakes_are_still_found() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        assert!(read(&[endpoint]).expect("an endpoint").otlp.is_ok());
        assert!(read(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).expect("disabled").otlp.is_err());
        assert!(read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "x y"), ("OTEL_SDK_DISABLED", "true")]).is_err());
    }

    #[test]
    fn a_setting_with_a_standard_name_is_read_by_the_standards_rules() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        for (value, is_on, ignored) in
            [("True", false, 0), ("TRUE", false, 0), ("false", true, 0), ("1", true, 1), ("yes", true, 1)]
        {
            let config = read(&[endpoint, ("OTEL_SDK_DISABLED", value)]).expect(value);
            assert_eq!((config.otlp.is_ok(), config.ignored.len()), (is_on, ignored), "{value}");
        }
    }
}
