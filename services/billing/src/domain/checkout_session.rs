//! Stripe's checkout session, reduced to the few fields that billing reads, for every API version.

use chrono::{DateTime, Utc};
use levqor_runtime::email::Email;
use serde_json::Value;

use super::{
    asking_price::AskingPrice,
    json::{id, instant, reference, text, word},
    money::Money,
    not_understood::NotUnderstood,
    order::OrderId,
    stripe_event::SessionEvent,
    stripe_id::StripeId,
    subscription::SubscriptionId,
};

/// Where the charge's time is in a session that Stripe expanded with `EXPAND`.
const CHARGE_TIME: &str = "/payment_intent/latest_charge/created";
/// Where the page of Stripe's receipt for the charge is in such a session.
const RECEIPT_URL: &str = "/payment_intent/latest_charge/receipt_url";
/// The most characters of a link that a mail takes.
const LONGEST_LINK: usize = 2_000;

/// The purpose of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One payment: the only mode that sells orders.
    Payment,
    /// A subscription.
    Subscription,
    /// A payment method, saved for later.
    Setup,
}

/// The state of the session itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The customer has not finished the checkout.
    Open,
    /// The customer finished the checkout. The payment may still be pending.
    Complete,
    /// The customer did not finish in time.
    Expired,
}

/// The state of the payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    /// Paid.
    Paid,
    /// Not paid, or not yet.
    Unpaid,
    /// No payment is due, for example after a promotion of 100 %.
    NoPaymentRequired,
}

/// What Stripe's receipt for the payment says beside the amount.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Receipt {
    /// Stripe's page of the receipt.
    pub(crate) link: String,
    /// The tax that the amount includes. Absent if there is none, or if Stripe does not compute it.
    pub(crate) tax: Option<Money>,
}

/// A checkout session. Reading fails only without `id`, `mode` or `payment_status`; callers check the other fields that they
/// need.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct CheckoutSession {
    pub(crate) id: StripeId,
    pub(crate) mode: Mode,
    /// Absent in old API versions.
    pub(crate) status: Option<Status>,
    pub(crate) payment_status: PaymentStatus,
    /// `metadata.mode`, lower case: what our checkout was asked to sell.
    pub(crate) sells: Option<String>,
    /// `metadata.plan`, lower case.
    pub(crate) plan: Option<String>,
    /// Whether the session is of live mode. Absent if the session does not say so.
    pub(crate) livemode: Option<bool>,
    pub(crate) price: AskingPrice,
    pub(crate) total: Option<Money>,
    pub(crate) customer_email: Option<Email>,
    /// Empty if the customer gave none.
    pub(crate) customer_name: String,
    /// Absent for guests.
    pub(crate) customer_id: Option<StripeId>,
    pub(crate) payment_intent_id: Option<StripeId>,
    /// The subscription that the session made. Absent until the session is complete, and for a session of another mode.
    pub(crate) subscription_id: Option<StripeId>,
    /// The ids of our rows in the metadata, if our checkout made the session.
    pub(crate) our_order: Option<OrderId>,
    pub(crate) our_subscription: Option<SubscriptionId>,
    /// The prices of all lines. Absent if Stripe did not show all lines.
    pub(crate) line_prices: Option<Vec<StripeId>>,
    /// When the charge was made. Absent unless Stripe was asked to expand the charge.
    pub(crate) charge_time: Option<DateTime<Utc>>,
    /// Absent unless Stripe was asked to expand the charge, and has a receipt for it.
    pub(crate) receipt: Option<Receipt>,
}

impl CheckoutSession {
    /// The fields of a session that Stripe is asked to include (`expand`): by default it leaves them out, or shows only their
    /// ids.
    pub(crate) const EXPAND: &'static [&'static str] = &["payment_intent.latest_charge", "line_items"];

    /// Reads a session from an event's own object, or from Stripe's response.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        // An absent object is read like a null one, which has no fields.
        let details = object.get("customer_details").unwrap_or(&Value::Null);
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let label = |field| word(metadata, field).map(|text| text.trim().to_lowercase());
        let price = AskingPrice::read(object);
        Ok(Self {
            id: id(object, "id").ok_or(NotUnderstood::Field("id"))?,
            mode: mode(object).ok_or(NotUnderstood::Field("mode"))?,
            status: status(object),
            payment_status: payment_status(object).ok_or(NotUnderstood::Field("payment_status"))?,
            sells: label("mode"),
            plan: label("plan"),
            livemode: object.get("livemode").and_then(Value::as_bool),
            total: price.total(),
            price,
            customer_email: email(details, "email").or_else(|| email(object, "customer_email")),
            customer_name: text(details, "name").unwrap_or_default(),
            customer_id: reference(object, "customer"),
            payment_intent_id: reference(object, "payment_intent"),
            subscription_id: reference(object, "subscription"),
            our_order: label("order_id").and_then(|id| id.parse().ok()),
            our_subscription: label("subscription_id").and_then(|id| id.parse().ok()),
            line_prices: line_prices(object),
            charge_time: object.pointer(CHARGE_TIME).and_then(instant),
            receipt: receipt(object),
        })
    }
}

impl CheckoutSession {
    /// Whether the session ended without being finished. Old API versions have no status: then the event's type decides.
    pub(crate) fn has_expired(&self, event: SessionEvent) -> bool {
        self.status.map_or(event == SessionEvent::Expired, |status| status == Status::Expired)
    }
}

/// The receipt for the charge. A link that no mail would take is none.
fn receipt(session: &Value) -> Option<Receipt> {
    let link = session.pointer(RECEIPT_URL)?.as_str()?;
    let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c);
    let is_link = link.starts_with("https://") && link.chars().all(is_plain);
    let tax = session.pointer("/total_details/amount_tax").and_then(Value::as_i64).filter(|tax| *tax > 0);
    let tax = tax.and_then(|tax| Money::of_stripe(word(session, "currency")?, tax));
    (is_link && link.len() <= LONGEST_LINK).then(|| Receipt { link: link.to_owned(), tax })
}

