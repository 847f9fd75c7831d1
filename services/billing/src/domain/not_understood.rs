//! Why an event is quarantined. A field that billing needs is missing or malformed, and billing must not guess it.

/// The part of an event that is not understood. The text names fields and never their values, so operators read no personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnderstood {
    /// A field is missing or malformed.
    #[error("the checkout session's {0} is missing or malformed")]
    Field(&'static str),
    /// A field of a subscription is missing or malformed.
    #[error("the subscription's {0} is missing or malformed")]
    Subscription(&'static str),
    /// A field of a customer is missing or malformed.
    #[error("the customer's {0} is missing or malformed")]
    Customer(&'static str),
    /// A field of a refund is missing or malformed.
    #[error("the refund's {0} is missing or malformed")]
    Refund(&'static str),
    /// A field of a dispute is missing or malformed.
    #[error("the dispute's {0} is missing or malformed")]
    Dispute(&'static str),
    /// A payment for a plan that we do not sell.
    #[error("the checkout session's metadata.plan is not starter, professional or enterprise")]
    Plan,
    /// The amounts do not match the plan's list price.
    #[error(
        "the checkout session's {0}: the paid amount differs from the plan's price, so a person has to look"
    )]
    Price(&'static str),
    /// The event does not say its mode, so it may be of the mode that this mesh does not act on.
    #[error("the event's livemode is missing or not a Boolean, so it may be of live mode or of test mode")]
    NoMode,
    /// The event does not name its object.
    #[error("the event does not name its object")]
    NoObjectId,
    /// The event is thin or its body was purged, and there is no key to fetch the object with.
    #[error("the event does not hold its object, and without STRIPE_SECRET_KEY it cannot be fetched")]
    NoObject,
    /// Stripe does not have the object: it was deleted, or it is of the other mode than the key.
    #[error("Stripe does not have the object (404)")]
    Gone,
}
