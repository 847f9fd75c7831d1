//! What the gRPC library says of a request that it cannot read.

use axum::{body::Body, response::Response};
use http::HeaderName;
use tonic::{Code, Status};

use crate::error::{ErrorCode, ServiceError, to_status};

const STATUS: &str = "grpc-status";
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The request cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be decoded")]
pub(crate) struct Undecodable;

impl ServiceError for Undecodable {
    fn code(&self) -> ErrorCode {
        ErrorCode::InvalidArgument
    }
    fn reason(&self) -> &'static str {
        "MALFORMED_REQUEST"
    }
}

impl Undecodable {
    /// The status that the caller gets.
    pub(crate) fn status(&self, service: &str) -> Status {
        to_status(service, self)
    }
}

/// The library calls a message that is too large `OUT_OF_RANGE`, and one that is cut off, compressed in an unknown way or no
/// protobuf `INTERNAL`. All of that is the caller's mistake, and must not look like ours. What our handlers answer has details.
pub(super) fn blame_caller(service: &str, response: Response) -> Response {
    let headers = response.headers();
    let code = headers.get(STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    let unread = matches!(code, Some(Code::Internal | Code::OutOfRange)) && !headers.contains_key(&DETAILS);
    if unread { Undecodable.status(service).into_http::<Body>() } else { response }
}
