//! Bodies in: read to the end within a size and a time, without a copy where the body came in one piece.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use levqor_runtime::error::ErrorCode;
use tokio::time::{Instant, timeout_at};

use crate::problem::Problem;

/// The largest body of a request.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// How much more is read, and thrown away, so that a client that sends first and listens later hears the refusal.
const MOST_IGNORED_BYTES: usize = 8 << 20;

/// Reads a body.
pub(crate) async fn read(mut body: Body, headers: &HeaderMap, deadline: Instant) -> Result<Bytes, Problem> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MOST_BYTES as u64) {
        ignore(&mut body, deadline).await;
        return Err(too_large());
    }
    let collected = timeout_at(deadline, Limited::new(&mut body, MOST_BYTES).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            ignore(&mut body, deadline).await;
            Err(too_large())
        }
        Ok(Err(_)) => Err(Problem::malformed("the body broke off")),
        Err(_) => Err(Problem::new(
            ErrorCode::DeadlineExceeded,
            "BODY_TOO_SLOW",
            "the body took too long to arrive",
        )
        .with_status(StatusCode::REQUEST_TIMEOUT)),
    }
}

/// Reads a body that must not be there.
pub(crate) async fn refuse(body: Body, headers: &HeaderMap, deadline: Instant) -> Result<(), Problem> {
    if body.is_end_stream() || read(body, headers, deadline).await?.is_empty() {
        Ok(())
    } else {
        Err(Problem::malformed("this call takes no body"))
    }
}

async fn ignore(body: &mut Body, deadline: Instant) {
    let mut ignored = 0;
    while ignored < MOST_IGNORED_BYTES {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => ignored += frame.data_ref().map_or(0, Bytes::len),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

fn too_large() -> Problem {
    Problem::new(ErrorCode::InvalidArgument, "BODY_TOO_LARGE", "a body may have at most 1 MiB")
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}
