//! Counts the outcomes of attempts of deferred calls.

use opentelemetry::KeyValue;

use super::store::Claimed;
use crate::{
    access,
    metrics::{Metrics, Timing, chassis},
    wire_enum,
};

wire_enum! {
    /// The outcome of one attempt.
    pub(super) enum Outcome {
        /// The call was made.
        Done = "done",
        /// The call will be retried.
        Retry = "retry",
        /// The call is dead.
        Dead = "dead",
        /// The lease was lost: another worker settles the call.
        Lost = "lost",
    }
}

/// Counts outcomes.
pub(super) struct Counts {
    metrics: Metrics,
    done: Timing,
    dead: Timing,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let attempts = |outcome: Outcome| {
            metrics.histogram(&chassis::DEFERRED_ATTEMPTS, &[KeyValue::new("outcome", outcome.as_str())])
        };
        Self { metrics: metrics.clone(), done: attempts(Outcome::Done), dead: attempts(Outcome::Dead) }
    }

    /// Counts the outcome of an attempt, unless its lease was lost. The lookup of the series is cheap beside the two statements
    /// of an attempt.
    pub(super) fn settled(&self, call: &Claimed, outcome: Outcome, held: bool) {
        let outcome = if held { outcome } else { Outcome::Lost };
        // A row may name an RPC that this version does not know.
        let known = access::methods().by_path(&format!("/{}", call.rpc)).is_some();
        let rpc = if known { call.rpc.clone() } else { "_OTHER".to_owned() };
        // All four series exist from the first attempt on, so that the first dead call shows as a rise.
        for of in Outcome::ALL {
            let attributes =
                [KeyValue::new("rpc.method", rpc.clone()), KeyValue::new("outcome", of.as_str())];
            let count = self.metrics.counter(&chassis::DEFERRED_DELIVERIES, &attributes);
            if of == outcome {
                count.one();
            }
        }
        match outcome {
            Outcome::Done => self.done.note(f64::from(call.attempts)),
            Outcome::Dead => self.dead.note(f64::from(call.attempts)),
            Outcome::Retry | Outcome::Lost => {}
        }
    }
}
