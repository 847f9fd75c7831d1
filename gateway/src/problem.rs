//! Problems: the errors that callers see, as RFC 9457 `application/problem+json`.

mod wire;

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode};
use levqor_runtime::{
    error::{ErrorCode, ServiceError, Violation},
    summed,
};
use tonic::{Code, Status, TimeoutExpired};
use tonic_types::StatusExt;

/// The end of the domain in the error details of our own services. Only texts with such details reach a caller.
const OUR_DOMAIN: &str = ".levqor";
/// When a caller should retry if something is unreachable or busy.
const SOON: Duration = Duration::from_secs(1);

/// An error for the caller. It contains nothing internal.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: ErrorCode,
    status: StatusCode,
    reason: Cow<'static, str>,
    detail: Cow<'static, str>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
    /// Whether it is shown to a person as a page.
    as_page: bool,
}

/// The ids that lead from a problem to its request and its trace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    /// The request's id, from the caller or ours.
    pub request_id: Arc<str>,
    /// The trace's id. `None` if nothing is traced.
    pub trace_id: Option<Arc<str>>,
}

impl Problem {
    /// A problem with this code and reason.
    #[must_use]
    pub(crate) fn new(code: ErrorCode, reason: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            status: usual_status(code),
            reason: Cow::Borrowed(reason),
            detail: detail.into(),
            violations: Vec::new(),
            retry_after: (code == ErrorCode::Unavailable).then_some(SOON),
            allow: None,
            as_page: false,
        }))
    }

    /// Fields, parameters or headers of the request are invalid.
    #[must_use]
    pub(crate) fn invalid(violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [only] if !only.field.is_empty() => Cow::Owned(format!("{}: {}", only.field, only.description)),
            _ => Cow::Borrowed(sentence(ErrorCode::InvalidArgument)),
        };
        let mut problem = Self::new(ErrorCode::InvalidArgument, "INVALID_REQUEST", detail);
        problem.0.violations = violations;
        problem
    }

    /// One field, parameter or header of the request is invalid.
    #[must_use]
    pub(crate) fn invalid_field(field: &str, description: impl Into<String>) -> Self {
        Self::invalid(vec![Violation { field: field.to_owned(), description: description.into() }])
    }

    /// The request cannot be read at all.
    #[must_use]
    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, "MALFORMED_REQUEST", detail)
    }

    /// No route has this path.
    #[must_use]
    pub(crate) fn no_route() -> Self {
        Self::new(ErrorCode::NotFound, "NO_ROUTE", "there is nothing at this path")
    }

    /// The path exists, but with other methods.
    #[must_use]
    pub(crate) fn method_not_allowed(allow: Option<HeaderValue>) -> Self {
        let detail =
            "this path does not accept this method; the Allow header names the methods that it accepts";
        let mut problem = Self::new(ErrorCode::InvalidArgument, "METHOD_NOT_ALLOWED", detail);
        problem.0.allow = allow;
        problem.with_status(StatusCode::METHOD_NOT_ALLOWED)
    }

    /// The service does not answer, or this process is at its limits.
    #[must_use]
    pub(crate) fn unavailable(reason: &'static str, detail: &'static str) -> Self {
        Self::new(ErrorCode::Unavailable, reason, detail)
    }

    /// There are more concurrent requests than the gateway accepts.
    #[must_use]
    pub(crate) fn busy() -> Self {
        summed::shed(crate::NAME);
        Self::unavailable("BUSY", "too many requests at once; try again in a moment")
    }

    /// An internal error. The cause belongs in the log, and never in the problem.
    #[must_use]
    pub(crate) fn internal() -> Self {
        Self::new(ErrorCode::Internal, "INTERNAL", sentence(ErrorCode::Internal))
    }

    /// The same problem, with a status that is not the usual one of its code.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// The same problem, as a page for a person.
    #[must_use]
    pub(crate) fn into_page(mut self) -> Self {
        self.0.as_page = true;
        self
    }

    /// The same problem, with a `Retry-After` header.
    #[must_use]
    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same problem, with another code and that code's status.
    #[must_use]
    pub(crate) fn with_code(mut self, code: ErrorCode) -> Self {
        self.0.code = code;
        self.with_status(usual_status(code))
    }

    /// The problem for an error of our own.
    #[must_use]
    pub(crate) fn from_error<E: ServiceError>(error: &E) -> Self {
        let code = error.code();
        let detail = match code {
            ErrorCode::Internal => Cow::Borrowed(sentence(code)),
            _ => Cow::Owned(error.to_string()),
        };
        let mut problem = Self::new(code, error.reason(), detail);
        problem.0.violations = error.violations().to_vec();
        problem.0.retry_after = error.retry_after().or(problem.0.retry_after);
        problem
    }

    /// The problem for a service's status. The status message is forwarded only if error details show that the service chose it.
    /// A transport's message is never forwarded.
    #[must_use]
    pub(crate) fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let Some(info) = details.error_info().filter(|info| info.domain.ends_with(OUR_DOMAIN)) else {
            let code = code_without_details(status);
            return Self::new(code, code.as_str(), sentence(code));
        };
        let code = ErrorCode::from_grpc(status.code());
        let detail = match code {
            ErrorCode::Internal => Cow::Borrowed(sentence(code)),
            _ => Cow::Owned(status.message().to_owned()),
        };
        let mut problem = Self::new(code, "", detail);
        problem.0.reason = Cow::Owned(info.reason.clone());
        if let Some(retry) = details.retry_info() {
            problem.0.retry_after = retry.retry_delay.or(problem.0.retry_after);
        }
        for violation in details.bad_request().iter().flat_map(|bad| &bad.field_violations) {
            let (field, description) = (violation.field.clone(), violation.description.clone());
            problem.0.violations.push(Violation { field, description });
        }
        problem
    }

    /// The code.
    #[must_use]
    pub(crate) fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The stable name of the cause.
    #[must_use]
    pub(crate) fn reason(&self) -> &str {
        &self.0.reason
    }
}

