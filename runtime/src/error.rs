//! The closed list of error codes, and the conversion of a service's typed error to a gRPC status.

mod service_error;

use std::{collections::HashMap, str::FromStr, sync::Arc, time::Duration};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::Level;

/// The kind of failure, in terms that a caller can act on. The list is closed: there is no "other".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is wrong and will stay wrong.
    InvalidArgument,
    /// There is no valid token.
    Unauthenticated,
    /// The caller is known and has no permission.
    PermissionDenied,
    /// The thing does not exist, or it belongs to another caller.
    NotFound,
    /// The thing exists already.
    AlreadyExists,
    /// The request is valid, but not in this state.
    FailedPrecondition,
    /// A concurrent change interfered; a retry may succeed.
    Aborted,
    /// Too many requests.
    RateLimited,
    /// A dependency does not answer; a retry may succeed.
    Unavailable,
    /// The deadline passed.
    DeadlineExceeded,
    /// A bug of ours.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::InvalidArgument,
        Self::Unauthenticated,
        Self::PermissionDenied,
        Self::NotFound,
        Self::AlreadyExists,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::RateLimited,
        Self::Unavailable,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// The gRPC code, the HTTP status, the log level, whether a retry may succeed, and the name on the wire. `FailedPrecondition` is 422
    /// and not 400, since the request itself is well formed. (The Idempotency-Key draft asks for 422 too.)
    const fn row(self) -> (Code, u16, Level, bool, &'static str) {
        match self {
            Self::InvalidArgument => (Code::InvalidArgument, 400, Level::INFO, false, "INVALID_ARGUMENT"),
            Self::Unauthenticated => (Code::Unauthenticated, 401, Level::INFO, false, "UNAUTHENTICATED"),
            Self::PermissionDenied => (Code::PermissionDenied, 403, Level::INFO, false, "PERMISSION_DENIED"),
            Self::NotFound => (Code::NotFound, 404, Level::INFO, false, "NOT_FOUND"),
            Self::AlreadyExists => (Code::AlreadyExists, 409, Level::INFO, false, "ALREADY_EXISTS"),
            Self::FailedPrecondition => {
                (Code::FailedPrecondition, 422, Level::INFO, false, "FAILED_PRECONDITION")
            }
            Self::Aborted => (Code::Aborted, 409, Level::INFO, true, "ABORTED"),
            Self::RateLimited => (Code::ResourceExhausted, 429, Level::INFO, true, "RATE_LIMITED"),
            Self::Unavailable => (Code::Unavailable, 503, Level::WARN, true, "UNAVAILABLE"),
            Self::DeadlineExceeded => (Code::DeadlineExceeded, 504, Level::WARN, true, "DEADLINE_EXCEEDED"),
            Self::Internal => (Code::Internal, 500, Level::ERROR, false, "INTERNAL"),
        }
    }

    /// The code on the gRPC wire.
    #[must_use]
    pub const fn grpc_code(self) -> Code {
        self.row().0
    }

    /// The HTTP status at the gateway.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        self.row().1
    }

    /// The log level: a bug is an error, a failed dependency a warning, and a caller's mistake is information.
    #[must_use]
    pub const fn log_level(self) -> Level {
        self.row().2
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub const fn retryable(self) -> bool {
        self.row().3
    }

    /// The code of a gRPC status, whatever its origin.
    #[must_use]
    pub const fn from_grpc(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::OutOfRange => Self::InvalidArgument,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::NotFound => Self::NotFound,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted | Code::Cancelled => Self::Aborted,
            Code::ResourceExhausted => Self::RateLimited,
            // The receiver may be an older version than its caller. After its upgrade it knows the RPC.
            Code::Unavailable | Code::Unimplemented => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Self::Internal,
        }
    }

    /// The name on the wire, `INVALID_ARGUMENT`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().4
    }
}

/// One violation in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, `content.name`.
    pub field: String,
    /// The expected content of the field, in words.
    pub description: String,
}

