//! The Stripe API client, through async-stripe, to the base URL of the settings: the parts common to all calls. The calls
//! themselves are in `stripe/`.

mod budget;
mod circuit;
mod error;
mod read;
mod redaction;
mod write;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use levqor_runtime::{client::ApiBase, telemetry};
use miniserde::json;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stripe_client_core::{IdempotencyKey, RequestBuilder, RequestStrategy};
use tracing::{Instrument, instrument::WithSubscriber, subscriber::NoSubscriber};

use self::{budget::Budget, circuit::Circuit};
pub(crate) use self::{
    error::{CallError, FetchError},
    redaction::Redactions,
    write::encode,
};
use crate::domain::catalogue::Livemode;

/// Timeout of a call in the background. async-stripe has none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a call that a customer waits for: the customer has an answer within 3 seconds.
pub(crate) const CUSTOMERS_PATIENCE: Duration = Duration::from_millis(2200);

/// The minimum time for the call itself after a wait for the rate budget.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// A client of Stripe's API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stripe {
    client: stripe::Client,
    /// The host name in spans.
    host: String,
    livemode: Livemode,
    budget: Arc<Budget>,
    circuit: Arc<Circuit>,
    /// Timeout of a read.
    time_budget: Duration,
}

/// A call: its method, the path's template in spans, the request, and what limits it.
struct Call {
    method: &'static str,
    template: &'static str,
    request: RequestBuilder,
    /// The idempotency key: Stripe executes the call once for each key.
    key: Option<IdempotencyKey>,
    time_budget: Duration,
}

impl Stripe {
    /// Creates a client with this key and base URL.
    pub(crate) fn try_new(key: &SecretString, base: &ApiBase) -> Result<Self, stripe::StripeError> {
        let client =
            stripe::ClientBuilder::new(key.expose_secret()).url(base.as_str()).timeout(TIMEOUT).build()?;
        let livemode = livemode_of(key);
        let host = base.host().to_owned();
        let (budget, circuit) = Default::default();
        Ok(Self { client, host, livemode, budget, circuit, time_budget: TIMEOUT })
    }

    /// The same client for a caller who waits: each of its reads ends after this time.
    pub(crate) fn within(&self, time_budget: Duration) -> Self {
        Self { time_budget, ..self.clone() }
    }

    /// Whether the key is for live mode or test mode, by its prefix.
    pub(crate) const fn livemode(&self) -> Livemode {
        self.livemode
    }

    async fn get(&self, template: &'static str, request: RequestBuilder) -> Result<Value, FetchError> {
        let call = Call { method: "GET", template, request, key: None, time_budget: self.time_budget };
        Ok(self.call(call).await?)
    }

    /// Makes one attempt: the caller decides about a retry. Reads the response as plain JSON. async-stripe's own types
    /// belong to one API version and fail on missing fields; billing needs only a few.
    async fn call(&self, call: Call) -> Result<Value, CallError> {
        let Call { method, template, request, key, time_budget } = call;
        if time_budget.is_zero() {
            return Err(CallError::NotMade { what: "nobody waits any more", after: Duration::from_secs(1) });
        }
        let begun = Instant::now();
        self.budget.spend(method, template, time_budget).await?;
        let pass = self.circuit.enter()?;
        let time_budget = time_budget.saturating_sub(begun.elapsed()).max(LEAST_PATIENCE);
        let strategy = key.map_or(RequestStrategy::Once, RequestStrategy::Idempotent);
        let request = request.customize().request_strategy(strategy).timeout(time_budget);
        // async-stripe's own spans carry the path with ids, which must not be logged.
        let sent = request.send(&self.client).with_subscriber(NoSubscriber::new());
        let span = telemetry::http_client_span(method, &self.host, template);
        let answer: Result<json::Value, _> = sent.instrument(span.clone()).await;
        telemetry::record_http(&span, answer.as_ref().map(|_| 200).or_else(error::in_short));
        let answer = answer.map_err(|error| CallError::read(&error));
        pass.report(answer.as_ref().err());
        serde_json::from_str(&json::to_string(&answer?)).map_err(|_| CallError::Unreadable)
    }
}

/// Whether a key is for live mode or test mode, by its prefix. Every key without a test prefix counts as live.
pub(crate) fn livemode_of(key: &SecretString) -> Livemode {
    let test = ["sk_test", "rk_test"].iter().any(|prefix| key.expose_secret().starts_with(prefix));
    if test { Livemode::Test } else { Livemode::Live }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stripe_client_core::StripeMethod;

    #[tokio::test]
    async fn every_call_spends_from_the_rate_budget() {
        levqor_runtime::install_crypto();
        // Nothing listens there.
        let base = "http://127.0.0.1:1".parse().expect("a base");
        let stripe = Stripe::try_new(&SecretString::from("sk_test_1"), &base).expect("a client");
        let mut budget_was_spent = false;
        // An endpoint takes 25 calls at once. The other places are for calls that return meanwhile.
        for _ in 0..100 {
            let request = RequestBuilder::new(StripeMethod::Get, "/events");
            let time_budget = Duration::from_millis(1);
            let call = Call { method: "GET", template: "/v1/events", request, key: None, time_budget };
            if let Err(CallError::NotMade { what, .. }) = stripe.call(call).await {
                budget_was_spent |= what == "the rate budget is spent";
            }
        }
        assert!(budget_was_spent);
    }
}
