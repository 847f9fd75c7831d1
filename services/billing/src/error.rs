//! What can go wrong in billing, as callers learn it.

use levqor_runtime::{
    db::DbError, error::Invalid, idempotency::IdempotencyError, service_error, shared_commit::NotWritten,
    webhook::WebhookError,
};

use crate::domain::order::NotOwned;

service_error! {
    /// An RPC's failure.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum Error {
        /// The request is not valid.
        #[error(transparent)]
        Invalid(#[from] Invalid) => source,
        /// The webhook is not taken.
        #[error(transparent)]
        Webhook(#[from] WebhookError) => source,
        /// There is no such order, or it is somebody else's: the two must read the same.
        #[error("there is no such order")]
        OrderNotFound => NotFound "ORDER_NOT_FOUND",
        /// There is nobody to take the order from.
        #[error(transparent)]
        OrderNotOwned(#[from] NotOwned) => FailedPrecondition "ORDER_NOT_OWNED",
        /// There is no such event.
        #[error("there is no such Stripe event")]
        StripeEventNotFound => NotFound "STRIPE_EVENT_NOT_FOUND",
        /// A replay has nothing to read.
        #[error("the event's body was purged, and what it is about cannot be fetched from Stripe")]
        BodyPurged => FailedPrecondition "BODY_PURGED",
        /// The call's idempotency key.
        #[error(transparent)]
        Idempotency(#[from] IdempotencyError) => source,
        /// The event could not be stored.
        #[error(transparent)]
        Intake(#[from] NotWritten) => source,
        /// The database.
        #[error(transparent)]
        Database(#[from] DbError) => source,
    }
}
