//! Stripe's checkout session, reduced to the few fields that billing reads, for every API version.

use chrono::{DateTime, Utc};
use levqor_runtime::email::Email;
use serde_json::Value;

use super::{
    asking_price::AskingPrice,
    json::{id, instant, reference, text, word},
    money::Money,
    not_understood::NotUnderstood,
    stripe_id::StripeId,
};

/// Where the charge's time is in a session that Stripe expanded with `EXPAND`.
const CHARGE_TIME: &str = "/payment_intent/latest_charge/created";

/// What the session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One payment: the only mode that makes orders.
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

/// A checkout session. Reading it requires only the fields that decide; callers check any other field that they need.
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
    /// Whether the session is of live mode. Absent if it does not say.
    pub(crate) livemode: Option<bool>,
    pub(crate) price: AskingPrice,
    pub(crate) total: Option<Money>,
    pub(crate) customer_email: Option<Email>,
    /// Empty if the customer gave none.
    pub(crate) customer_name: String,
    /// Absent for guests.
    pub(crate) customer_id: Option<StripeId>,
    pub(crate) payment_intent_id: Option<StripeId>,
    /// When the charge was made. Absent unless Stripe was asked to expand the charge.
    pub(crate) charge_time: Option<DateTime<Utc>>,
}

impl CheckoutSession {
    /// The id that Stripe is asked to expand to the object.
    pub(crate) const EXPAND: &str = "payment_intent.latest_charge";

    /// Reads a session from an event's own object, or from Stripe's response.
    pub(crate) fn read(object: &Value) -> Result<Self, NotUnderstood> {
        // Absent and null read the same: `details` is then null and has no fields.
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
            charge_time: object.pointer(CHARGE_TIME).and_then(instant),
        })
    }
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

    fn least() -> Value {
        json!({"id": "cs_1", "mode": "payment", "payment_status": "unpaid"})
    }

    #[test]
    fn a_guest_session_with_nulls_everywhere_is_read() {
        let mut object = least();
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
    fn the_charge_says_when_it_was_made_where_it_is_shown() {
        let mut object = least();
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
    fn the_address_typed_at_checkout_comes_before_the_one_given_to_it() {
        let mut object = least();
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
    fn an_address_that_is_none_gives_way_to_the_other() {
        let mut object = least();
        object["customer_email"] = json!("given@example.com");
        for odd in [Value::Null, json!(""), json!("nobody"), json!(7)] {
            object["customer_details"] = json!({"email": odd});
            let session = CheckoutSession::read(&object).expect("a session");
            assert_eq!(session.customer_email, "given@example.com".parse().ok(), "{odd}");
        }
    }

    #[test]
    fn without_what_decides_it_is_not_understood() {
        for field in ["id", "mode", "payment_status"] {
            for odd in [Value::Null, json!(7), json!("nonsense\u{0}")] {
                let mut object = least();
                object[field] = odd;
                assert_eq!(CheckoutSession::read(&object).err(), Some(NotUnderstood::Field(field)));
            }
        }
    }
}
