//! Corrects the status of requests that the gRPC library cannot read, or cannot read to their end.

use axum::{body::Body, extract::Request, response::Response};
use http::HeaderName;
use http_body_util::BodyExt;
use tonic::{Code, Status};

use crate::{
    context::Ctx,
    error::{ErrorCode, ServiceError, to_status},
};

const STATUS: &str = "grpc-status";
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

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
    pub(crate) fn status(&self, service: &str) -> Status {
        to_status(service, self)
    }
}

/// The library answers `OUT_OF_RANGE` if a message is too large, and `INTERNAL` if it is incomplete, compressed in an unknown way or
/// not protobuf. These are mistakes of the caller, and must not look like ours. The errors of our handlers have error details.
pub(super) fn blame_caller(service: &str, response: Response) -> Response {
    let headers = response.headers();
    let code = headers.get(STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    let unread = matches!(code, Some(Code::Internal | Code::OutOfRange)) && !headers.contains_key(&DETAILS);
    if unread { Undecodable.status(service).into_http::<Body>() } else { response }
}

/// Ends an interrupted upload with an error: the library takes a cancelled stream of requests for a complete one.
pub(super) fn break_off(request: Request) -> Request {
    let uploads = |ctx: &Ctx| {
        let method = &ctx.method.descriptor;
        method.is_client_streaming() && !method.is_server_streaming()
    };
    if request.extensions().get().is_some_and(uploads) { request.map(told) } else { request }
}

fn told(body: Body) -> Body {
    Body::new(body.map_err(|_| Status::aborted("the stream of requests was interrupted")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use tonic::{Streaming, codec::Codec};

    use super::*;

    /// A body that its caller cancels after one message.
    fn cancelled() -> Body {
        let message = Ok(Bytes::from_static(b"\0\0\0\0\0"));
        let cancelled = Err(Status::cancelled("h2 protocol error: CANCEL"));
        Body::from_stream(stream::iter([message, cancelled]))
    }

    #[tokio::test]
    async fn a_cancelled_stream_of_requests_is_not_taken_for_one_that_ended() {
        for (body, breaks_off) in [(cancelled(), false), (told(cancelled()), true)] {
            let decoder = tonic_prost::ProstCodec::<(), ()>::default().decoder();
            let mut messages = Streaming::new_request(decoder, body, None, None);
            messages.message().await.expect("no failure yet").expect("a message");
            assert_eq!(messages.message().await.is_err(), breaks_off);
        }
    }
}
