//! The companies that may receive personal data from a service, or that work for it: the register of processors (GDPR, articles 28 and
//! 30). Each service declares its companies by its settings, also those that are off. A declaration names settings and hosts, but no
//! secrets.

use crate::{capability::CapabilityState, telemetry};

/// Every category of personal data that columns declare.
const EVERY_CATEGORY: &[&str] = &["EMAIL", "NAME", "IP", "MESSAGE", "PAYMENT", "IDENTIFIER"];

/// A company that may receive personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its name, or its function.
    pub name: &'static str,
    /// Why it receives data, in a sentence.
    pub purpose: &'static str,
    /// The categories of the data, as columns declare them: `EMAIL`. Empty if it receives no personal data.
    pub categories: &'static [&'static str],
    /// The setting that turns it on.
    pub setting: &'static str,
    /// Whether it is on.
    pub is_active: bool,
    /// The host that gets the data, if a setting names it.
    pub host: Option<String>,
}

impl Recipient {
    /// A company that is off.
    #[must_use]
    pub const fn new(
        name: &'static str,
        purpose: &'static str,
        categories: &'static [&'static str],
        setting: &'static str,
    ) -> Self {
        Self { name, purpose, categories, setting, is_active: false, host: None }
    }

    /// Sets the host. The company is on if there is a host.
    #[must_use]
    pub fn at(mut self, host: Option<&str>) -> Self {
        self.is_active = host.is_some();
        self.host = host.map(str::to_owned);
        self
    }
}

/// The companies that the process of every service uses.
pub(crate) fn of_process() -> Vec<Recipient> {
    let capabilities = telemetry::capabilities();
    let is_active =
        |name: &str| capabilities.iter().any(|it| it.name == name && it.state != CapabilityState::Off);
    let database = Recipient::new(
        "The host of the databases",
        "Keeps all data of the services.",
        EVERY_CATEGORY,
        "LEVQOR_DATABASE_URL",
    );
    let otlp = Recipient::new(
        "The receiver of telemetry",
        "Gets traces, metrics and logs, from which personal data is removed first.",
        &[],
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    );
    let sentry = Recipient::new(
        "Sentry",
        "Gets reports of errors, from which personal data is removed first.",
        &[],
        "SENTRY_DSN",
    );
    let all = [(database, true), (otlp, is_active("otlp")), (sentry, is_active("sentry"))];
    all.map(|(recipient, is_active)| Recipient { is_active, ..recipient }).into()
}
