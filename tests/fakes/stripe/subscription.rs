//! Subscriptions and their invoices: their fields, and how they change from month to month.

use serde_json::{Value, json};

use super::{failure::Failure, shapes, world::World};

const DAY: i64 = 86400;
/// How often Stripe tries an invoice before it gives the subscription up.
const TRIES: i64 = 4;

/// One thing subscribed to: a price, and how many of it.
pub(super) type Item = (String, i64);

impl World {
    /// A subscription to these prices, with its first invoice; it is incomplete where the card is declined. Returns its id.
    pub(super) fn subscribe(&mut self, customer: &str, items: &[Item], metadata: &Value) -> String {
        let subscription = self.subscription(customer, items, metadata);
        let id = self.create(subscription, "customer.subscription.created");
        let invoice = self.invoice(&id, "subscription_create");
        // A declined card is not an error here: the events of the invoice report it.
        let _ = self.pay_invoice(&invoice);
        id
    }

    fn subscription(&mut self, customer: &str, items: &[Item], metadata: &Value) -> Value {
        let (id, now) = (self.id("sub"), self.now());
        let items: Vec<_> = items.iter().map(|item| self.item(&id, item, now)).collect();
        json!({
            "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": now, "billing_cycle_anchor_config": null,
            "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible"},
            "billing_thresholds": null, "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null,
            "cancellation_details": {"comment": null, "feedback": null, "reason": null},
            "collection_method": "charge_automatically", "created": now, "currency": "gbp", "customer": customer,
            "customer_account": null, "days_until_due": null, "default_payment_method": null,
            "default_source": null, "default_tax_rates": [], "description": null, "discounts": [],
            "ended_at": null, "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
            "items": {
                "object": "list", "data": items, "has_more": false,
                "url": format!("/v1/subscription_items?subscription={id}"),
            },
            "latest_invoice": null, "livemode": false, "metadata": metadata,
            "next_pending_invoice_item_invoice": null, "on_behalf_of": null, "pause_collection": null,
            "payment_settings": {"payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off"},
            "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
            "schedule": null, "start_date": now, "status": "incomplete", "test_clock": null,
            "transfer_data": null, "trial_end": null,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}}, "trial_start": null,
        })
    }

    /// An item of a subscription, from now on.
    pub(super) fn item(&mut self, subscription: &str, (price, quantity): &Item, start: i64) -> Value {
        let price = self.get(price).clone();
        let days = if price["recurring"]["interval"] == "year" { 365 } else { 30 };
        json!({
            "id": self.id("si"), "object": "subscription_item", "billing_thresholds": null, "created": self.now(),
            "current_period_end": start + days * DAY, "current_period_start": start, "discounts": [],
            "metadata": {}, "plan": shapes::plan(&price), "price": price, "quantity": quantity, "subscription": subscription, "tax_rates": [],
        })
    }

    /// An open invoice for the subscription's current period, with what earlier changes put on it. Returns its id.
    fn invoice(&mut self, subscription: &str, reason: &str) -> String {
        let of = self.get(subscription).clone();
        let items = of["items"]["data"].as_array().into_iter().flatten();
        let mut lines: Vec<_> = items.map(|item| self.line(item)).collect();
        lines.extend(self.take_prorations(subscription));
        self.invoice_of(subscription, reason, lines)
    }

    /// An open invoice of these lines. Returns its id.
    pub(super) fn invoice_of(&mut self, subscription: &str, reason: &str, mut lines: Vec<Value>) -> String {
        let of = self.get(subscription).clone();
        let customer = self.get(of["customer"].as_str().unwrap_or_default()).clone();
        let id = self.id("in");
        for line in &mut lines {
            line["invoice"] = json!(id);
        }
        let total: i64 = lines.iter().filter_map(|line| line["amount"].as_i64()).sum();
        let balance = customer["balance"].as_i64().unwrap_or_default();
        let (due, ending) = ((total + balance).max(0), (total + balance).min(0));
        let period = &of["items"]["data"][0];
        let invoice = json!({
            "id": id, "object": "invoice", "account_country": "GB", "account_name": "Levqor",
            "account_tax_ids": null, "amount_due": due, "amount_overpaid": 0, "amount_paid": 0,
            "amount_remaining": due, "amount_shipping": 0, "application": null, "attempt_count": 0,
            "attempted": false, "auto_advance": false,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null},
            "automatically_finalizes_at": null, "billing_reason": reason,
            "collection_method": "charge_automatically", "created": self.now(), "currency": "gbp",
            "custom_fields": null, "customer": customer["id"], "customer_account": null, "customer_address": null,
            "customer_email": customer["email"], "customer_name": customer["name"], "customer_phone": null,
            "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [],
            "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
            "discounts": [], "due_date": null, "effective_at": self.now(), "ending_balance": ending, "footer": null,
            "from_invoice": null, "hosted_invoice_url": format!("https://invoice.stripe.com/i/{id}"),
            "invoice_pdf": format!("https://pay.stripe.com/invoice/{id}/pdf"), "issuer": {"type": "self"},
            "last_finalization_error": null, "latest_revision": null,
            "lines": {"object": "list", "data": lines, "has_more": false, "url": format!("/v1/invoices/{id}/lines")},
            "livemode": false, "metadata": {}, "next_payment_attempt": null, "number": format!("LEVQOR-{}", &id[3..]),
            "on_behalf_of": null,
            "parent": {
                "quote_details": null, "type": "subscription_details",
                "subscription_details": {"metadata": of["metadata"], "subscription": subscription},
            },
            "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
            "period_end": period["current_period_end"], "period_start": period["current_period_start"],
            "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0, "receipt_number": null,
            "rendering": null, "shipping_cost": null, "shipping_details": null, "starting_balance": balance,
            "statement_descriptor": null, "status": "open",
            "status_transitions": {
                "finalized_at": self.now(), "marked_uncollectible_at": null, "paid_at": null, "voided_at": null,
            },
            "subtotal": total, "subtotal_excluding_tax": total, "test_clock": null, "total": total,
            "total_discount_amounts": [], "total_excluding_tax": total, "total_pretax_credit_amounts": [],
            "total_taxes": [], "webhooks_delivered_at": null, "_payment_intent": null, "_charge": null,
        });
        self.create(invoice, "invoice.created");
        self.emit("invoice.finalized", &id);
        self.edit(subscription, json!({"latest_invoice": id}));
        self.edit(of["customer"].as_str().unwrap_or_default(), json!({"balance": ending}));
        id
    }

    /// The line of an item's whole period.
    pub(super) fn line(&mut self, item: &Value) -> Value {
        let amount = item["price"]["unit_amount"].as_i64().unwrap_or_default()
            * item["quantity"].as_i64().unwrap_or(1);
        json!({
            "id": self.id("il"), "object": "line_item", "amount": amount, "currency": "gbp",
            "description": null, "discount_amounts": [], "discountable": true, "discounts": [], "invoice": null,
            "livemode": false, "metadata": {},
            "parent": {
                "invoice_item_details": null, "type": "subscription_item_details",
                "subscription_item_details": {"subscription": item["subscription"], "subscription_item": item["id"], "proration": false},
            },
            "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
            "pricing": {
                "price_details": {"price": item["price"]["id"], "product": item["price"]["product"]},
                "type": "price_details", "unit_amount_decimal": item["price"]["unit_amount_decimal"],
            },
            "quantity": item["quantity"], "subtotal": amount, "taxes": [],
        })
    }

    /// Tries to collect an open invoice; the subscription follows.
    pub(super) fn pay_invoice(&mut self, id: &str) -> Result<(), Failure> {
        let invoice = self.get(id).clone();
        if invoice["status"] != "open" {
            return Err(Failure::invalid("Invoice is already paid").code("invoice_already_paid"));
        }
        let subscription =
            invoice["parent"]["subscription_details"]["subscription"].as_str().unwrap_or_default();
        // An amount that a credit covers needs no payment.
        if invoice["amount_due"] != 0 {
            self.collect(id, &invoice, subscription)?;
        }
        let mut transitions = invoice["status_transitions"].clone();
        transitions["paid_at"] = json!(self.now());
        self.edit(id, json!({
            "status": "paid", "amount_paid": invoice["amount_due"], "amount_remaining": 0, "next_payment_attempt": null,
            "status_transitions": transitions,
        }));
        for event in ["invoice.paid", "invoice.payment_succeeded"] {
            self.emit(event, id);
        }
        self.move_to(subscription, "active");
        Ok(())
    }

    /// Charges an open invoice to the customer's card.
    fn collect(&mut self, id: &str, invoice: &Value, subscription: &str) -> Result<(), Failure> {
        let declines = self.get(invoice["customer"].as_str().unwrap_or_default())["_declines"] == true;
        let intent = if let Some(intent) = invoice["_payment_intent"].as_str() {
            intent.to_owned()
        } else {
            let intent = shapes::payment_intent(
                self,
                invoice["amount_due"].as_i64().unwrap_or_default(),
                &invoice["customer"],
            );
            self.create(intent, "payment_intent.created")
        };
        let charge = self.charge(&intent, "card", if declines { "failed" } else { "succeeded" });
        let tries = invoice["attempt_count"].as_i64().unwrap_or_default() + 1;
        self.edit(
            id,
            json!({"attempted": true, "attempt_count": tries, "_payment_intent": intent, "_charge": charge}),
        );
        if declines {
            self.invoice_failed(id, subscription, tries);
            return Err(Failure::declined());
        }
        Ok(())
    }

    fn invoice_failed(&mut self, id: &str, subscription: &str, tries: i64) {
        let again = (tries < TRIES).then(|| self.now() + 3 * DAY);
        self.edit(id, json!({"next_payment_attempt": again}));
        self.emit("invoice.payment_failed", id);
        if self.get(subscription)["status"] == "incomplete" {
            return;
        }
        if again.is_some() {
            self.move_to(subscription, "past_due");
        } else {
            self.cancel(subscription, "payment_failed");
        }
    }

    fn move_to(&mut self, subscription: &str, status: &str) {
        if self.get(subscription)["status"] != status {
            self.update(subscription, json!({"status": status}), "customer.subscription.updated");
        }
    }

    /// Ends a subscription now.
    pub(super) fn cancel(&mut self, subscription: &str, reason: &str) {
        let details = json!({"comment": null, "feedback": null, "reason": reason});
        self.update(
            subscription,
            json!({"status": "canceled", "canceled_at": self.now(), "ended_at": self.now(), "cancellation_details": details}),
            "customer.subscription.deleted",
        );
    }

    /// Moves the time to the end of the subscription's period: it is renewed, or ends. The new invoice, if there is one.
    pub(crate) fn renew(&mut self, subscription: &str) -> Option<String> {
        let of = self.get(subscription).clone();
        let mut items = of["items"].clone();
        let end = items["data"][0]["current_period_end"].as_i64().unwrap_or_default();
        self.advance((end - self.now()).max(0));
        let ends_by_time = of["cancel_at"].as_i64().is_some_and(|at| at <= end);
        if of["cancel_at_period_end"] == true || ends_by_time {
            self.cancel(subscription, "cancellation_requested");
            return None;
        }
        for item in items["data"].as_array_mut().into_iter().flatten() {
            let (start, until) =
                (item["current_period_start"].as_i64()?, item["current_period_end"].as_i64()?);
            item["current_period_start"] = json!(until);
            item["current_period_end"] = json!(until + until - start);
        }
        self.update(subscription, json!({"items": items}), "customer.subscription.updated");
        let invoice = self.invoice(subscription, "subscription_cycle");
        // A declined card is not an error here: the events of the invoice report it.
        let _ = self.pay_invoice(&invoice);
        Some(invoice)
    }

    /// Tries an invoice that failed again, three days later, as Stripe does by itself.
    pub(crate) fn retry(&mut self, invoice: &str) {
        self.advance(3 * DAY);
        let _ = self.pay_invoice(invoice);
    }

    /// From now on the customer's card is declined, or not.
    pub(crate) fn set_card_declines(&mut self, customer: &str, declines: bool) {
        self.edit(customer, json!({"_declines": declines}));
    }
}
