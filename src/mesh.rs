//! The settings that all roles of the mesh share, and the telemetry of the process.

use levqor_runtime::{
    config::{Env, Problems, Reader, Setting},
    exposition::MetricsConfig,
    telemetry::{self, TelemetryConfig},
};

use crate::{services, state, threads, up};

/// The fingerprint of the protos that this role of the binary was built with.
pub(crate) fn protocol(role: &str) -> String {
    services::find(role).map_or_else(levqor_gateway::protocol, services::AnyService::protocol)
}

/// Variables with these prefixes are ours, so an unknown one is a mistake. Other programs also have variables with Stripe's
/// prefix, such as the website with its prices. So under that prefix only names that look like ours count.
pub(crate) const OURS: &[&str] = &[
    "LEVQOR_",
    "STRIPE_SECRET",
    "STRIPE_WEBHOOK",
    "STRIPE_API",
    "RESEND_API",
    "RESEND_KEY",
    "RESEND_RATE",
    "SMTP_URL",
    "SMTP_RATE",
    "SMTP_CA",
];

/// Every setting of every role, once each.
pub(crate) fn settings() -> Vec<Setting> {
    let mut all = TelemetryConfig::settings();
    all.extend(threads::settings());
    all.extend(MetricsConfig::settings());
    all.extend(state::settings());
    all.extend(up::settings());
    all.extend(levqor_gateway::settings());
    all.extend(services::ALL.iter().flat_map(|service| service.settings()));
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|setting| seen.insert(setting.name.clone().into_owned()));
    all
}

/// The telemetry of the process.
pub(crate) struct Telling {
    /// The settings of logs, traces and error reports.
    pub(crate) telemetry: TelemetryConfig,
    /// The settings of the metrics endpoint.
    pub(crate) metrics: MetricsConfig,
}

/// Reads a configuration and the telemetry settings, and reports every mistake, including unknown settings.
pub(crate) fn read<T>(
    env: &Env,
    config: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<(Telling, T), Problems> {
    let mut reader = Reader::new(env);
    let telemetry = TelemetryConfig::read(&mut reader);
    let metrics = MetricsConfig::read(&mut reader);
    let config = config(&mut reader);
    // This setting took effect when the process began. A mistake in it is reported here, together with all others.
    threads::read(&mut reader);
    reader.refuse_unknown(OURS, &settings());
    let telling = telemetry.zip(metrics).map(|(telemetry, metrics)| Telling { telemetry, metrics });
    reader.finish(telling.zip(config))
}

/// As `read`, for a process that will serve. Mistakes are reported like every other failure to start, as far as the valid
/// settings name a destination for error reports.
pub(crate) async fn read_to_serve<T>(
    env: &Env,
    service: &'static str,
    config: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> anyhow::Result<(Telling, T)> {
    let problems = match read(env, config) {
        Ok(read) => return Ok(read),
        Err(problems) => problems,
    };
    let mut reader = Reader::new(env);
    let telemetry = TelemetryConfig::read(&mut reader);
    match reader.finish(telemetry) {
        Ok(telemetry) => telemetry::run(&telemetry, service, async { Err(problems.into()) }).await,
        // If the mistake is in the telemetry settings, the only destination is standard error.
        Err(_) => Err(problems.into()),
    }
}

/// The names of the settings that an environment sets.
pub(crate) fn given(env: &Env) -> Vec<String> {
    let is_given = |setting: &Setting| {
        env.get(&setting.name).is_some()
            || (setting.secret && env.get(&format!("{}_FILE", setting.name)).is_some())
    };
    let given = settings().into_iter().filter(is_given);
    given.map(|setting| setting.name.into_owned()).collect()
}

/// The name of the setting for the address of a service.
pub(crate) fn address_setting(service: &str) -> String {
    format!("LEVQOR_{}_ADDR", service.to_uppercase())
}
