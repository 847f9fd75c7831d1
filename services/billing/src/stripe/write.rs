//! The requests that change something at Stripe. Each has the idempotency key of its operation, which is stored before the call.

use std::time::Duration;

use serde_json::Value;
use stripe_client_core::{IdempotencyKey, RequestBuilder, StripeMethod};

use super::{Call, CallError, Stripe};
use crate::domain::{
    operation::{Kind, Operation},
    stripe_id::StripeId,
};

/// Writes a request's parameters as the form that Stripe takes.
pub(crate) fn encode(params: &Value) -> String {
    RequestBuilder::new(StripeMethod::Post, "").form(params).body.unwrap_or_default()
}

impl Stripe {
    /// Does an operation: one attempt, under the operation's own key.
    pub(crate) async fn perform(
        &self,
        operation: &Operation,
        time_budget: Duration,
    ) -> Result<Value, CallError> {
        let key = IdempotencyKey::new(operation.stripe_key());
        let key = key.map_err(|_| CallError::Unknown("the operation has no idempotency key"))?;
        let template = template(operation.kind);
        if operation.kind == Kind::SubscriptionEnd {
            // Stripe takes no key with it: an object can be deleted only once.
            let request = RequestBuilder::new(StripeMethod::Delete, operation.path.clone());
            return self.call(Call { method: "DELETE", template, request, key: None, time_budget }).await;
        }
        let mut request = RequestBuilder::new(StripeMethod::Post, operation.path.clone());
        request.body = Some(operation.form.clone());
        self.call(Call { method: "POST", template, request, key: Some(key), time_budget }).await
    }

    /// Deletes a customer, and with it what can still be charged. A customer that Stripe does not have counts as deleted. Stripe takes
    /// no idempotency key with it: an object can be deleted only once.
    pub(crate) async fn delete_customer(
        &self,
        id: &StripeId,
        time_budget: Duration,
    ) -> Result<(), CallError> {
        if !id.is_plain() {
            return Err(CallError::Refused { status: 400, code: None });
        }
        let request = RequestBuilder::new(StripeMethod::Delete, format!("/customers/{id}"));
        let template = "/v1/customers/{id}";
        match self.call(Call { method: "DELETE", template, request, key: None, time_budget }).await {
            Ok(object) if object.get("deleted").and_then(Value::as_bool) == Some(true) => Ok(()),
            Ok(_) => Err(CallError::Unreadable),
            Err(CallError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a session of the billing portal. It changes nothing that lasts, so it has no stored key.
    pub(crate) async fn portal_session(
        &self,
        params: &Value,
        time_budget: Duration,
    ) -> Result<Value, CallError> {
        let request = RequestBuilder::new(StripeMethod::Post, "/billing_portal/sessions").form(params);
        let template = "/v1/billing_portal/sessions";
        self.call(Call { method: "POST", template, request, key: None, time_budget }).await
    }

    /// Asks what an invoice would come to. It changes nothing.
    pub(crate) async fn preview_invoice(
        &self,
        params: &Value,
        time_budget: Duration,
    ) -> Result<Value, CallError> {
        let request = RequestBuilder::new(StripeMethod::Post, "/invoices/create_preview").form(params);
        let template = "/v1/invoices/create_preview";
        self.call(Call { method: "POST", template, request, key: None, time_budget }).await
    }
}

/// The path's template in spans.
const fn template(kind: Kind) -> &'static str {
    match kind {
        Kind::Customer => "/v1/customers",
        Kind::CustomerUpdate => "/v1/customers/{id}",
        Kind::Checkout => "/v1/checkout/sessions",
        Kind::CheckoutExpiry => "/v1/checkout/sessions/{id}/expire",
        Kind::SubscriptionUpdate | Kind::SubscriptionEnd => "/v1/subscriptions/{id}",
        Kind::Refund => "/v1/refunds",
    }
}
