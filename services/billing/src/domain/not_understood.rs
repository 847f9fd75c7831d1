//! Why an event is quarantined. A field that billing needs is missing or malformed, and billing must not guess it.

/// What is not understood. The text names fields and never their values, so operators read no personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnderstood {
    /// A field is missing or malformed.
    #[error("the checkout session's {0} is missing or malformed")]
    Field(&'static str),
    /// A payment for a plan that we do not sell.
    #[error("the checkout session's metadata.plan is not starter, professional or enterprise")]
    Plan,
    /// The amounts do not match the plan's list price.
    #[error("the checkout session's {0}: what was paid is not what the plan costs, so this needs a look")]
    Price(&'static str),
    /// The event does not say its mode, so it may not be ours.
    #[error("the event's livemode is missing or not a Boolean, so it may be of live mode or of test mode")]
    NoMode,
    /// The event does not name its object.
    #[error("the event does not name its checkout session")]
    NoObjectId,
    /// The event is thin or its body was purged, and there is no key to fetch the object with.
    #[error("the event holds no checkout session, and without STRIPE_SECRET_KEY none can be fetched")]
    NoObject,
    /// Stripe does not have the object: it was deleted, or it is of the other mode than the key.
    #[error("Stripe does not have the checkout session (404)")]
    Gone,
}
