//! Counts and logs the webhooks that are refused because of their headers.

use levqor_runtime::{
    error::{ErrorCode, ServiceError},
    metrics::{Count, KeyValue, Metrics},
    webhook::{
        REFUSALS,
        SignatureError::{self, Future, Malformed, Missing, Stale},
    },
};

use super::lines::Lines;
use crate::problem::Problem;

/// The counters, bound once.
pub(super) struct RefusedWebhooks(Vec<((&'static str, SignatureError), Count)>);

impl RefusedWebhooks {
    /// Binds the counters of these providers.
    pub(super) fn new(metrics: &Metrics, providers: &[&'static str]) -> Self {
        let count = |provider: &'static str, error: SignatureError| {
            let labels = [KeyValue::new("provider", provider), KeyValue::new("reason", error.reason())];
            ((provider, error), metrics.counter(&REFUSALS, &labels))
        };
        let counts = providers
            .iter()
            .flat_map(|provider| [Missing, Malformed, Stale, Future].map(|error| count(provider, error)));
        Self(counts.collect())
    }

    pub(super) fn refuse(&self, provider: &'static str, error: SignatureError, lines: &Lines) -> Problem {
        if let Some((_, count)) = self.0.iter().find(|(counted, _)| *counted == (provider, error)) {
            count.one();
        }
        lines.refused(provider, error.reason());
        Problem::new(ErrorCode::InvalidArgument, error.reason(), error.to_string())
    }
}
