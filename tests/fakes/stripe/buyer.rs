//! What buyers do at checkout, and what their banks do later: each step with the events that Stripe makes of it.

use serde_json::{Value, json};

use super::{shapes, subscription::Item, world::World};

/// A buyer who fills in a checkout.
#[derive(Clone, Copy)]
pub(crate) struct Buyer<'a> {
    pub(crate) name: &'a str,
    pub(crate) email: &'a str,
}

impl World {
    /// The buyer pays by card, and the money is there.
    pub(crate) fn pay_by_card(&mut self, session: &str, buyer: Buyer<'_>) {
        self.fill_in(session, buyer);
        if self.get(session)["mode"] == "subscription" {
            self.subscribe_by_checkout(session);
        } else {
            let intent = self.intent_of(session);
            self.charge(&intent, "card", "succeeded");
        }
        self.complete(session, "paid");
    }

    /// Stripe has a receipt for the charge of a paid checkout. Returns its page.
    pub(crate) fn has_receipt(&mut self, session: &str) -> String {
        let (_, charge) = self.charge_of(session);
        let page = format!("https://pay.stripe.com/receipts/payment/{charge}");
        self.edit(&charge, json!({"receipt_url": page}));
        page
    }

    /// The buyer's card is declined; the checkout stays open.
    pub(crate) fn be_declined(&mut self, session: &str, buyer: Buyer<'_>) {
        self.fill_in(session, buyer);
        let intent = self.intent_of(session);
        self.charge(&intent, "card", "failed");
    }

    /// The buyer pays by a method whose money takes days, as Bacs debits do.
    pub(crate) fn pay_by_debit(&mut self, session: &str, buyer: Buyer<'_>) {
        self.fill_in(session, buyer);
        let intent = self.intent_of(session);
        self.charge(&intent, "bacs_debit", "pending");
        self.complete(session, "unpaid");
    }

    /// The debited money arrives.
    pub(crate) fn debit_succeeds(&mut self, session: &str) {
        let (intent, charge) = self.debit_of(session);
        let amount = self.get(&intent)["amount"].clone();
        self.edit(&charge, json!({"status": "succeeded"}));
        self.emit("charge.succeeded", &charge);
        self.edit(&intent, json!({"status": "succeeded", "amount_received": amount}));
        self.emit("payment_intent.succeeded", &intent);
        self.edit(session, json!({"payment_status": "paid"}));
        self.emit("checkout.session.async_payment_succeeded", session);
    }

    /// The debited money will not come.
    pub(crate) fn debit_fails(&mut self, session: &str) {
        let (intent, charge) = self.debit_of(session);
        let code = "debit_not_authorized";
        self.edit(&charge, json!({"status": "failed", "paid": false, "failure_code": code}));
        self.emit("charge.failed", &charge);
        self.edit(&intent, json!({"status": "requires_payment_method", "last_payment_error": {"code": code, "type": "card_error"}}));
        self.emit("payment_intent.payment_failed", &intent);
        self.emit("checkout.session.async_payment_failed", session);
    }

    /// The buyer has a promotion code for all of it.
    pub(crate) fn pay_nothing(&mut self, session: &str, buyer: Buyer<'_>) {
        self.fill_in(session, buyer);
        let amount = self.get(session)["amount_subtotal"].clone();
        let discounts = json!([{"coupon": null, "promotion_code": self.id("promo")}]);
        let details = json!({"amount_discount": amount, "amount_shipping": 0, "amount_tax": 0});
        self.edit(session, json!({"amount_total": 0, "total_details": details, "discounts": discounts}));
        self.complete(session, "no_payment_required");
    }

    /// The buyer does not return to the checkout.
    pub(crate) fn expire(&mut self, session: &str) {
        self.edit(session, json!({"status": "expired", "url": null}));
        if let Some(intent) = self.get(session)["payment_intent"].as_str().map(str::to_owned) {
            self.edit(
                &intent,
                json!({"status": "canceled", "canceled_at": self.now(), "cancellation_reason": "automatic"}),
            );
            self.emit("payment_intent.canceled", &intent);
        }
        self.emit("checkout.session.expired", session);
    }

    /// A customer pays without any checkout, as in an integration of another sort; the payment intent.
    pub(crate) fn pay_directly(&mut self, customer: &str, amount: i64) -> String {
        let intent = shapes::payment_intent(self, amount, &json!(customer));
        let intent = self.create(intent, "payment_intent.created");
        self.charge(&intent, "card", "succeeded");
        intent
    }

    /// Makes a refund of this amount. Returns its id. The caller has checked that this amount is left.
    pub(super) fn refund(&mut self, charge: &str, amount: i64, fields: Value) -> String {
        let of = self.get(charge).clone();
        let refund = shapes::refund(self, &of, amount);
        let refund = self.add(refund);
        self.edit(&refund, fields);
        let refunded = of["amount_refunded"].as_i64().unwrap_or_default() + amount;
        self.edit(charge, json!({"amount_refunded": refunded, "refunded": of["amount"] == refunded}));
        self.emit("refund.created", &refund);
        self.emit("charge.refunded", charge);
        self.emit("refund.updated", &refund);
        refund
    }

