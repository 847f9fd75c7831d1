//! Webhooks: what those have in common whose senders sign them with a secret that both sides know. How a vendor writes its
//! signature down is the business of the service that knows the vendor.

use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;

use crate::{
    error::ServiceError,
    metrics::{Attribute, Count, Definition, KeyValue, Metrics},
    service_error,
};

/// What is posted, signed, to find out whether a secret is live: the refusal `WEBHOOK_PROBE` says that it is, and that is all
/// that becomes of it.
pub const PROBE: &str = r#"{"object":"levqor.webhook_probe"}"#;
/// How far a signature's timestamp may be from now, either way.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(300);
/// A sender makes one signature per live secret. More than this is somebody who wants us to compare.
pub const MOST_SIGNATURES: usize = 8;

service_error! {
    /// Why a webhook is refused.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    pub enum SignatureError {
        /// Nothing is signed.
        #[error("the signature's header is missing")]
        Missing => InvalidArgument "SIGNATURE_MISSING",
        /// Something is, in a form that is not the sender's.
        #[error("the signature's header is malformed")]
        Malformed => InvalidArgument "SIGNATURE_MALFORMED",
        /// Signed with a secret that is not ours, or the body was changed on the way.
        #[error("the signature does not match the body")]
        Mismatch => InvalidArgument "SIGNATURE_MISMATCH",
        /// Signed too long ago: perhaps somebody replays it.
        #[error("the signature's timestamp is more than 300 seconds old")]
        Stale => InvalidArgument "SIGNATURE_STALE",
        /// Signed in the future: a clock is wrong, or somebody plans ahead.
        #[error("the signature's timestamp is more than 300 seconds in the future")]
        Future => InvalidArgument "SIGNATURE_FUTURE",
    }
}

/// What a sender says to have signed, and its signatures.
pub struct Signed<'a> {
    /// What is signed, in pieces, the timestamp among them.
    pub parts: &'a [&'a [u8]],
    /// When it was signed, in seconds since 1970, as it is written.
    pub timestamp: &'a str,
    /// The signatures, of which one has to be good. `MOST_SIGNATURES` are looked at.
    pub signatures: &'a [Vec<u8>],
}

/// Verifies signatures (HMAC-SHA-256) with every live secret; while one is being rolled there are two.
pub struct Verifier {
    keys: Vec<hmac::Key>,
}

impl Verifier {
    /// A verifier with these secrets, in the order of their setting.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let key = |secret: S| hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        Self { keys: secrets.into_iter().map(key).collect() }
    }

    /// How many secrets are live.
    #[must_use]
    pub fn secrets(&self) -> usize {
        self.keys.len()
    }

    /// Checks the signature first, in constant time, and only then the timestamp that it covers. The place of the secret
    /// that verified it.
    pub fn verify(&self, signed: &Signed<'_>, now: DateTime<Utc>) -> Result<usize, SignatureError> {
        let signatures = || signed.signatures.iter().take(MOST_SIGNATURES);
        // The body is read once per secret, however many signatures come with it.
        let matches = |key: &hmac::Key| {
            let tag = sign(key, signed.parts);
            signatures().any(|signature| equal(key, tag.as_ref(), signature))
        };
        let place = self.keys.iter().position(matches).ok_or(SignatureError::Mismatch)?;
        let signed_at =
            signed.timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        match now.signed_duration_since(signed_at.ok_or(SignatureError::Malformed)?) {
            age if age > TOLERANCE => Err(SignatureError::Stale),
            age if age < -TOLERANCE => Err(SignatureError::Future),
            _ => Ok(place),
        }
    }
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

/// Compares in constant time: ring offers that for tags only, so it compares the tags of the two.
fn equal(key: &hmac::Key, tag: &[u8], signature: &[u8]) -> bool {
    hmac::verify(key, tag, hmac::sign(key, signature).as_ref()).is_ok()
}