/// The error enum of a service. Clients see its `Display`, unless the code is `Internal`.
pub trait ServiceError: std::error::Error + Send + Sync + 'static {
    fn code(&self) -> ErrorCode;
    /// A stable name for the cause, `UPPER_SNAKE`. docs/ERRORS.md lists them.
    fn reason(&self) -> &'static str;
    /// The violations of the request, field by field.
    fn violations(&self) -> &[Violation] {
        &[]
    }
    /// How long to wait before a retry, where that is known.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl<E: ServiceError> ServiceError for Arc<E> {
    fn code(&self) -> ErrorCode {
        (**self).code()
    }
    fn reason(&self) -> &'static str {
        (**self).reason()
    }
    fn violations(&self) -> &[Violation] {
        (**self).violations()
    }
    fn retry_after(&self) -> Option<Duration> {
        (**self).retry_after()
    }
}

/// The request is not valid. Holds every violation.
#[derive(Debug, thiserror::Error)]
#[error("the request is not valid")]
pub struct Invalid(pub Vec<Violation>);

impl Invalid {
    /// Creates an error with one violation.
    pub fn of(field: &str, description: impl Into<String>) -> Self {
        Self(vec![Violation { field: field.to_owned(), description: description.into() }])
    }
}

impl ServiceError for Invalid {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
    fn reason(&self) -> &'static str {
        "INVALID_REQUEST"
    }
    fn violations(&self) -> &[Violation] {
        &self.0
    }
}

/// Collects the violations of a request, so that the caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a violation.
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(Violation { field: field.to_owned(), description: description.into() });
    }

    /// Parses a field, or adds a violation that names the expected form.
    pub fn parse<T: FromStr>(&mut self, field: &str, value: &str, expected: &str) -> Option<T> {
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.add(field, format!("expected {expected}"));
        }
        parsed
    }

    /// Takes the value of a part of the request, or adds its violations.
    pub fn take<T>(&mut self, read: Result<T, Invalid>) -> Option<T> {
        read.map_err(|Invalid(found)| self.0.extend(found)).ok()
    }

    /// Returns the value, if there are no violations.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Invalid> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Invalid(self.0)),
        }
    }
}

/// The status on the wire: code, `google.rpc` details, and no internal text.
pub fn to_status<E: ServiceError>(service: &str, error: &E) -> Status {
    let code = error.code();
    let mut details = ErrorDetails::new();
    details.set_error_info(error.reason(), format!("{service}.levqor"), HashMap::new());
    for violation in error.violations() {
        details.add_bad_request_violation(&violation.field, &violation.description);
    }
    if let Some(after) = error.retry_after() {
        details.set_retry_info(Some(after));
    }
    let message = match code {
        ErrorCode::Internal => "something went wrong on our side; the failure was recorded".to_owned(),
        _ => error.to_string(),
    };
    Status::with_error_details(code.grpc_code(), message, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the password is {0}")]
    struct Leaky(&'static str, ErrorCode);

    impl ServiceError for Leaky {
        fn code(&self) -> ErrorCode {
            self.1
        }
        fn reason(&self) -> &'static str {
            "LEAKY"
        }
    }

    #[test]
    fn every_code_survives_the_wire() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_grpc(code.grpc_code()), code);
            assert!((400..600).contains(&code.http_status()), "{code:?}");
            assert_eq!(code.http_status() >= 500, code.log_level() <= tracing::Level::WARN, "{code:?}");
        }
    }

    #[test]
    fn internal_text_never_leaves() {
        for &code in ErrorCode::ALL {
            let status = to_status("lamps", &Leaky("hunter2", code));
            assert_eq!(status.message().contains("hunter2"), code != ErrorCode::Internal, "{code:?}");
            let info = status.get_error_details().error_info().cloned().expect("error info");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("LEAKY", "lamps.levqor"));
        }
    }

    #[test]
    fn all_violations_are_reported_at_once() {
        let mut violations = Violations::new();
        let number: Option<u32> = violations.parse("a", "x", "a number");
        let other: Option<u32> = violations.parse("b.c", "", "a number");
        assert!(number.is_none() && other.is_none());
        let error = violations.finish(None::<u32>).expect_err("invalid");
        let fields: Vec<_> = error.violations().iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["a", "b.c"]);
    }
}
