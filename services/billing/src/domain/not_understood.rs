//! Why an event is quarantined: what we need is missing or malformed, so that going on would be guessing.

/// What is not understood. Its text names fields, never their values: operators read it, and it is not personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnderstood {
    /// A field is not there, or not what it should be.
    #[error("the checkout session's {0} is missing or malformed")]
    Field(&'static str),
    /// Money for a plan that we do not sell.
    #[error("the checkout session's metadata.plan is not starter, professional or enterprise")]
    Plan,
    /// The amounts are not those of the plan's list price.
    #[error("the checkout session's {0}: what was paid is not what the plan costs, so this needs a look")]
    Price(&'static str),
    /// Without the event's mode, nobody knows whether it is ours to act on.
    #[error("the event's livemode is missing or not a Boolean, so it may be of live mode or of test mode")]
    NoMode,
    /// The event is about an object that it does not name.
    #[error("the event does not name its checkout session")]
    NoObjectId,
    /// A thin event, or a purged one, where nothing can be fetched.
    #[error("the event holds no checkout session, and without STRIPE_SECRET_KEY none can be fetched")]
    NoObject,
    /// Stripe does not have the object: deleted, or of the other mode than our key.
    #[error("Stripe does not have the checkout session (404)")]
    Gone,
}
