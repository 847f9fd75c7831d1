//! The span of a call, and the answer to a panic.

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use tonic::{Code, Status};
use tracing::Span;

use super::Admission;
use crate::{
    id,
    metrics::calls::{Calls, Timer},
    telemetry,
};

/// The name of this request, given by the caller or by us.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

/// A call that is under way, as traces and metrics see it.
pub(super) struct Traced {
    span: Span,
    timer: Timer,
}

impl Traced {
    /// From now on.
    pub(super) fn begin(admission: &Admission, calls: &Calls, request: &mut Request) -> Self {
        let given = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
        let fits = |text: &&str| {
            (1..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let request_id = given.filter(fits).map_or_else(id::request_id, str::to_owned);
        let path = request.uri().path();
        let span = telemetry::rpc_server_span(admission.service, path, request.headers(), &request_id);
        let timer = calls.begin(path);
        request.extensions_mut().insert(RequestId(request_id));
        Self { span, timer }
    }

    /// What everything that belongs to the call happens in.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// It was answered.
    pub(super) fn end(self, response: &Response) {
        // Streams carry their status in the trailers; what is known now is an error before the first message, or success.
        let code = response
            .headers()
            .get("grpc-status")
            .map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
        telemetry::record_served(&self.span, code);
        self.span.in_scope(|| self.timer.end(code));
    }
}

/// Handlers' panics are caught, with their context, in `rpc::call`; this is for everything else.
pub(super) fn panic_answer() -> Response {
    tracing::error!(error.type = "panic", "the server stack panicked");
    status_answer(&Status::internal("something went wrong on our side; the failure was recorded"))
}

/// A status as an answer.
pub(super) fn status_answer(status: &Status) -> Response {
    status.clone().into_http::<Body>().into_response()
}
