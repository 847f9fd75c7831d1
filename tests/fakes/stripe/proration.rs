//! Prorations: the credits and charges of a change of a subscription in the middle of its period, and its preview:
//! <https://docs.stripe.com/billing/subscriptions/prorations>. The fake always assumes that half of the period is over.

use serde_json::{Value, json};

use super::{changes::changed_items, failure::Failure, form::text, params, world::World};

/// The interval that a subscription's items are paid for.
fn interval(items: &Value) -> &Value {
    &items["data"][0]["price"]["recurring"]["interval"]
}

/// Whether a change is invoiced at once: the request says so, or the interval changes (from a month to a year, or back).
pub(super) fn is_at_once(params: &Value, before: &Value, after: &Value) -> bool {
    text(params, "proration_behavior") == Some("always_invoice") || interval(before) != interval(after)
}

impl World {
    /// The invoice lines of a change: for the time that is left in the period, a credit at each old price and a charge at each
    /// new price. If the interval changes, a new period begins at once, and all of it is charged.
    pub(super) fn prorations(&mut self, before: &Value, after: &Value) -> Vec<Value> {
        let items = |of: &Value| of["data"].as_array().cloned().unwrap_or_default();
        let (old, new) = (items(before), items(after));
        let same = |item: &Value, others: &[Value]| {
            others
                .iter()
                .any(|other| other["id"] == item["id"] && other["price"]["id"] == item["price"]["id"])
        };
        let begins_anew = interval(before) != interval(after);
        let mut lines = Vec::new();
        for item in old.iter().filter(|item| begins_anew || !same(item, &new)) {
            lines.push(self.proration(item, -1));
        }
        for item in new.iter().filter(|item| begins_anew || !same(item, &old)) {
            lines.push(if begins_anew { self.line(item) } else { self.proration(item, 1) });
        }
        lines
    }

    fn proration(&mut self, item: &Value, sign: i64) -> Value {
        let mut line = self.line(item);
        let amount = sign * line["amount"].as_i64().unwrap_or_default() / 2;
        (line["amount"], line["subtotal"], line["discountable"]) =
            (json!(amount), json!(amount), json!(false));
        line["parent"]["subscription_item_details"]["proration"] = json!(true);
        line
    }

    /// Charges or credits a change that was made.
    pub(super) fn prorate(&mut self, subscription: &str, lines: Vec<Value>, at_once: bool) {
        if at_once {
            let invoice = self.invoice_of(subscription, "subscription_update", lines);
            // A declined card is not an error here: the events of the invoice report it.
            let _ = self.pay_invoice(&invoice);
            return;
        }
        let mut pending = self.take_prorations(subscription);
        pending.extend(lines);
        self.edit(subscription, json!({"_prorations": pending}));
    }

    /// The lines that changes left for the subscription's next invoice.
    pub(super) fn take_prorations(&mut self, subscription: &str) -> Vec<Value> {
        let pending = self.get(subscription)["_prorations"].as_array().cloned().unwrap_or_default();
        self.edit(subscription, json!({"_prorations": []}));
        pending
    }
}

/// Makes the preview of the next invoice after a change of a subscription, or of what recurs. Returns its id.
pub(super) fn preview(world: &mut World, params: &Value) -> Result<String, Failure> {
    params::known(params, &["customer", "expand", "preview_mode", "subscription", "subscription_details"])?;
    let subscription = world.named("subscription", params, "subscription")?;
    let subscription = subscription.ok_or_else(|| Failure::required("subscription"))?;
    let details = &params["subscription_details"];
    let before = world.get(&subscription)["items"].clone();
    let changed = details["items"].as_array().cloned().unwrap_or_default();
    let after = changed_items(world, &subscription, &changed)?;
    let recurs = text(params, "preview_mode") == Some("recurring");
    let mut lines = if recurs { Vec::new() } else { world.prorations(&before, &after) };
    if recurs || !is_at_once(details, &before, &after) {
        if !recurs {
            lines.extend(world.get(&subscription)["_prorations"].as_array().cloned().unwrap_or_default());
        }
        for item in after["data"].as_array().into_iter().flatten() {
            lines.push(world.line(item));
        }
    }
    let total: i64 = lines.iter().filter_map(|line| line["amount"].as_i64()).sum();
    let customer = world.get(&subscription)["customer"].clone();
    let balance = world.get(customer.as_str().unwrap_or_default())["balance"].as_i64().unwrap_or_default();
    let id = world.id("upcoming_in");
    let invoice = json!({
        "id": id, "object": "invoice", "amount_due": (total + balance).max(0), "billing_reason": "upcoming",
        "currency": "gbp", "customer": customer, "ending_balance": (total + balance).min(0), "livemode": false,
        "lines": {"object": "list", "data": lines, "has_more": false, "url": format!("/v1/invoices/{id}/lines")},
        "starting_balance": balance, "status": "draft", "subtotal": total, "total": total,
    });
    Ok(world.add(invoice))
}
