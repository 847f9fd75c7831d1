//! Objects that a shop needs besides sessions: promotion codes, the billing portal, webhook endpoints, and disputes.

use serde_json::{Value, json};

use super::{failure::Failure, form::text, params, world::World};

/// Makes a session of the billing portal. Returns its id.
pub(super) fn portal_session(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, &["customer", "expand", "return_url"])?;
    let customer =
        world.named("customer", params, "customer")?.ok_or_else(|| Failure::required("customer"))?;
    let id = world.id("bps");
    let session = json!({
        "id": id, "object": "billing_portal.session", "created": world.now(), "customer": customer, "flow": null,
        "livemode": false, "locale": null, "on_behalf_of": null, "return_url": params["return_url"],
        "url": format!("https://billing.stripe.com/p/session/{id}"),
    });
    Ok(world.add(session))
}

/// Makes a promotion code. Returns its id.
pub(super) fn promotion_code(world: &mut World, params: &Value) -> Result<String, Failure> {
    let code = text(params, "code").ok_or_else(|| Failure::required("code"))?.to_owned();
    let promotion = json!({
        "id": world.id("promo"), "object": "promotion_code", "active": true, "code": code, "created": world.now(),
        "livemode": false, "metadata": {},
    });
    Ok(world.add(promotion))
}

/// Registers a webhook endpoint, as the dashboard shows it. Returns its id. Nothing is delivered to it.
pub(super) fn webhook_endpoint(world: &mut World, params: &Value) -> Result<String, Failure> {
    let url = text(params, "url").ok_or_else(|| Failure::required("url"))?.to_owned();
    let endpoint = json!({
        "id": world.id("we"), "object": "webhook_endpoint", "api_version": null, "created": world.now(),
        "enabled_events": params["enabled_events"], "livemode": false, "metadata": {},
        "status": params["status"].as_str().unwrap_or("enabled"), "url": url,
    });
    Ok(world.add(endpoint))
}

/// The part of a charge that was not refunded.
fn left(charge: &Value) -> i64 {
    let amount = |field: &str| charge[field].as_i64().unwrap_or_default();
    amount("amount") - amount("amount_refunded")
}

impl World {
    /// A customer's bank takes back the part of a payment that was not refunded yet. Returns the id of the dispute.
    pub(crate) fn dispute(&mut self, intent: &str) -> String {
        let charge = self.get(intent)["latest_charge"].as_str().expect("a charge").to_owned();
        let of = self.get(&charge).clone();
        let amount = left(&of);
        let dispute = json!({
            "id": self.id("dp"), "object": "dispute", "amount": amount, "balance_transactions": [],
            "charge": charge, "created": self.now(), "currency": of["currency"], "evidence": {},
            "evidence_details": {"due_by": self.now() + 7 * 86400, "has_evidence": false, "past_due": false, "submission_count": 0},
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "payment_intent": intent,
            "reason": "fraudulent", "status": "needs_response",
        });
        self.edit(&charge, json!({"disputed": true}));
        let dispute = self.create(dispute, "charge.dispute.created");
        self.emit("charge.dispute.funds_withdrawn", &dispute);
        dispute
    }

    /// Whether something of a payment is left that the bank can take back.
    pub(crate) fn is_disputable(&self, intent: &str) -> bool {
        self.get(intent)["latest_charge"].as_str().is_some_and(|charge| left(self.get(charge)) > 0)
    }

    /// Whether the bank has a charge's money, or has given it to the customer.
    pub(super) fn is_taken_back(&self, charge: &str) -> bool {
        self.of_kind("dispute").any(|dispute| dispute["charge"] == charge && dispute["status"] != "won")
    }

    /// The bank decides: `won` or `lost`.
    pub(crate) fn decide(&mut self, dispute: &str, status: &str) {
        self.edit(dispute, json!({"status": status}));
        self.emit("charge.dispute.closed", dispute);
        if status == "won" {
            self.emit("charge.dispute.funds_reinstated", dispute);
        }
    }

    /// A subscription gets another state, as Stripe's settings or its dashboard make it.
    pub(crate) fn set_subscription_status(&mut self, subscription: &str, status: &str) {
        let event = match status {
            "paused" => "customer.subscription.paused",
            _ => "customer.subscription.updated",
        };
        self.update(subscription, json!({"status": status}), event);
    }
}
