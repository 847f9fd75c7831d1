//! What all roles of the mesh read: every setting, and how the process tells what it does.

use levqor_runtime::{
    config::{Env, Problems, Reader, Setting},
    metrics::MetricsConfig,
    telemetry::{self, TelemetryConfig},
};

use crate::{services, state, threads, up};

/// The fingerprint of the protos that this binary's role of this name speaks.
pub(crate) fn protocol(role: &str) -> String {
    services::find(role).map_or_else(levqor_gateway::protocol, |service| service.protocol())
}

/// Variables that begin with this are ours: one that nobody reads is a mistake. Of Stripe's name others have variables
/// too, the website's prices among them: only what looks like one of ours counts.
pub(crate) const OURS: &[&str] =
    &["LEVQOR_", "STRIPE_SECRET", "STRIPE_WEBHOOK", "STRIPE_API", "RESEND_API", "RESEND_KEY"];

/// Every setting of every role, each once.
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

/// How the process tells what it does.
pub(crate) struct Telling {
    /// Its log, its traces, its failures.
    pub(crate) telemetry: TelemetryConfig,
    /// Where its metrics are shown.
    pub(crate) metrics: MetricsConfig,
}

/// Reads a configuration with how to tell of it, and reports every mistake, misspelt settings included.
pub(crate) fn read<T>(
    env: &Env,
    config: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<(Telling, T), Problems> {
    let mut reader = Reader::new(env);
    let telemetry = TelemetryConfig::read(&mut reader);
    let metrics = MetricsConfig::read(&mut reader);
    let config = config(&mut reader);
    // It took effect when the process began; a mistake in it is reported with all others.
    threads::read(&mut reader);
    reader.refuse_unknown(OURS, &settings());
    let telling = telemetry.zip(metrics).map(|(telemetry, metrics)| Telling { telemetry, metrics });
    reader.finish(telling.zip(config))
}

/// The same for a process that is to serve: mistakes are reported like every other failure to start, as far as the rest of
/// the settings says where to.
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
        // Where the mistake is in what says where to, standard error is all there is.
        Err(_) => Err(problems.into()),
    }
}

/// The settings that an environment gives, by name.
pub(crate) fn given(env: &Env) -> Vec<String> {
    let is_given = |setting: &Setting| {
        env.get(&setting.name).is_some()
            || (setting.secret && env.get(&format!("{}_FILE", setting.name)).is_some())
    };
    let given = settings().into_iter().filter(is_given);
    given.map(|setting| setting.name.into_owned()).collect()
}

/// The name of the setting that says where a service is.
pub(crate) fn address_setting(service: &str) -> String {
    format!("LEVQOR_{}_ADDR", service.to_uppercase())
}
