//! The span of a call, and the answer to a panic.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tonic::{Code, Status};
use tracing::Instrument;

use super::Admission;
use crate::{id, metrics::calls::Calls, telemetry};

/// The name of this request, given by the caller or by us.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub(super) String);

pub(super) async fn trace(
    State((admission, calls)): State<(Arc<Admission>, Calls)>,
    mut request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let fits = |text: &&str| {
        (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let request_id = given.filter(fits).map_or_else(id::request_id, str::to_owned);
    let span =
        telemetry::rpc_server_span(admission.service, request.uri().path(), request.headers(), &request_id);
    request.extensions_mut().insert(RequestId(request_id));
    let timer = calls.begin(request.uri().path());
    let response = next.run(request).instrument(span.clone()).await;
    // Streams carry their status in the trailers; what is known now is an error before the first message, or success.
    let code =
        response.headers().get("grpc-status").map_or(Code::Ok, |value| Code::from_bytes(value.as_bytes()));
    telemetry::record_served(&span, code);
    span.in_scope(|| timer.end(code));
    response
}

/// Handlers' panics are caught, with their context, in `rpc::call`; this is for everything else.
pub(super) fn panic_answer(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!(error.type = "panic", "the server stack panicked");
    status_answer(&Status::internal("something went wrong on our side; the failure was recorded"))
}

/// A status as an answer.
pub(super) fn status_answer(status: &Status) -> Response {
    status.clone().into_http::<Body>().into_response()
}
