//! Customers: the people who buy, each with the one customer that they are at Stripe.

use levqor_runtime::{email::Email, typed_id};

use super::stripe_id::StripeId;

typed_id!(pub(crate) CustomerId, "a customer");

/// A person who buys.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) id: CustomerId,
    pub(crate) email: Email,
    /// `None` until Stripe has made the customer.
    pub(crate) stripe_customer_id: Option<StripeId>,
}
