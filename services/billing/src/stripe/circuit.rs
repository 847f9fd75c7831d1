//! The circuit breaker: after some failures in a row, calls to Stripe fail at once. After a while, one call tests whether Stripe
//! answers again. So an outage of Stripe costs a customer no time, and billing no connections.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::CallError;

/// How many failures in a row mean an outage.
const FAILURES: u32 = 5;
/// How long no call is made after that.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// The state of the circuit.
#[derive(Default)]
pub(super) struct Circuit(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// No call is made before this time.
    open_until: Option<Instant>,
}

/// The permission for one call. The caller reports the result of the call. If it is dropped without a report, the circuit stays
/// as it is.
pub(super) struct Pass<'c>(&'c Circuit);

impl Circuit {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows a call, or refuses it while Stripe does not answer. After the pause, one call is allowed as a test; for the other
    /// calls the pause begins again.
    pub(super) fn enter(&self) -> Result<Pass<'_>, CallError> {
        let mut state = self.lock();
        let now = Instant::now();
        if let Some(left) = state.open_until.map(|until| until.saturating_duration_since(now)) {
            if !left.is_zero() {
                return Err(CallError::NotMade {
                    what: "it does not answer",
                    after: left.max(Duration::from_secs(1)),
                });
            }
            state.open_until = Some(now + OPEN_FOR);
        }
        Ok(Pass(self))
    }
}

impl Pass<'_> {
    /// Reports the call's failure, or its success.
    pub(super) fn report(self, error: Option<&CallError>) {
        if error == Some(&CallError::Unreadable) {
            return;
        }
        let mut state = self.0.lock();
        if !error.is_some_and(CallError::is_outage) {
            let was_open = state.open_until.is_some();
            *state = State::default();
            drop(state);
            if was_open {
                tracing::info!("Stripe answers again");
            }
            return;
        }
        state.failures = state.failures.saturating_add(1);
        let opens = state.failures >= FAILURES && state.open_until.is_none();
        if state.failures >= FAILURES {
            state.open_until = Some(Instant::now() + OPEN_FOR);
        }
        drop(state);
        if opens {
            tracing::warn!("Stripe does not answer: calls wait until it does");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWAY: CallError = CallError::Unknown("Stripe cannot be reached");

    fn fail(circuit: &Circuit, times: u32) {
        for _ in 0..times {
            circuit.enter().unwrap_or_else(|_| panic!("closed")).report(Some(&AWAY));
        }
    }

    #[test]
    fn some_failures_in_a_row_stop_all_calls_for_a_while() {
        let circuit = Circuit::default();
        fail(&circuit, FAILURES - 1);
        circuit.enter().unwrap_or_else(|_| panic!("closed")).report(None);
        fail(&circuit, FAILURES);
        assert!(matches!(circuit.enter(), Err(CallError::NotMade { after, .. }) if after <= OPEN_FOR));
    }

    #[test]
    fn one_call_tries_whether_stripe_is_back() {
        let circuit = Circuit::default();
        fail(&circuit, FAILURES);
        circuit.lock().open_until = Some(Instant::now());
        let first = circuit.enter().unwrap_or_else(|_| panic!("it tries"));
        assert!(circuit.enter().is_err(), "the others wait for its result");
        first.report(None);
        assert!(circuit.enter().is_ok());
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let circuit = Circuit::default();
        for _ in 0..2 * FAILURES {
            let refused = CallError::Refused { status: 400, code: None };
            circuit.enter().unwrap_or_else(|_| panic!("closed")).report(Some(&refused));
        }
        assert!(circuit.enter().is_ok());
    }
}
