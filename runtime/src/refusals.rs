//! Refused callers by reason: each is counted, and a flood of them is one log line per minute.

use std::{hash::Hash, time::Duration};

use crate::{
    metrics::{Attribute, Count, Definition, KeyValue, Metrics},
    summed::Summed,
};

/// Every reason for refusing a caller: its token, the certificate of its connection, or its permissions.
pub const REASONS: &[&str] = &[
    "TOKEN_MISSING",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "TOKEN_LIVES_TOO_LONG",
    "TOKEN_KIND",
    "TOKEN_KEYS_UNAVAILABLE",
    "CERTIFICATE_MISMATCH",
    "ROLE_TOO_LOW",
    "_OTHER",
];

/// Refused callers.
const REFUSALS: Definition = Definition::counter(
    "levqor.access.refusals",
    "{request}",
    "Requests and calls that were refused because of their token, their connection's certificate or their caller's rights, by reason.",
    &[Attribute::one_of("reason", REASONS)],
);

/// Every metric of refusals.
pub const METRICS: &[Definition] = &[REFUSALS];

/// Counts refusals, and logs them once a minute for each reason and key. The key is the caller's address if it is known. The
/// address is never logged.
pub struct Refusals<K> {
    counts: Vec<(&'static str, Count)>,
    lines: Summed<(K, &'static str)>,
}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Refusals<K> {
    /// Creates the counters in these metrics.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let count = |reason| metrics.counter(&REFUSALS, &[KeyValue::new("reason", reason)]);
        let lines = Summed::new(Duration::from_mins(1), |reason, count| {
            tracing::info!(reason, count, "callers were refused");
        });
        Self { counts: REASONS.iter().map(|&reason| (reason, count(reason))).collect(), lines }
    }

    /// Notes a refusal.
    pub fn note(&self, key: K, reason: &str) {
        let known = self.counts.iter().find(|(known, _)| *known == reason).or(self.counts.last());
        if let Some((reason, count)) = known {
            count.one();
            self.lines.note((key, reason), reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Log;

    #[tokio::test]
    async fn a_caller_that_is_refused_for_two_reasons_has_a_line_for_each() {
        let (log, _hears) = Log::start(tracing::Level::INFO);
        let refusals = Refusals::new(&Metrics::new("gateway"));
        for reason in ["TOKEN_MISSING", "ROLE_TOO_LOW", "TOKEN_MISSING"] {
            refusals.note(1, reason);
        }
        let text = log.text();
        for reason in ["TOKEN_MISSING", "ROLE_TOO_LOW"] {
            assert_eq!(text.matches(reason).count(), 1, "{text}");
        }
    }
}
