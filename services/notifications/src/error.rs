//! Everything that can go wrong in this service, and what callers are told about it.

use std::time::Duration;

use levqor_runtime::{
    db::DbError,
    error::{ErrorCode, Invalid, ServiceError, Violation},
    idempotency::IdempotencyError,
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
    /// The provider did not answer; the message may or may not be with it.
    #[error("the mail provider does not answer")]
    ProviderUnavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServiceError for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(error) => error.code(),
            Self::Db(error) => error.code(),
            Self::Idempotency(error) => error.code(),
            Self::MessageNotFound => ErrorCode::NotFound,
            Self::Render(_) => ErrorCode::Internal,
            Self::ProviderUnavailable(_) => ErrorCode::Unavailable,
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
        }
    }

    fn violations(&self) -> &[Violation] {
        match self {
            Self::Invalid(error) => error.violations(),
            _ => &[],
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Db(error) => error.retry_after(),
            Self::Idempotency(error) => error.retry_after(),
            _ => None,
        }
    }
}
