//! Everything that can go wrong in this service, and what callers are told about it.

use std::time::Duration;

use levqor_runtime::{
    db::DbError,
    error::{ErrorCode, Invalid, ServiceError, Violation},
    idempotency::IdempotencyError,
    webhook::WebhookError,
};

use crate::{
    domain::message::{NotInDoubt, NotResendable},
    provider::Trouble,
};

/// An error of this service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The request's key is in use.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// There is no such message.
    #[error("there is no such message")]
    MessageNotFound,
    /// A template does not render.
    #[error("render the message")]
    Render(#[source] minijinja::Error),
    /// The provider has not said that it took the message, and is asked again.
    #[error("the mail provider has not taken the message yet")]
    ProviderUnavailable(#[source] Trouble),
    /// Another delivery of the same message is at work; what is left of its time.
    #[error("another delivery of the message is under way")]
    DeliveryUnderWay(Duration),
    /// What came of an attempt cannot be written down, because something else is known of it already.
    #[error("something else is known of the delivery attempt already")]
    AttemptContradicted,
    /// There is nothing to resolve.
    #[error(transparent)]
    NotInDoubt(#[from] NotInDoubt),
    /// It cannot be sent again.
    #[error(transparent)]
    NotResendable(#[from] NotResendable),
    /// The webhook is not taken.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// There is no such event.
    #[error("there is no such event of a provider")]
    ProviderEventNotFound,
    /// An event lacks what is needed of it.
    #[error("the provider's event is not understood")]
    EventNotUnderstood(#[source] Invalid),
    /// An event has nothing to read any more.
    #[error("the event's body was purged")]
    BodyPurged,
}

impl ServiceError for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Db(error) => error.code(),
            Self::Idempotency(error) => error.code(),
            Self::MessageNotFound | Self::ProviderEventNotFound => ErrorCode::NotFound,
            Self::Render(_) | Self::AttemptContradicted => ErrorCode::Internal,
            Self::ProviderUnavailable(_) => ErrorCode::Unavailable,
            Self::DeliveryUnderWay(_) => ErrorCode::Aborted,
            Self::NotInDoubt(_) | Self::NotResendable(_) | Self::BodyPurged => ErrorCode::FailedPrecondition,
            Self::Webhook(error) => error.code(),
            Self::EventNotUnderstood(_) => ErrorCode::InvalidArgument,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.reason(),
            Self::Db(error) => error.reason(),
            Self::Idempotency(error) => error.reason(),
            Self::MessageNotFound => "MESSAGE_NOT_FOUND",
            Self::Render(_) => "TEMPLATE_BROKEN",
            Self::ProviderUnavailable(_) => "MAIL_PROVIDER_UNAVAILABLE",
            Self::DeliveryUnderWay(_) => "DELIVERY_UNDER_WAY",
            Self::AttemptContradicted => "ATTEMPT_CONTRADICTED",
            Self::NotInDoubt(_) => "MESSAGE_NOT_IN_DOUBT",
            Self::NotResendable(NotResendable::NotFailed) => "MESSAGE_NOT_FAILED",
            Self::NotResendable(NotResendable::Erased(_)) => "RECIPIENT_ERASED",
            Self::Webhook(error) => error.reason(),
            Self::ProviderEventNotFound => "PROVIDER_EVENT_NOT_FOUND",
            Self::EventNotUnderstood(_) => "PROVIDER_EVENT_NOT_UNDERSTOOD",
            Self::BodyPurged => "BODY_PURGED",
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::Invalid(error) | Self::EventNotUnderstood(error) => error.violations(),
            _ => &[],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Idempotency(error) => error.retry_after(),
            Self::ProviderUnavailable(trouble) => trouble.retry_after,
            Self::DeliveryUnderWay(left) => Some(*left),
            _ => None,
        }
    }
}
