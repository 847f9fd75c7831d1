//! The Stripe API client: the few calls that billing makes, through async-stripe, to the base URL of the settings.

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

/// Timeout of one call. async-stripe has none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why an object could not be fetched. The texts contain nothing from Stripe's response, which may hold personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    /// A retry may help.
    #[error("{0}")]
    MayPass(String),
    /// Stripe rejects the key (401), or the key lacks the permission (403). Another key may help.
    #[error("Stripe answered {0}")]
    NotAllowed(u16),
    /// A retry cannot help.
    #[error(transparent)]
    NotUnderstood(#[from] NotUnderstood),
}

/// A client of Stripe's API.
pub(crate) struct Stripe {
    client: stripe::Client,
    /// The host name in spans.
    host: String,
    livemode: Livemode,
}

impl Stripe {
    /// Creates a client with this key and base URL.
    pub(crate) fn try_new(key: &SecretString, base: &ApiBase) -> Result<Self, stripe::StripeError> {
        let client =
            stripe::ClientBuilder::new(key.expose_secret()).url(base.as_str()).timeout(TIMEOUT).build()?;
        let livemode = livemode_of(key);
        Ok(Self { client, host: base.host().to_owned(), livemode })
    }

    /// Fetches the current checkout session. It makes one attempt, because the journal retries with backoff.
    pub(crate) async fn checkout_session(&self, id: &StripeId) -> Result<CheckoutSession, FetchError> {
        // Only a plain id may become part of a path.
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

    /// Checks that the key may read checkout sessions, which is what billing refetches. It discards the response.
    pub(crate) async fn may_read_sessions(&self) -> Result<(), FetchError> {
        let request = RequestBuilder::new(StripeMethod::Get, "/checkout/sessions")
            .query(&BTreeMap::from([("limit", 1)]));
        let list = self.get("/v1/checkout/sessions", request).await?;
        match list.get("data") {
            Some(Value::Array(_)) => Ok(()),
            _ => Err(FetchError::MayPass("Stripe's answer is no list".to_owned())),
        }
    }

    /// Fetches the key's own account.
    pub(crate) async fn account(&self) -> Result<Account, FetchError> {
        let object = self.get("/v1/account", RequestBuilder::new(StripeMethod::Get, "/account")).await?;
        let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<StripeId>().ok());
        let id = id.filter(StripeId::is_plain);
        let id = id.ok_or_else(|| FetchError::MayPass("Stripe's answer names no account".to_owned()))?;
        Ok(Account { id, charges_enabled: object.get("charges_enabled").and_then(Value::as_bool) })
    }

    /// Fetches a price as Stripe's JSON. `None` if Stripe does not have it.
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

    /// Whether the key is for live mode or test mode, by its prefix.
    pub(crate) const fn livemode(&self) -> Livemode {
        self.livemode
    }

    /// Reads the response as plain JSON. async-stripe's own types belong to one API version and fail on missing fields; billing
    /// needs only a few. `template` names the path in spans.
    async fn get(&self, template: &'static str, request: RequestBuilder) -> Result<Value, FetchError> {
        // async-stripe's own spans carry the path with the session's id, which must not be logged.
        let call = request.customize().send(&self.client).with_subscriber(NoSubscriber::new());
        let span = telemetry::http_client_span("GET", &self.host, template);
        let answer: Result<json::Value, _> = call.instrument(span.clone()).await;
        telemetry::record_http(&span, answer.as_ref().map(|_| 200).or_else(outcome));
        let answer = answer.map_err(|error| read_error(&error))?;
        serde_json::from_str(&json::to_string(&answer))
            .map_err(|_| FetchError::MayPass("Stripe's answer is not JSON".to_owned()))
    }
}

/// Whether a key is for live mode or test mode, by its prefix. Every key without a test prefix counts as live.
pub(crate) fn livemode_of(key: &SecretString) -> Livemode {
    let test = ["sk_test", "rk_test"].iter().any(|prefix| key.expose_secret().starts_with(prefix));
    if test { Livemode::Test } else { Livemode::Live }
}

/// An account, reduced to the fields that billing reads.
pub(crate) struct Account {
    /// Stripe's id of the account.
    pub(crate) id: StripeId,
    /// Whether the account may take payments. `None` if Stripe does not say.
    pub(crate) charges_enabled: Option<bool>,
}

/// The result of a failed call, for its span.
fn outcome(error: &stripe::StripeError) -> Result<u16, &'static str> {
    match error {
        stripe::StripeError::Stripe(_, status) => Ok(*status),
        stripe::StripeError::Timeout => Err("timeout"),
        stripe::StripeError::ClientError(_) => Err("connect"),
        stripe::StripeError::JSONDeserialize(_) => Err("answer"),
        stripe::StripeError::ConfigError(_) => Err("configuration"),
    }
}

/// Only 404 is final. Any other failure may pass: a rate limit, an outage, a key that was just rolled.
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
