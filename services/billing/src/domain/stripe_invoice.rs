//! The payments of a Stripe invoice, for every API version. Before 2025-03-31.basil an invoice has one payment intent; since then
//! it has a list of payments: <https://docs.stripe.com/changelog/basil/2025-03-31/add-support-for-multiple-partial-payments-on-invoices>.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    json::{instant, reference, word},
    money::Money,
    stripe_id::StripeId,
};

/// A payment of an invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvoicePayment {
    /// The payment intent. `None` if the money came in another way, so that it cannot be paid back through Stripe's API by us.
    pub(crate) payment_intent_id: Option<StripeId>,
    pub(crate) amount: Money,
    pub(crate) pay_time: Option<DateTime<Utc>>,
}

impl InvoicePayment {
    /// What has to be expanded in a list of invoices. Old API versions do not know it.
    pub(crate) const EXPAND: &'static [&'static str] = &["data.payments"];

    /// The payments of an invoice. None if nothing was paid.
    pub(crate) fn all(invoice: &Value) -> Vec<Self> {
        let is_paid = word(invoice, "status") == Some("paid")
            || invoice.get("paid").and_then(Value::as_bool) == Some(true);
        let Some(currency) = word(invoice, "currency").filter(|_| is_paid) else { return Vec::new() };
        let paid_at = invoice.pointer("/status_transitions/paid_at").and_then(instant);
        let pay_time = paid_at.or_else(|| invoice.get("created").and_then(instant));
        let total = invoice.get("amount_paid").or_else(|| invoice.get("total")).and_then(Value::as_i64);
        let payment = |amount: i64, payment_intent_id: Option<StripeId>| {
            let amount = Money::of_stripe(currency, amount).filter(|amount| amount.minor_units > 0)?;
            Some(Self { payment_intent_id, amount, pay_time })
        };
        if let Some(intent) = reference(invoice, "payment_intent") {
            return payment(total.unwrap_or_default(), Some(intent)).into_iter().collect();
        }
        let parts = invoice.pointer("/payments/data").and_then(Value::as_array);
        let paid = parts.into_iter().flatten().filter(|part| word(part, "status") == Some("paid"));
        let mut payments: Vec<_> = paid
            .filter_map(|part| {
                let amount = part.get("amount_paid").and_then(Value::as_i64)?;
                let intent = part.get("payment").and_then(|payment| reference(payment, "payment_intent"));
                payment(amount, intent)
            })
            .collect();
        // What no payment explains came in another way.
        let known: i64 = payments.iter().map(|payment| payment.amount.in_stripe()).sum();
        payments.extend(payment(total.unwrap_or_default() - known, None));
        payments
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn invoice(more: &Value) -> Value {
        let mut invoice = json!({
            "id": "in_1", "object": "invoice", "status": "paid", "currency": "gbp", "amount_paid": 7900,
            "total": 7900, "created": 1_790_000_000, "status_transitions": {"paid_at": 1_790_000_060},
        });
        let fields = invoice.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        invoice
    }

    fn paid(amount: i64, intent: Option<&str>) -> InvoicePayment {
        InvoicePayment {
            payment_intent_id: intent.map(|intent| intent.parse().expect("an id")),
            amount: Money::pence(amount),
            pay_time: DateTime::from_timestamp(1_790_000_060, 0),
        }
    }

    #[test]
    fn the_payment_of_every_version_is_found() {
        let part = |amount: i64, intent: &str| json!({"object": "invoice_payment", "status": "paid", "amount_paid": amount, "payment": {"type": "payment_intent", "payment_intent": intent}});
        for (version, more, expected) in [
            (
                "2022-11-15",
                json!({"payment_intent": "pi_1", "charge": "ch_1"}),
                vec![paid(7900, Some("pi_1"))],
            ),
            (
                "2024-06-20, expanded",
                json!({"payment_intent": {"id": "pi_1"}}),
                vec![paid(7900, Some("pi_1"))],
            ),
            (
                "2025-03-31.basil",
                json!({"payments": {"data": [part(7900, "pi_1")]}}),
                vec![paid(7900, Some("pi_1"))],
            ),
            (
                "2025-10-29.clover, in two parts",
                json!({"payments": {"data": [part(900, "pi_1"), part(7000, "pi_2")]}}),
                vec![paid(900, Some("pi_1")), paid(7000, Some("pi_2"))],
            ),
            (
                "out of band",
                json!({"payments": {"data": [part(900, "pi_1")]}}),
                vec![paid(900, Some("pi_1")), paid(7000, None)],
            ),
            (
                "old, without a status",
                json!({"status": null, "paid": true, "payment_intent": "pi_1"}),
                vec![paid(7900, Some("pi_1"))],
            ),
        ] {
            assert_eq!(InvoicePayment::all(&invoice(&more)), expected, "{version}");
        }
    }

    #[test]
    fn an_unpaid_invoice_has_no_payment() {
        for more in [
            json!({"status": "open", "payment_intent": "pi_1"}),
            json!({"amount_paid": 0}),
            json!({"currency": null, "payment_intent": "pi_1"}),
        ] {
            assert_eq!(InvoicePayment::all(&invoice(&more)), []);
        }
    }
}
