//! The types of events that have an effect. All others are ignored.

const UPDATED: &str = "customer.subscription.updated";
const THIN_UPDATED: &str = "v1.customer.subscription.updated";
const TRIAL_ENDS: &[&str] =
    &["customer.subscription.trial_will_end", "v1.customer.subscription.trial_will_end"];

/// What happened to a checkout session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// The customer finished the checkout. The payment may still be pending.
    Completed,
    /// A delayed payment succeeded.
    AsyncPaymentSucceeded,
    /// A delayed payment failed.
    AsyncPaymentFailed,
    /// The customer did not finish in time.
    Expired,
}

/// The kind of object that an event is about. The object is fetched, and its current state decides the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventObject {
    /// A checkout session.
    Session(SessionEvent),
    /// A payment intent, which may have paid a checkout session.
    Payment,
    /// A subscription.
    Subscription,
    /// A customer.
    Customer,
    /// A charge, whose refunds changed.
    Charge,
    /// A refund.
    Refund,
    /// A dispute.
    Dispute,
    /// A price or a product.
    Catalogue,
}

/// Declares the types. They are names and not patterns, so that Rust and SQL agree on which types are handled. Otherwise an event
/// could be made pending only to be ignored again.
macro_rules! event_types {
    ($($name:literal => $object:expr,)+) => {
        impl EventObject {
            /// Every handled type. Thin events about `v1` objects have the prefix `v1.`.
            pub(crate) const TYPES: &[&str] = &[$($name, concat!("v1.", $name),)+];

            /// What an event of this type is about.
            pub(crate) fn of_type(event_type: &str) -> Option<Self> {
                match event_type.strip_prefix("v1.").unwrap_or(event_type) {
                    $($name => Some($object),)+
                    _ => None,
                }
            }
        }
    };
}

event_types! {
    "checkout.session.completed" => Self::Session(SessionEvent::Completed),
    "checkout.session.async_payment_succeeded" => Self::Session(SessionEvent::AsyncPaymentSucceeded),
    "checkout.session.async_payment_failed" => Self::Session(SessionEvent::AsyncPaymentFailed),
    "checkout.session.expired" => Self::Session(SessionEvent::Expired),
    "payment_intent.succeeded" => Self::Payment,
    "payment_intent.payment_failed" => Self::Payment,
    "customer.created" => Self::Customer,
    "customer.updated" => Self::Customer,
    "customer.deleted" => Self::Customer,
    "customer.subscription.created" => Self::Subscription,
    "customer.subscription.updated" => Self::Subscription,
    "customer.subscription.deleted" => Self::Subscription,
    "customer.subscription.paused" => Self::Subscription,
    "customer.subscription.resumed" => Self::Subscription,
    "customer.subscription.trial_will_end" => Self::Subscription,
    "customer.subscription.pending_update_applied" => Self::Subscription,
    "customer.subscription.pending_update_expired" => Self::Subscription,
    "charge.refunded" => Self::Charge,
    "charge.refund.updated" => Self::Refund,
    "refund.created" => Self::Refund,
    "refund.updated" => Self::Refund,
    "refund.failed" => Self::Refund,
    "charge.dispute.created" => Self::Dispute,
    "charge.dispute.updated" => Self::Dispute,
    "charge.dispute.closed" => Self::Dispute,
    "charge.dispute.funds_withdrawn" => Self::Dispute,
    "charge.dispute.funds_reinstated" => Self::Dispute,
    "price.created" => Self::Catalogue,
    "price.updated" => Self::Catalogue,
    "price.deleted" => Self::Catalogue,
    "product.created" => Self::Catalogue,
    "product.updated" => Self::Catalogue,
    "product.deleted" => Self::Catalogue,
}

impl EventObject {
    /// The types whose bodies are read too: only the body has the changed fields (`previous_attributes`), the fetched object does
    /// not.
    pub(crate) const TOLD_IN_BODIES: &[&str] = &[UPDATED, THIN_UPDATED];

    /// The type of the snapshot event whose body has the facts that a thin event of this type lacks.
    pub(crate) fn told_by_twin(event_type: &str) -> Option<&'static str> {
        (event_type == THIN_UPDATED).then_some(UPDATED)
    }

    /// Whether an event of this type says that a trial ends soon: Stripe sends it 3 days before the end.
    pub(crate) fn tells_of_trial(event_type: &str) -> bool {
        TRIAL_ENDS.contains(&event_type)
    }

    /// The types that an endpoint of snapshot events has to subscribe to.
    pub(crate) fn snapshot_types() -> impl Iterator<Item = &'static str> {
        Self::TYPES.iter().copied().filter(|name| !name.starts_with("v1."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_understood_and_has_its_thin_twin() {
        for event_type in EventObject::TYPES {
            assert!(EventObject::of_type(event_type).is_some(), "{event_type}");
        }
        assert_eq!(EventObject::TYPES.len(), 2 * EventObject::snapshot_types().count());
        assert_eq!(EventObject::of_type("v1.customer.subscription.paused"), Some(EventObject::Subscription));
        for ignored in
            ["payment_intent.created", "invoice.paid", "customer.source.created", "v2.core.account.updated"]
        {
            assert_eq!(EventObject::of_type(ignored), None, "{ignored}");
        }
        let mut told = EventObject::TOLD_IN_BODIES.iter().chain(TRIAL_ENDS);
        assert!(told.all(|name| EventObject::of_type(name).is_some()));
    }
}