/// Whether the service was unreachable, or refused to work and did not say when to retry.
#[must_use]
pub(crate) fn is_unavailable(status: &Status) -> bool {
    let details = status.get_error_details();
    let code = match details.error_info() {
        Some(_) => ErrorCode::from_grpc(status.code()),
        None => code_without_details(status),
    };
    code == ErrorCode::Unavailable && details.retry_info().is_none()
}

fn usual_status(code: ErrorCode) -> StatusCode {
    StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The code of a status without our details: from the transport, from tonic, or from another server.
fn code_without_details(status: &Status) -> ErrorCode {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<TimeoutExpired>() {
            return ErrorCode::DeadlineExceeded;
        }
        cause = error.source();
    }
    if status.source().is_some() {
        // The connection failed on this side, whatever code the transport gives it.
        return ErrorCode::Unavailable;
    }
    match status.code() {
        // The service's response is too large for us, which is not the caller's mistake.
        Code::OutOfRange => ErrorCode::Internal,
        code => ErrorCode::from_grpc(code),
    }
}

/// The text for the caller if no more precise text is allowed.
const fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidArgument => "the request is not valid",
        ErrorCode::Unauthenticated => "a valid bearer token is needed",
        ErrorCode::PermissionDenied => "the caller may not do this",
        ErrorCode::NotFound => "there is no such thing",
        ErrorCode::AlreadyExists => "it exists already",
        ErrorCode::FailedPrecondition => "this cannot be done now",
        ErrorCode::Aborted => "another request changed the same thing at the same time; try again",
        ErrorCode::RateLimited => "too many requests",
        ErrorCode::Unavailable => "the service is not reachable right now",
        ErrorCode::DeadlineExceeded => "the request took too long; it may still be in progress",
        ErrorCode::Internal => "something went wrong on our side; the failure was recorded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.to_json(&Ids::default())).expect("JSON")
    }

    #[test]
    fn a_reason_with_other_characters_gives_no_type() {
        let status = |reason: &str| {
            let mut details = tonic_types::ErrorDetails::new();
            details.set_error_info(reason, "shop.levqor", std::collections::HashMap::new());
            Status::with_error_details(Code::NotFound, "gone", details)
        };
        assert_eq!(
            json(&Problem::from_status(&status("ORDER_2_GONE")))["type"],
            "https://levqor.ai/problems/order-2-gone"
        );
        for reason in ["", "../x", "order gone", "Ünfit"] {
            let json = json(&Problem::from_status(&status(reason)));
            assert_eq!((&json["type"], json.get("reason")), (&"about:blank".into(), None), "{reason}");
            assert_eq!(json["detail"], "gone");
        }
    }

    #[test]
    fn only_our_own_details_are_believed() {
        let mut details = tonic_types::ErrorDetails::new();
        details.set_error_info("LEAK", "evil.example", std::collections::HashMap::new());
        let status = Status::with_error_details(Code::NotFound, "hunter2", details);
        let text = json(&Problem::from_status(&status)).to_string();
        assert!(!text.contains("hunter2") && !text.contains("LEAK"), "{text}");
    }
}
