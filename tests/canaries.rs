//! Canaries: values of invented people in every place that the tables and columns declare as personal data, and a search for
//! values that remain after an erasure.

mod declared;
mod person;
mod scan;
mod seed;
mod values;

pub(crate) use self::{
    declared::personal_columns,
    person::Person,
    scan::{files_with, found_in, rows_of, rows_of_tables},
    seed::{Seeded, fill, seed},
};
use crate::databases::named;

/// The columns that keep something of a person after an erasure, and how the legal ground begins that their table declares. Each is
/// named `service.table.column`. Nothing else may keep anything.
pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[
    ("billing.customer_redactions.stripe_customer_id", REDACTION),
    ("billing.disputes.stripe_dispute_id", ACCOUNTS),
    ("billing.disputes.stripe_payment_intent_id", ACCOUNTS),
    ("billing.orders.stripe_checkout_session_id", ACCOUNTS),
    ("billing.orders.stripe_payment_intent_id", ACCOUNTS),
    ("billing.refunds.stripe_payment_intent_id", ACCOUNTS),
    ("billing.refunds.stripe_refund_id", ACCOUNTS),
    ("billing.subscriptions.stripe_checkout_session_id", ACCOUNTS),
    ("billing.subscriptions.stripe_subscription_id", ACCOUNTS),
    ("billing.runtime.leases.key", LOCK),
    ("notifications.runtime.leases.key", LOCK),
    ("support.runtime.leases.key", LOCK),
    ("compliance.runtime.leases.key", LOCK),
];

const ACCOUNTS: &str = "accounts of what was sold are kept for 7 years (Companies Act 2006, section 388";
const LOCK: &str = "a lock that lasts less than a minute";
const REDACTION: &str = "Stripe redacts what it holds of an erased person only by this id";
