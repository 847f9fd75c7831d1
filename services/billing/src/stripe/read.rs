//! The objects that billing fetches from Stripe.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::{Call, CallError, FetchError, Stripe};
use crate::domain::{
    checkout_session::CheckoutSession, dispute::StripeDispute, not_understood::NotUnderstood,
    stripe_customer::StripeCustomer, stripe_id::StripeId, stripe_invoice::InvoicePayment,
    stripe_refund::StripeRefund, stripe_subscription::StripeSubscription,
};

/// The most objects in a page of a list.
const PAGE: u8 = 100;

/// An account, reduced to the fields that billing reads.
pub(crate) struct Account {
    /// Stripe's id of the account.
    pub(crate) id: StripeId,
    /// Whether the account may take payments. `None` if Stripe does not say.
    pub(crate) charges_enabled: Option<bool>,
}

impl Stripe {
    /// Fetches the current checkout session. It makes one attempt, because the journal retries with backoff.
    pub(crate) async fn checkout_session(&self, id: &StripeId) -> Result<CheckoutSession, FetchError> {
        let object =
            self.object("/v1/checkout/sessions/{id}", "/checkout/sessions", id, CheckoutSession::EXPAND);
        let session = CheckoutSession::read(&object.await?)?;
        if session.id == *id { Ok(session) } else { Err(NotUnderstood::Field("id").into()) }
    }

    /// Fetches the checkout session that a payment intent pays. `None` if no session does.
    pub(crate) async fn session_of_payment(
        &self,
        payment_intent: &StripeId,
    ) -> Result<Option<CheckoutSession>, FetchError> {
        let expand: Vec<_> = CheckoutSession::EXPAND.iter().map(|path| format!("data.{path}")).collect();
        let query =
            serde_json::json!({"payment_intent": payment_intent.as_str(), "limit": 1, "expand": expand});
        let found = self.page("/v1/checkout/sessions", "/checkout/sessions", &query).await?;
        found.data.first().map(CheckoutSession::read).transpose().map_err(FetchError::from)
    }

    /// Fetches the current subscription, with its customer.
    pub(crate) async fn subscription(&self, id: &StripeId) -> Result<StripeSubscription, FetchError> {
        let object = self.object("/v1/subscriptions/{id}", "/subscriptions", id, StripeSubscription::EXPAND);
        Ok(StripeSubscription::read(&object.await?)?)
    }

    /// Fetches the current customer, which may be deleted.
    pub(crate) async fn customer(&self, id: &StripeId) -> Result<StripeCustomer, FetchError> {
        let object = self.object("/v1/customers/{id}", "/customers", id, &[]);
        Ok(StripeCustomer::read(&object.await?)?)
    }

    /// Finds customers of this address, the newest first.
    pub(crate) async fn customers_of(&self, email: &str) -> Result<Vec<Value>, FetchError> {
        self.list("/v1/customers", "/customers", &serde_json::json!({"email": email, "limit": PAGE})).await
    }

    /// Fetches a snapshot event.
    pub(crate) async fn event(&self, id: &StripeId) -> Result<Value, FetchError> {
        self.object("/v1/events/{id}", "/events", id, &[]).await
    }

    /// Finds the snapshot events of this type about an object that happened at this time, in Unix seconds, or a second before or
    /// after: thin events round it in another way.
    pub(crate) async fn events_about(
        &self,
        event_type: &str,
        id: &StripeId,
        at: i64,
    ) -> Result<Vec<Value>, FetchError> {
        let created = serde_json::json!({"gte": at - 1, "lte": at + 1});
        let query = serde_json::json!({"type": event_type, "created": created, "limit": PAGE});
        let mut events = self.list("/v1/events", "/events", &query).await?;
        events.retain(|event| event.pointer("/data/object/id").and_then(Value::as_str) == Some(id.as_str()));
        Ok(events)
    }

    /// Fetches a refund.
    pub(crate) async fn refund(&self, id: &StripeId) -> Result<StripeRefund, FetchError> {
        let object = self.object("/v1/refunds/{id}", "/refunds", id, &[]);
        Ok(StripeRefund::read(&object.await?)?)
    }

    /// Fetches the refunds of a charge, or of a payment intent.
    pub(crate) async fn refunds_of(
        &self,
        field: &str,
        id: &StripeId,
    ) -> Result<Vec<StripeRefund>, FetchError> {
        let refunds = self.refund_objects_of(field, id).await?;
        Ok(refunds.iter().map(StripeRefund::read).collect::<Result<_, _>>()?)
    }

    /// The same, as Stripe's JSON.
    pub(crate) async fn refund_objects_of(
        &self,
        field: &str,
        id: &StripeId,
    ) -> Result<Vec<Value>, FetchError> {
        let query = serde_json::json!({field: id.as_str(), "limit": PAGE});
        self.list("/v1/refunds", "/refunds", &query).await
    }

    /// Fetches a dispute, with its charge.
    pub(crate) async fn dispute(&self, id: &StripeId) -> Result<StripeDispute, FetchError> {
        let object = self.object("/v1/disputes/{id}", "/disputes", id, StripeDispute::EXPAND);
        Ok(StripeDispute::read(&object.await?)?)
    }