/// Why a webhook is not taken; `OTHER` is for what nobody foresaw.
pub(crate) const REASONS: [&str; 11] = [
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

/// Webhooks that were taken.
const EVENTS: Definition = Definition::counter(
    "levqor.webhook.events",
    "{event}",
    "Webhook events with a good signature that are in the journal: new ones, and those that were there before.",
    &[PROVIDER, Attribute::one_of("outcome", &["accepted", "duplicate"])],
);
/// Webhooks that were refused.
pub const REFUSALS: Definition = Definition::counter(
    "levqor.webhook.refusals",
    "{event}",
    "Webhook events that were not taken, by the reason. Those that are no fault of the event come again.",
    &[PROVIDER, Attribute::one_of("reason", &REASONS)],
);
/// Which secret was used.
const VERIFIED: Definition = Definition::counter(
    "levqor.webhook.verified",
    "{event}",
    "Webhook events by the secret that verified them: its place in the setting, from 0. One that rests can be removed.",
    &[PROVIDER, Attribute::known("secret", "the places of the secrets in the provider's setting")],
);
/// Every metric of webhooks.
pub const METRICS: &[Definition] = &[EVENTS, REFUSALS, VERIFIED];

/// What is counted of one sender's webhooks, bound once.
pub struct WebhookMetrics {
    accepted: Count,
    duplicate: Count,
    refusals: Vec<Count>,
    secrets: Vec<Count>,
}

impl WebhookMetrics {
    /// Of this sender's, who has so many live secrets.
    #[must_use]
    pub fn new(metrics: &Metrics, provider: &'static str, secrets: usize) -> Self {
        let provider = KeyValue::new("provider", provider);
        let webhook = |definition, key, value: &'static str| {
            metrics.counter(definition, &[provider.clone(), KeyValue::new(key, value)])
        };
        let secret = |place: usize| {
            let place = KeyValue::new("secret", i64::try_from(place).unwrap_or(i64::MAX));
            metrics.counter(&VERIFIED, &[provider.clone(), place])
        };
        let refusal = |reason: &&'static str| webhook(&REFUSALS, "reason", reason);
        Self {
            accepted: webhook(&EVENTS, "outcome", "accepted"),
            duplicate: webhook(&EVENTS, "outcome", "duplicate"),
            refusals: REASONS.iter().map(refusal).collect(),
            secrets: (0..secrets).map(secret).collect(),
        }
    }

    /// An event is in the journal.
    pub fn taken(&self, duplicate: bool) {
        if duplicate { self.duplicate.one() } else { self.accepted.one() }
    }

    /// An event was not taken.
    pub fn refused<E: ServiceError>(&self, error: &E) {
        let place = REASONS.iter().position(|reason| *reason == error.reason());
        if let Some(count) = place.and_then(|place| self.refusals.get(place)).or(self.refusals.last()) {
            count.one();
        }
    }

    /// The secret at this place verified an event.
    pub fn verified(&self, secret: usize) {
        if let Some(count) = self.secrets.get(secret) {
            count.one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const BODY: &[u8] = b"{}";

    fn signature(secret: &str, timestamp: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        sign(&key, &[timestamp.as_bytes(), b".", BODY]).as_ref().to_vec()
    }

    fn verify(timestamp: &str, signatures: &[Vec<u8>]) -> Result<usize, SignatureError> {
        let parts: [&[u8]; 3] = [timestamp.as_bytes(), b".", BODY];
        let now = DateTime::from_timestamp(NOW, 0).expect("an instant");
        Verifier::new(["new", "old"]).verify(&Signed { parts: &parts, timestamp, signatures }, now)
    }

    #[test]
    fn the_secret_that_verified_is_named_by_its_place() {
        let now = NOW.to_string();
        for (place, secret) in ["new", "old"].into_iter().enumerate() {
            let signatures = [signature("another", &now), vec![], signature(secret, &now)];
            assert_eq!(verify(&now, &signatures), Ok(place));
        }
        assert_eq!(verify(&now, &[signature("another", &now)]), Err(SignatureError::Mismatch));
        assert_eq!(verify(&now, &[]), Err(SignatureError::Mismatch));
    }

    #[test]
    fn a_timestamp_that_is_signed_and_no_number_is_malformed() {
        assert_eq!(verify("soon", &[signature("new", "soon")]), Err(SignatureError::Malformed));
    }

    #[test]
    fn every_signature_error_is_counted_by_its_reason() {
        use SignatureError::{Future, Malformed, Mismatch, Missing, Stale};
        for error in [Missing, Malformed, Mismatch, Stale, Future] {
            assert!(REASONS.contains(&error.reason()), "{error:?}");
        }
    }

    #[test]
    fn what_a_sender_sends_again_is_counted_by_its_reason_too() {
        use crate::db::DbError;
        for error in
            [DbError::Unavailable(sqlx::Error::PoolTimedOut), DbError::Conflict(sqlx::Error::RowNotFound)]
        {
            assert!(REASONS.contains(&error.reason()), "{error:?}");
        }
    }
}
