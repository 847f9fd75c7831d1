//! Reads the error details of a refused call.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The status of a call that is refused.
#[track_caller]
pub fn refused<T>(answer: Result<T, Status>) -> Status {
    answer.err().expect("the call is refused")
}

/// The fields that the status of a refused call calls invalid.
#[track_caller]
#[must_use]
pub fn violated(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_error_details().bad_request().cloned().expect("violations");
    bad_request.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// The reason that a status gives.
#[must_use]
pub fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// How long the caller of a refused call should wait.
#[must_use]
pub fn retry_after(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info().and_then(|retry| retry.retry_delay)
}
