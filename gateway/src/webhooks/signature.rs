//! What can be seen of a signature before the body is there. The service verifies it; what it would refuse whatever the body
//! says is refused here, and no room is made for the body.

use chrono::{DateTime, TimeDelta, Utc};
use http::HeaderMap;
use levqor_runtime::{
    error::{ErrorCode, ServiceError},
    metrics::{Count, KeyValue, Metrics},
    webhook::{REFUSALS, SignatureError, TOLERANCE},
};

use super::{header, lines::Lines};
use crate::problem::Problem;

/// The longest header of signatures: a sender makes one for each live secret.
const MOST_BYTES: usize = 4 << 10;
/// The longest id.
const MOST_ID_BYTES: usize = 256;

/// Counters of webhooks refused for their headers.
pub(super) struct Refusals {
    provider: &'static str,
    counts: Vec<(SignatureError, Count)>,
}

impl Refusals {
    pub(super) fn new(metrics: &Metrics, provider: &'static str) -> Self {
        use SignatureError::{Future, Malformed, Missing, Stale};
        let count = |error: SignatureError| {
            let labels = [KeyValue::new("provider", provider), KeyValue::new("reason", error.reason())];
            (error, metrics.counter(&REFUSALS, &labels))
        };
        Self { provider, counts: [Missing, Malformed, Stale, Future].map(count).into() }
    }

    pub(super) fn refuse(&self, error: SignatureError, lines: &Lines) -> Problem {
        if let Some((_, count)) = self.counts.iter().find(|(counted, _)| *counted == error) {
            count.one();
        }
        lines.refused(self.provider, error.reason());
        Problem::new(ErrorCode::InvalidArgument, error.reason(), error.to_string())
    }
}

/// Stripe's: `t=1700000000,v1=ab…`.
pub(super) fn stripe(headers: &HeaderMap, now: DateTime<Utc>) -> Result<(), SignatureError> {
    let text = header(headers, "stripe-signature");
    if text.trim().is_empty() {
        return Err(SignatureError::Missing);
    }
    let entries = || text.split(',').filter_map(|entry| entry.trim().split_once('='));
    let timestamp = entries().find(|(name, _)| *name == "t").ok_or(SignatureError::Malformed)?.1;
    let signed = entries().any(|(name, signature)| {
        name == "v1" && !signature.is_empty() && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if !signed || text.len() > MOST_BYTES {
        return Err(SignatureError::Malformed);
    }
    in_time(timestamp, now)
}

/// Svix', which Resend uses: an id, a timestamp, and `v1,<base64>`.
pub(super) fn svix(headers: &HeaderMap, now: DateTime<Utc>) -> Result<(), SignatureError> {
    let [id, timestamp, signature] =
        ["svix-id", "svix-timestamp", "svix-signature"].map(|name| header(headers, name));
    if id.is_empty() || timestamp.is_empty() || signature.trim().is_empty() {
        return Err(SignatureError::Missing);
    }
    let signed = signature.split(' ').any(|one| one.strip_prefix("v1,").is_some_and(|one| !one.is_empty()));
    if !signed || id.len() > MOST_ID_BYTES || signature.len() > MOST_BYTES {
        return Err(SignatureError::Malformed);
    }
    in_time(&timestamp, now)
}

fn in_time(timestamp: &str, now: DateTime<Utc>) -> Result<(), SignatureError> {
    let signed_at = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let age: TimeDelta = now.signed_duration_since(signed_at.ok_or(SignatureError::Malformed)?);
    if age > TOLERANCE {
        Err(SignatureError::Stale)
    } else if age < -TOLERANCE {
        Err(SignatureError::Future)
    } else {
        Ok(())
    }
}
