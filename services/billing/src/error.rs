//! Errors of billing, and the codes that callers get.

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
        /// The webhook is refused.
        #[error(transparent)]
        Webhook(#[from] WebhookError) => source,
        /// The order does not exist or has another owner. Callers must not see the difference.
        #[error("there is no such order")]
        OrderNotFound => NotFound "ORDER_NOT_FOUND",
        /// The order has no owner to remove.
        #[error(transparent)]
        OrderNotOwned(#[from] NotOwned) => FailedPrecondition "ORDER_NOT_OWNED",
        /// The event does not exist.
        #[error("there is no such Stripe event")]
        StripeEventNotFound => NotFound "STRIPE_EVENT_NOT_FOUND",
        /// The event to replay has no body and cannot be refetched.
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
