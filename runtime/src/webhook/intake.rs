//! The intake: verifies, reads, stores and counts webhooks. It answers the sender only after the commit.

use std::borrow::Cow;

use crate::{
    capability::Capability, chassis::Chassis, clock::Clock, config::Setting, error::ServiceError,
    service_error,
};

use super::{SignatureError, SignatureHeaders, Verifier, metrics::WebhookMetrics};

/// A signed body that tests whether a secret is in use. The reason `WEBHOOK_PROBE` confirms it. Nothing is stored.
pub const PROBE: &str = r#"{"object":"levqor.webhook_probe"}"#;

service_error! {
    /// Why a webhook is refused, independent of its event.
    #[derive(Debug, thiserror::Error)]
    pub enum WebhookError {
        /// The signature is not valid.
        #[error(transparent)]
        Signature(#[from] SignatureError) => source,
        /// A probe: its signature is valid, and it is not an event.
        #[error("the signature is valid, and the body is a probe, which is not stored")]
        Probe => InvalidArgument "WEBHOOK_PROBE",
        /// This setting has no secret to verify webhooks with.
        #[error("{0} is not set: no event can be verified")]
        Off(Cow<'static, str>) => NotFound "WEBHOOKS_OFF",
    }
}

/// A journaled event.
#[derive(Debug, Clone)]
pub struct Journaled<S> {
    /// The sender's id of the event.
    pub event_id: String,
    /// Whether it was already in the journal.
    pub duplicate: bool,
    /// Its state in the journal.
    pub state: S,
}

/// Receives the webhooks of one sender.
pub struct WebhookIntake {
    setting: Cow<'static, str>,
    verifier: Verifier,
    metrics: WebhookMetrics,
    clock: Clock,
}

impl WebhookIntake {
    /// Creates the intake of this sender, with the secrets of this setting. Without a secret it refuses every webhook.
    pub fn new<S: AsRef<[u8]>>(
        chassis: &Chassis,
        provider: &'static str,
        setting: &Setting,
        secrets: impl IntoIterator<Item = S>,
    ) -> Self {
        let verifier = Verifier::new(secrets);
        let metrics = WebhookMetrics::new(&chassis.metrics, provider, verifier.secrets());
        Self { setting: setting.name.clone(), verifier, metrics, clock: chassis.clock.clone() }
    }

    /// Its capability for the status. Without a secret it is off, and `missing` names the missing feature.
    #[must_use]
    pub fn capability(&self, name: &'static str, missing: &str) -> Capability {
        match self.verifier.secrets() {
            0 => Capability::off(name, format!("{} is not set: {missing}", self.setting)),
            1 => Capability::on(name, "1 live secret"),
            several => Capability::on(name, format!("{several} live secrets")),
        }
    }

    /// Receives one webhook. `journal` parses and stores the event once. It runs only after the verification, and returns after its commit.
    pub async fn take<S, E>(
        &self,
        headers: SignatureHeaders<'_>,
        body: &[u8],
        journal: impl Future<Output = Result<Journaled<S>, E>>,
    ) -> Result<Journaled<S>, E>
    where
        E: ServiceError + From<WebhookError>,
    {
        let taken = match self.verify(headers, body) {
            Ok(()) => journal.await,
            Err(error) => Err(error.into()),
        };
        match &taken {
            Ok(journaled) => self.metrics.taken(journaled.duplicate),
            // A probe is not a webhook of the sender, so it is not counted, whether its signature is valid or not.
            Err(_) if is_probe(body) => {}
            Err(error) => self.metrics.refused(error),
        }
        taken
    }

    fn verify(&self, headers: SignatureHeaders<'_>, body: &[u8]) -> Result<(), WebhookError> {
        if self.verifier.secrets() == 0 {
            return Err(WebhookError::Off(self.setting.clone()));
        }
        let secret = self.verifier.verify(headers, body, self.clock.now())?;
        if is_probe(body) {
            return Err(WebhookError::Probe);
        }
        self.metrics.verified(secret);
        Ok(())
    }
}

fn is_probe(body: &[u8]) -> bool {
    body == PROBE.as_bytes()
}
