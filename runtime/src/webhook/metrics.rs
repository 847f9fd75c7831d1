//! The metrics of one sender's webhooks.

use crate::{
    error::ServiceError,
    metrics::{Attribute, Count, Definition, KeyValue, Metrics},
};

/// Why a webhook was refused or not stored. `OTHER` means any reason that is not listed.
pub(crate) const REASONS: &[&str] = &[
    "SIGNATURE_MISSING",
    "SIGNATURE_MALFORMED",
    "SIGNATURE_MISMATCH",
    "SIGNATURE_STALE",
    "SIGNATURE_FUTURE",
    "INVALID_REQUEST",
    "WEBHOOKS_OFF",
    "BUSY",
    "DATABASE_UNAVAILABLE",
    "CONFLICT",
    "OTHER",
];

const PROVIDER: Attribute = Attribute::known("provider", "who sends webhooks to the service");

const EVENTS: Definition = Definition::counter(
    "levqor.webhook.events",
    "{event}",
    "Webhook events with a valid signature that are in the journal: new events, and events that came again.",
    &[PROVIDER, Attribute::one_of("outcome", &["accepted", "duplicate"])],
);
/// Webhooks that were refused or not stored.
pub const REFUSALS: Definition = Definition::counter(
    "levqor.webhook.refusals",
    "{event}",
    "Webhook events that were refused or could not be stored, by reason.",
    &[PROVIDER, Attribute::one_of("reason", REASONS)],
);
const VERIFIED: Definition = Definition::counter(
    "levqor.webhook.verified",
    "{event}",
    "Webhook events by the secret that verified them: its position in the setting, from 0. An unused secret can be removed.",
    &[PROVIDER, Attribute::known("secret", "the positions of the secrets in the provider's setting")],
);
/// Every metric of webhooks.
pub const METRICS: &[Definition] = &[EVENTS, REFUSALS, VERIFIED];

/// The series of one sender, bound once.
pub(super) struct WebhookMetrics {
    accepted: Count,
    duplicate: Count,
    refusals: Vec<Count>,
    secrets: Vec<Count>,
}

impl WebhookMetrics {
    pub(super) fn new(metrics: &Metrics, provider: &'static str, secrets: usize) -> Self {
        let provider = KeyValue::new("provider", provider);
        let webhook = |definition, key, value: &'static str| {
            metrics.counter(definition, &[provider.clone(), KeyValue::new(key, value)])
        };
        let secret = |position: usize| {
            let position = KeyValue::new("secret", i64::try_from(position).unwrap_or(i64::MAX));
            metrics.counter(&VERIFIED, &[provider.clone(), position])
        };
        let refusal = |reason: &&'static str| webhook(&REFUSALS, "reason", reason);
        Self {
            accepted: webhook(&EVENTS, "outcome", "accepted"),
            duplicate: webhook(&EVENTS, "outcome", "duplicate"),
            refusals: REASONS.iter().map(refusal).collect(),
            secrets: (0..secrets).map(secret).collect(),
        }
    }

    pub(super) fn taken(&self, duplicate: bool) {
        if duplicate { self.duplicate.one() } else { self.accepted.one() }
    }

    pub(super) fn refused<E: ServiceError>(&self, error: &E) {
        let known = REASONS.iter().position(|reason| *reason == error.reason());
        if let Some(count) = known.and_then(|index| self.refusals.get(index)).or(self.refusals.last()) {
            count.one();
        }
    }

    /// Counts an event that the secret at this position verified.
    pub(super) fn verified(&self, secret: usize) {
        if let Some(count) = self.secrets.get(secret) {
            count.one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::DbError, webhook::SignatureError};

    #[test]
    fn every_signature_error_is_counted_by_its_reason() {
        use SignatureError::{Future, Malformed, Mismatch, Missing, Stale};
        for error in [Missing, Malformed, Mismatch, Stale, Future] {
            assert!(REASONS.contains(&error.reason()), "{error:?}");
        }
    }

    #[test]
    fn a_failure_after_which_a_sender_retries_is_counted_by_its_reason() {
        for error in
            [DbError::Unavailable(sqlx::Error::PoolTimedOut), DbError::Conflict(sqlx::Error::RowNotFound)]
        {
            assert!(REASONS.contains(&error.reason()), "{error:?}");
        }
    }
}