    /// Fetches the payments of a subscription's newest hundred paid invoices. Both calls together take no
    /// longer than `time_budget`.
    pub(crate) async fn payments_of(
        &self,
        subscription: &StripeId,
        time_budget: Duration,
    ) -> Result<Vec<InvoicePayment>, CallError> {
        let begun = Instant::now();
        let query = serde_json::json!({
            "subscription": subscription.as_str(), "status": "paid", "limit": PAGE, "expand": InvoicePayment::EXPAND,
        });
        let expanded = self.invoices(&query, time_budget).await;
        let invoices = match expanded {
            // An older version of the API has nothing to expand: its invoices name their payment intents.
            Err(CallError::Refused { status: 400, .. }) => {
                let query = serde_json::json!({"subscription": subscription.as_str(), "limit": PAGE});
                self.invoices(&query, time_budget.saturating_sub(begun.elapsed())).await?
            }
            other => other?,
        };
        Ok(invoices.iter().flat_map(InvoicePayment::all).collect())
    }

    async fn invoices(&self, query: &Value, time_budget: Duration) -> Result<Vec<Value>, CallError> {
        let request = RequestBuilder::new(StripeMethod::Get, "/invoices").query(query);
        let template = "/v1/invoices";
        let call = Call { method: "GET", template, request, key: None, time_budget };
        let mut list = self.call(call).await?;
        match list.get_mut("data").map(Value::take) {
            Some(Value::Array(invoices)) => Ok(invoices),
            _ => Err(CallError::Unreadable),
        }
    }

    /// Finds the active promotion code with this text.
    pub(crate) async fn promotion_code(&self, code: &str) -> Result<Option<StripeId>, FetchError> {
        let id = |promotion: Value| promotion.get("id")?.as_str()?.parse().ok();
        Ok(self.promotion(code).await?.and_then(id))
    }

    /// Fetches the active promotion code with this text as Stripe's JSON. `None` if Stripe has none.
    pub(crate) async fn promotion(&self, code: &str) -> Result<Option<Value>, FetchError> {
        let query = serde_json::json!({"code": code, "active": true, "limit": 1});
        let mut found = self.page("/v1/promotion_codes", "/promotion_codes", &query).await?;
        Ok(found.data.pop())
    }

    /// Fetches the webhook endpoints.
    pub(crate) async fn webhook_endpoints(&self) -> Result<Vec<Value>, FetchError> {
        self.list("/v1/webhook_endpoints", "/webhook_endpoints", &serde_json::json!({"limit": PAGE})).await
    }

    /// Checks that the key may read checkout sessions, which is what billing refetches. It discards the response.
    pub(crate) async fn may_read_sessions(&self) -> Result<(), FetchError> {
        let query = serde_json::json!({"limit": 1});
        self.page("/v1/checkout/sessions", "/checkout/sessions", &query).await.map(drop)
    }

    /// Fetches the key's own account.
    pub(crate) async fn account(&self) -> Result<Account, FetchError> {
        let object = self.get("/v1/account", RequestBuilder::new(StripeMethod::Get, "/account")).await?;
        let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse::<StripeId>().ok());
        let id = id.filter(StripeId::is_plain);
        let id = id.ok_or_else(|| FetchError::Temporary("Stripe's answer names no account".to_owned()))?;
        Ok(Account { id, charges_enabled: object.get("charges_enabled").and_then(Value::as_bool) })
    }

    /// Fetches a price as Stripe's JSON. `None` if Stripe does not have it.
    pub(crate) async fn price(&self, id: &StripeId) -> Result<Option<Value>, FetchError> {
        if !id.is_plain() {
            return Ok(None);
        }
        match self.object("/v1/prices/{id}", "/prices", id, &[]).await {
            Ok(object) => Ok(Some(object)),
            Err(FetchError::NotUnderstood(NotUnderstood::Gone)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches an object by its id.
    async fn object(
        &self,
        template: &'static str,
        collection: &str,
        id: &StripeId,
        expand: &[&str],
    ) -> Result<Value, FetchError> {
        // Only a plain id may become part of a path.
        if !id.is_plain() {
            return Err(NotUnderstood::Field("id").into());
        }
        let mut request = RequestBuilder::new(StripeMethod::Get, format!("{collection}/{id}"));
        if !expand.is_empty() {
            request = request.query(&BTreeMap::from([("expand", expand)]));
        }
        self.get(template, request).await
    }

    /// Fetches every page of a list, the newest objects first. All pages together take no longer than one request may.
    async fn list(
        &self,
        template: &'static str,
        path: &str,
        query: &Value,
    ) -> Result<Vec<Value>, FetchError> {
        let mut query = query.clone();
        let pages = async {
            let mut all = Vec::new();
            loop {
                let Page { data, next } = self.page(template, path, &query).await?;
                all.extend(data);
                let Some(next) = next else { return Ok(all) };
                query["starting_after"] = next.into();
            }
        };
        let late = |_| Err(FetchError::Temporary("Stripe's list was not read to its end in time".to_owned()));
        tokio::time::timeout(self.time_budget, pages).await.unwrap_or_else(late)
    }

    /// Fetches a page of a list.
    async fn page(&self, template: &'static str, path: &str, query: &Value) -> Result<Page, FetchError> {
        let request = RequestBuilder::new(StripeMethod::Get, path).query(query);
        let mut list = self.get(template, request).await?;
        let Some(Value::Array(data)) = list.get_mut("data").map(Value::take) else {
            return Err(FetchError::Temporary("Stripe's answer is no list".to_owned()));
        };
        let more = list.get("has_more").and_then(Value::as_bool).unwrap_or_default();
        let end = || data.last()?.get("id")?.as_str().map(str::to_owned);
        let next = if more { end() } else { None };
        Ok(Page { data, next })
    }
}

/// A page of a list: <https://docs.stripe.com/api/pagination>.
struct Page {
    data: Vec<Value>,
    /// The id after which the next page starts. `None` on the last page.
    next: Option<String>,
}
