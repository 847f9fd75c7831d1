//! What can go wrong in billing, as callers learn it.

use std::time::Duration;

use levqor_runtime::{
    db::DbError,
    error::{ErrorCode, Invalid, ServiceError, Violation},
    idempotency::IdempotencyError,
    shared_commit::NotWritten,
    webhook::WebhookError,
};

use crate::domain::order::NotOwned;

/// An RPC's failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request is not valid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The webhook is not taken.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// There is no such order, or it is somebody else's: the two must read the same.
    #[error("there is no such order")]
    OrderNotFound,
    /// There is nobody to take the order from.
    #[error(transparent)]
    OrderNotOwned(#[from] NotOwned),
    /// There is no such event.
    #[error("there is no such Stripe event")]
    StripeEventNotFound,
    /// A replay has nothing to read.
    #[error("the event's body was purged, and what it is about cannot be fetched from Stripe")]
    BodyPurged,
    /// The call's idempotency key.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// The event could not be stored.
    #[error(transparent)]
    Intake(#[from] NotWritten),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl ServiceError for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Webhook(error) => error.code(),
            Self::OrderNotFound | Self::StripeEventNotFound => ErrorCode::NotFound,
            Self::OrderNotOwned(_) | Self::BodyPurged => ErrorCode::FailedPrecondition,
            Self::Intake(error) => error.code(),
            Self::Idempotency(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Webhook(error) => error.reason(),
            Self::OrderNotFound => "ORDER_NOT_FOUND",
            Self::OrderNotOwned(_) => "ORDER_NOT_OWNED",
            Self::StripeEventNotFound => "STRIPE_EVENT_NOT_FOUND",
            Self::BodyPurged => "BODY_PURGED",
            Self::Intake(error) => error.reason(),
            Self::Idempotency(error) => error.reason(),
            Self::Database(error) => error.reason(),
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::Invalid(error) => error.violations(),
            Self::Webhook(_)
            | Self::OrderNotFound
            | Self::OrderNotOwned(_)
            | Self::StripeEventNotFound
            | Self::BodyPurged
            | Self::Intake(_)
            | Self::Idempotency(_)
            | Self::Database(_) => &[],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Intake(error) => error.retry_after(),
            Self::Idempotency(error) => error.retry_after(),
            Self::Database(error) => error.retry_after(),
            Self::Invalid(_)
            | Self::Webhook(_)
            | Self::OrderNotFound
            | Self::OrderNotOwned(_)
            | Self::StripeEventNotFound
            | Self::BodyPurged => None,
        }
    }
}
