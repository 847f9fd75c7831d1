//! What became of tries of deferred calls, counted.

use opentelemetry::KeyValue;

use super::store::Claimed;
use crate::{
    access,
    metrics::{Metrics, Timing, chassis},
};

/// What became of a call in one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made.
    Done,
    /// It will be tried again.
    Retry,
    /// It was given up.
    Dead,
    /// Another worker settles it.
    Lost,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Done, Self::Retry, Self::Dead, Self::Lost];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Lost => "lost",
        }
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

    /// Counts how a try ended, unless its lease was lost. Beside the two statements that a try takes, finding the series costs nothing.
    pub(super) fn settled(&self, call: &Claimed, outcome: Outcome, held: bool) {
        let outcome = if held { outcome } else { Outcome::Lost };
        // A row may name an RPC that this version does not know.
        let known = access::methods().by_path(&format!("/{}", call.rpc)).is_some();
        let rpc = if known { call.rpc.clone() } else { "_OTHER".to_owned() };
        // All four are there from the first try on, so that the first dead one is a rise.
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
