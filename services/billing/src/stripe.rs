//! Stripe, the vendor: the few calls that we make of its API, through async-stripe's client, to the base URL that the
//! settings name.

use std::{collections::BTreeMap, time::Duration};

use levqor_runtime::{client::ApiBase, telemetry};
use miniserde::json;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};
use tracing::{Instrument, instrument::WithSubscriber, subscriber::NoSubscriber};

use crate::domain::{
    catalogue::Livemode, checkout_session::CheckoutSession, not_understood::NotUnderstood,
    stripe_id::StripeId,
};

/// How long one call may take. async-stripe itself would wait for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why an object could not be fetched. The texts hold nothing of Stripe's answer, which may be personal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// Trying again later may help.
    #[error("{0}")]
    MayPass(String),
    /// The key is not taken (401), or may not ask for this (403); another one may.
    #[error("Stripe answered {0}")]
    NotAllowed(u16),
    /// Trying again gives the same.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
}

/// A client of Stripe's API.
pub(crate) struct Stripe {
    client: stripe::Client,
    /// For spans.
    host: String,
    livemode: Livemode,
}

impl Stripe {
    /// A client with this key for the API at this address.
    pub(crate) fn try_new(key: &SecretString, base: &ApiBase) -> Result<Self, stripe::StripeError> {
        let client =
            stripe::ClientBuilder::new(key.expose_secret()).url(base.as_str()).timeout(TIMEOUT).build()?;
        let livemode = livemode_of(key);
        Ok(Self { client, host: base.host().to_owned(), livemode })
    }

    /// Fetches a checkout session as it is now. A read, tried once: the journal tries again, with backoff.
    pub(crate) async fn checkout_session(&self, id: &StripeId) -> Result<CheckoutSession, FetchError> {
        // Ids come from events that Stripe signed; nothing else may become a path.
        if !id.is_plain() {
            return Err(NotUnderstood::Field("id").into());
        }
        let request = RequestBuilder::new(StripeMethod::Get, format!("/checkout/sessions/{id}"))
            .query(&BTreeMap::from([("expand", [CheckoutSession::EXPAND])]));
        let object = self.get("/v1/checkout/sessions/{id}", request).await?;
        let session = CheckoutSession::read(&object)?;
        if session.id != *id {
            return Err(NotUnderstood::Field("id").into());
        }
        Ok(session)
    }

    /// Whether the key may read checkout sessions, which is what is refetched. Nothing of the answer is kept.
    pub(crate) async fn may_read_sessions(&self) -> Result<(), FetchError> {
        let request = RequestBuilder::new(StripeMethod::Get, "/checkout/sessions")
            .query(&BTreeMap::from([("limit", 1)]));
        let list = self.get("/v1/checkout/sessions", request).await?;
        match list.get("data") {
            Some(Value::Array(_)) => Ok(()),
            _ => Err(FetchError::MayPass("Stripe's answer is no list".to_owned())),
        }
    }

    /// Fetches the account that the key belongs to.
    pub(crate) async fn account(&self) -> Result<Account, FetchError> {
        let object = self.get("/v1/account", RequestBuilder::new(StripeMethod::Get, "/account")).await?;
        let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<StripeId>().ok());
        let id = id.filter(StripeId::is_plain);
        let id = id.ok_or_else(|| FetchError::MayPass("Stripe's answer names no account".to_owned()))?;
        Ok(Account { id, charges_enabled: object.get("charges_enabled").and_then(Value::as_bool) })
    }

    /// Fetches a price, as Stripe writes it; none where Stripe does not have it.
    pub(crate) async fn price(&self, id: &StripeId) -> Result<Option<Value>, FetchError> {
        if !id.is_plain() {
            return Ok(None);
        }
        let request = RequestBuilder::new(StripeMethod::Get, format!("/prices/{id}"));
        match self.get("/v1/prices/{id}", request).await {
            Ok(object) => Ok(Some(object)),
            Err(FetchError::NotUnderstood(NotUnderstood::Gone)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Which of Stripe's two worlds the key is for: its prefix says it.
    pub(crate) const fn livemode(&self) -> Livemode {
        self.livemode
    }

    /// async-stripe reads answers into types of its own API version, and fails on what they lack. A plain JSON value takes
    /// any answer; we read the few fields that we need. `template` names the path in spans.
    async fn get(&self, template: &'static str, request: RequestBuilder) -> Result<Value, FetchError> {
        // Its spans carry the path, and so a session's id, which must not get into the log: it stays silent.
        let call = request.customize().send(&self.client).with_subscriber(NoSubscriber::new());
        let span = telemetry::http_client_span("GET", &self.host, template);
        let answer: Result<json::Value, _> = call.instrument(span.clone()).await;
        telemetry::record_http(&span, answer.as_ref().map(|_| 200).or_else(outcome));
        let answer = answer.map_err(|error| read_error(&error))?;
        serde_json::from_str(&json::to_string(&answer))
            .map_err(|_| FetchError::MayPass("Stripe's answer is not JSON".to_owned()))
    }
}

/// Which of Stripe's two modes a key is for: its prefix says it. What does not say test is live.
pub(crate) fn livemode_of(key: &SecretString) -> Livemode {
    let test = ["sk_test", "rk_test"].iter().any(|prefix| key.expose_secret().starts_with(prefix));
    if test { Livemode::Test } else { Livemode::Live }
}

/// An account, reduced to what we read.
pub(crate) struct Account {
    /// Stripe's id of it.
    pub(crate) id: StripeId,
    /// Whether it may take payments; none where Stripe does not say.
    pub(crate) charges_enabled: Option<bool>,
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
        stripe::StripeError::Stripe(_, status @ (401 | 403)) => FetchError::NotAllowed(*status),
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