/// The prices of the lines. `None` if Stripe did not return all lines: a session of ours has at most four, so this one is not
/// ours.
fn line_prices(session: &Value) -> Option<Vec<StripeId>> {
    let lines = session.get("line_items")?;
    if lines.get("has_more").and_then(Value::as_bool) == Some(true) {
        return None;
    }
    lines.get("data")?.as_array()?.iter().map(|line| reference(line, "price")).collect()
}

/// A mail address. Stripe accepted it with the payment, so any text that can be an address is accepted.
fn email(object: &Value, field: &str) -> Option<Email> {
    object.get(field)?.as_str()?.parse().ok()
}

fn mode(object: &Value) -> Option<Mode> {
    match word(object, "mode")? {
        "payment" => Some(Mode::Payment),
        "subscription" => Some(Mode::Subscription),
        "setup" => Some(Mode::Setup),
        _ => None,
    }
}

fn status(object: &Value) -> Option<Status> {
    match word(object, "status")? {
        "open" => Some(Status::Open),
        "complete" => Some(Status::Complete),
        "expired" => Some(Status::Expired),
        _ => None,
    }
}

fn payment_status(object: &Value) -> Option<PaymentStatus> {
    match word(object, "payment_status")? {
        "paid" => Some(PaymentStatus::Paid),
        "unpaid" => Some(PaymentStatus::Unpaid),
        "no_payment_required" => Some(PaymentStatus::NoPaymentRequired),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn smallest() -> Value {
        json!({"id": "cs_1", "mode": "payment", "payment_status": "unpaid"})
    }

    #[test]
    fn a_guest_session_with_nulls_everywhere_is_read() {
        let mut object = smallest();
        for field in
            ["customer", "customer_details", "customer_email", "metadata", "payment_intent", "amount_total"]
        {
            object[field] = Value::Null;
        }
        let session = CheckoutSession::read(&object).expect("a session");
        assert_eq!((session.customer_id, session.customer_email, session.total), (None, None, None));
        assert_eq!(session.status, None);
    }

    #[test]
    fn the_time_of_the_charge_is_read_if_the_charge_is_expanded() {
        let mut object = smallest();
        for (intent, expected) in [
            (json!("pi_1"), None),
            (json!({"id": "pi_1", "latest_charge": "ch_1"}), None),
            (json!({"id": "pi_1", "latest_charge": null}), None),
            (json!({"id": "pi_1", "latest_charge": {"id": "ch_1", "created": "odd"}}), None),
            (
                json!({"id": "pi_1", "latest_charge": {"id": "ch_1", "created": 1_700_000_000}}),
                Some(1_700_000_000),
            ),
        ] {
            object["payment_intent"] = intent;
            let session = CheckoutSession::read(&object).expect("a session");
            assert_eq!(session.payment_intent_id, "pi_1".parse().ok());
            assert_eq!(session.charge_time.map(|time| time.timestamp()), expected);
        }
    }

    #[test]
    fn a_receipt_is_read_with_its_tax_if_stripe_has_one() {
        let mut object = smallest();
        object["currency"] = json!("gbp");
        let mut read = |url: Value, tax: Value| {
            object["payment_intent"] =
                json!({"id": "pi_1", "latest_charge": {"id": "ch_1", "receipt_url": url}});
            object["total_details"] = json!({"amount_tax": tax});
            CheckoutSession::read(&object).expect("a session").receipt
        };
        let link = "https://pay.stripe.com/receipts/payment/1".to_owned();
        let tax = Some(Money::pence(1650));
        assert_eq!(read(json!(link), json!(1650)), Some(Receipt { link: link.clone(), tax }));
        for tax in [json!(0), json!("all"), Value::Null] {
            assert_eq!(read(json!(link), tax), Some(Receipt { link: link.clone(), tax: None }));
        }
        let long = format!("https://{}", "x".repeat(2_000));
        for odd in [Value::Null, json!(7), json!("receipt"), json!("https://a b"), json!(long)] {
            assert_eq!(read(odd, Value::Null), None);
        }
    }

    #[test]
    fn the_typed_address_takes_precedence_over_the_sessions_address() {
        let mut object = smallest();
        object["customer_email"] = json!("Given@Example.com");
        assert_eq!(
            CheckoutSession::read(&object).expect("a session").customer_email,
            "given@example.com".parse().ok()
        );
        object["customer_details"] = json!({"email": "Typed@Example.com", "name": "Ada"});
        let session = CheckoutSession::read(&object).expect("a session");
        assert_eq!(session.customer_email, "typed@example.com".parse().ok());
        assert_eq!(session.customer_name, "Ada");
    }

    #[test]
    fn an_invalid_typed_address_is_ignored() {
        let mut object = smallest();
        object["customer_email"] = json!("given@example.com");
        for odd in [Value::Null, json!(""), json!("nobody"), json!(7)] {
            object["customer_details"] = json!({"email": odd});
            let session = CheckoutSession::read(&object).expect("a session");
            assert_eq!(session.customer_email, "given@example.com".parse().ok(), "{odd}");
        }
    }

    #[test]
    fn a_session_without_id_mode_or_payment_status_is_not_understood() {
        for field in ["id", "mode", "payment_status"] {
            for odd in [Value::Null, json!(7), json!("nonsense\u{0}")] {
                let mut object = smallest();
                object[field] = odd;
                assert_eq!(CheckoutSession::read(&object).err(), Some(NotUnderstood::Field(field)));
            }
        }
    }
}
