//! Stripe, the vendor: the few calls that we make of its API, through async-stripe's client, to the base URL that the
//! settings name.

use std::{collections::BTreeMap, time::Duration};

use levqor_runtime::{client::ApiBase, telemetry};
use miniserde::json;
use secrecy::{ExposeSecret, SecretString};
use stripe_client_core::{RequestBuilder, StripeMethod};
use tracing::{Instrument, instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::domain::{checkout_session::CheckoutSession, not_understood::NotUnderstood, stripe_id::StripeId};

/// How long one call may take. async-stripe itself would wait for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why an object could not be fetched. The texts hold nothing of Stripe's answer, which may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// Trying again later may help.
    #[error("{0}")]
    MayPass(String),
    /// Trying again gives the same.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
}

/// A client of Stripe's API.
pub(crate) struct Stripe {
    client: stripe::Client,
    /// For spans.
    host: String,
}

impl Stripe {
    /// A client with this key for the API at this address.
    pub(crate) fn try_new(key: &SecretString, base: &ApiBase) -> Result<Self, stripe::StripeError> {
        let client =
            stripe::ClientBuilder::new(key.expose_secret()).url(base.as_str()).timeout(TIMEOUT).build()?;
        Ok(Self { client, host: base.host().to_owned() })
    }

    /// Fetches a checkout session as it is now. A read, tried once: the journal tries again, with backoff.
    pub(crate) async fn checkout_session(&self, id: &StripeId) -> Result<CheckoutSession, FetchError> {
        // Ids come from events that Stripe signed; nothing else may become a path.
        if !id.is_plain() {
            return Err(NotUnderstood::Field("id").into());
        }
        // async-stripe reads answers into types of its own API version, and fails on what they lack. A plain JSON value
        // takes any answer; we read the few fields that we need.
        let request = RequestBuilder::new(StripeMethod::Get, format!("/checkout/sessions/{id}"))
            .query(&BTreeMap::from([("expand", [CheckoutSession::EXPAND])]));
        // Its spans carry the path, and so the session's id, which must not get into the log: it stays silent.
        let call = request.customize().send(&self.client).with_subscriber(NoSubscriber::new());
        let span = telemetry::http_client_span("GET", &self.host, "/v1/checkout/sessions/{id}");
        let answer: Result<json::Value, _> = call.instrument(span.clone()).await;
        telemetry::record_http(&span, answer.as_ref().map(|_| 200).or_else(outcome));
        let answer = answer.map_err(|error| read_error(&error))?;
        let object = serde_json::from_str(&json::to_string(&answer))
            .map_err(|_| FetchError::MayPass("Stripe's answer is not JSON".to_owned()))?;
        let session = CheckoutSession::read(&object)?;
        if session.id != *id {
            return Err(NotUnderstood::Field("id").into());
        }
        Ok(session)
    }
}

/// What a failed call is to its span.
fn outcome(error: &stripe::StripeError) -> Result<u16, &'static str> {
    match error {
        stripe::StripeError::Stripe(_, status) => Ok(*status),
        stripe::StripeError::Timeout => Err("timeout"),
        stripe::StripeError::ClientError(_) => Err("connect"),
        stripe::StripeError::JSONDeserialize(_) => Err("answer"),
        stripe::StripeError::ConfigError(_) => Err("configuration"),
    }
}

/// 404 is an answer; everything else (rate limits, outages, a key that was just rolled) may pass.
fn read_error(error: &stripe::StripeError) -> FetchError {
    match error {
        stripe::StripeError::Stripe(_, 404) => NotUnderstood::Gone.into(),
        stripe::StripeError::Stripe(_, status) => FetchError::MayPass(format!("Stripe answered {status}")),
        stripe::StripeError::Timeout => {
            FetchError::MayPass("Stripe did not answer within 10 seconds".to_owned())
        }
        stripe::StripeError::ClientError(_) => FetchError::MayPass("Stripe cannot be reached".to_owned()),
        stripe::StripeError::JSONDeserialize(_) => {
            FetchError::MayPass("Stripe's answer cannot be read".to_owned())
        }
        stripe::StripeError::ConfigError(_) => {
            FetchError::MayPass("the Stripe client is misconfigured".to_owned())
        }
    }
}