    /// Refunds a part of a payment by a method whose money takes days.
    pub(crate) fn refund_slowly(&mut self, intent: &str, amount: i64) {
        let charge = self.get(intent)["latest_charge"].as_str().expect("a charge").to_owned();
        self.refund(&charge, amount, json!({"status": "pending"}));
    }

    /// The customer's bank sends back the money of the payment's refund that is under way.
    pub(crate) fn refund_fails(&mut self, intent: &str) {
        let under_way = |refund: &&Value| refund["payment_intent"] == intent && refund["status"] == "pending";
        let refund = self.of_kind("refund").find(under_way).expect("a refund under way").clone();
        let text = |field: &str| refund[field].as_str().expect("an id").to_owned();
        let (id, charge) = (text("id"), text("charge"));
        self.edit(&id, json!({"status": "failed", "failure_reason": "declined"}));
        let refunded = self.get(&charge)["amount_refunded"].as_i64().unwrap_or_default();
        let left = refunded - refund["amount"].as_i64().unwrap_or_default();
        self.edit(&charge, json!({"amount_refunded": left, "refunded": false}));
        for event in ["refund.failed", "charge.refund.updated", "refund.updated"] {
            self.emit(event, &id);
        }
    }

    /// A charge of a payment intent, with the events of its outcome. Returns its id.
    pub(super) fn charge(&mut self, intent: &str, method: &str, status: &str) -> String {
        let of = self.get(intent).clone();
        let charge = shapes::charge(self, &of, method, status);
        let means = charge["payment_method"].clone();
        let charge = self.create(charge, &format!("charge.{status}"));
        let (state, event) = match status {
            "succeeded" => ("succeeded", "payment_intent.succeeded"),
            "pending" => ("processing", "payment_intent.processing"),
            _ => ("requires_payment_method", "payment_intent.payment_failed"),
        };
        let received = if status == "succeeded" { of["amount"].clone() } else { json!(0) };
        let error = (status == "failed")
            .then(|| json!({"charge": charge, "code": "card_declined", "type": "card_error"}));
        self.edit(intent, json!({
            "status": state, "latest_charge": charge, "amount_received": received, "payment_method": means,
            "last_payment_error": error,
        }));
        self.emit(event, intent);
        charge
    }

    fn fill_in(&mut self, session: &str, buyer: Buyer<'_>) {
        let of = self.get(session).clone();
        assert_eq!(of["status"], "open", "only an open checkout can be filled in");
        let (email, name) = (json!(buyer.email), json!(buyer.name));
        self.edit(session, json!({"customer_details": shapes::customer_details(&email, &name)}));
        if let Some(customer) = of["customer"].as_str().filter(|_| of["_updates_name"] == true) {
            let customer = customer.to_owned();
            self.update(&customer, json!({"name": name}), "customer.updated");
        }
        if of["customer"].is_null() && of["customer_creation"] == "always" {
            let customer = shapes::customer(self, &email, &name);
            let customer = self.create(customer, "customer.created");
            self.edit(session, json!({"customer": customer}));
        }
    }

    fn complete(&mut self, session: &str, payment_status: &str) {
        self.edit(session, json!({"status": "complete", "payment_status": payment_status, "url": null}));
        self.emit("checkout.session.completed", session);
    }

    /// The session's payment intent, made when it is first needed.
    fn intent_of(&mut self, session: &str) -> String {
        let of = self.get(session).clone();
        if let Some(intent) = of["payment_intent"].as_str() {
            return intent.to_owned();
        }
        let mut intent =
            shapes::payment_intent(self, of["amount_total"].as_i64().unwrap_or_default(), &of["customer"]);
        if let Some(metadata) = of.get("_intent_metadata") {
            intent["metadata"] = metadata.clone();
        }
        let intent = self.create(intent, "payment_intent.created");
        self.edit(session, json!({"payment_intent": intent}));
        intent
    }

    /// The payment intent and the charge of a checkout.
    fn charge_of(&self, session: &str) -> (String, String) {
        let intent = self.get(session)["payment_intent"].as_str().expect("a payment intent").to_owned();
        let charge = self.get(&intent)["latest_charge"].as_str().expect("a charge").to_owned();
        (intent, charge)
    }

    fn debit_of(&self, session: &str) -> (String, String) {
        let (intent, charge) = self.charge_of(session);
        assert_eq!(self.get(&charge)["status"], "pending", "only a debit under way can end");
        (intent, charge)
    }

    fn subscribe_by_checkout(&mut self, session: &str) {
        let of = self.get(session).clone();
        let lines = of["_line_items"].as_array().cloned().unwrap_or_default();
        let item =
            |line: &Value| Some((line["price"]["id"].as_str()?.to_owned(), line["quantity"].as_i64()?));
        let items: Vec<Item> = lines.iter().filter_map(item).collect();
        let customer = of["customer"].as_str().expect("subscriptions have a customer");
        let metadata = of.get("_subscription_metadata").cloned().unwrap_or_else(|| json!({}));
        let subscription = self.subscribe(customer, &items, &metadata);
        assert_eq!(
            self.get(&subscription)["status"],
            "active",
            "only a card that works completes a checkout"
        );
        let invoice = self.get(&subscription)["latest_invoice"].clone();
        self.edit(session, json!({"subscription": subscription, "invoice": invoice}));
    }
}
