//! Log lines about refused webhooks: one per second for each provider and reason, because anybody can post any number of
//! webhooks.

use std::time::Duration;

use levqor_runtime::summed::{self, Summed};
use tonic::Status;

const PERIOD: Duration = Duration::from_secs(1);
/// Longer reasons are logged as one. The reasons of our services are shorter.
const MOST_REASON_BYTES: usize = 64;

/// The provider, and the reason of the refusal.
type Key = (&'static str, String);

/// Sums up the log lines.
pub(super) struct Lines {
    refused: Summed<Key>,
    not_taken: Summed<Key>,
}

impl Lines {
    pub(super) fn new() -> Self {
        let refused = Summed::keyed(PERIOD, |key: Option<&Key>, _, count| {
            let (provider, reason) = told(key);
            tracing::info!(provider, reason, count, "webhooks were refused");
        });
        let not_taken = Summed::keyed(PERIOD, |key: Option<&Key>, _, count| {
            let (provider, reason) = told(key);
            tracing::warn!(
                provider,
                reason,
                count,
                "webhooks were not acknowledged; their sender will repeat them"
            );
        });
        Self { refused, not_taken }
    }

    /// Notes a webhook that a retry cannot help.
    pub(super) fn refused(&self, provider: &'static str, reason: &str) {
        self.refused.note((provider, short(reason)), provider);
    }

    /// Notes a webhook that failed this time; a retry may help.
    pub(super) fn not_taken(&self, provider: &'static str, reason: &str, status: &Status) {
        if reason == "BUSY" {
            summed::shed(crate::NAME);
            return;
        }
        let error = std::error::Error::source(status);
        tracing::debug!(provider, reason, grpc.code = ?status.code(), error, "a webhook was not acknowledged");
        self.not_taken.note((provider, short(reason)), provider);
    }
}

fn told(key: Option<&Key>) -> (&'static str, &str) {
    key.map_or(("_OTHER", "_OTHER"), |(provider, reason)| (*provider, reason.as_str()))
}

fn short(reason: &str) -> String {
    if reason.len() > MOST_REASON_BYTES { "_OTHER".to_owned() } else { reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use levqor_runtime::testing::Log;

    use super::*;

    #[tokio::test]
    async fn a_flood_of_webhooks_that_are_refused_is_one_line_for_each_reason() {
        let (log, _hears) = Log::start(tracing::Level::INFO);
        let lines = Lines::new();
        for _ in 0..100 {
            lines.refused("stripe", "SIGNATURE_MISSING");
            lines.refused("stripe", "SIGNATURE_STALE");
            lines.not_taken("stripe", "UNREACHABLE", &Status::unavailable("away"));
            lines.not_taken("stripe", "BUSY", &Status::unavailable("busy"));
        }
        let text = log.text();
        for reason in ["SIGNATURE_MISSING", "SIGNATURE_STALE", "UNREACHABLE"] {
            assert_eq!(text.matches(reason).count(), 1, "{reason}: {text}");
        }
        assert!(text.lines().count() <= 4, "those that are shed are one line at most: {text}");
    }
}
