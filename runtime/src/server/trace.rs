//! The span of a call, and the answer to a panic.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use http::HeaderMap;
use tonic::{Code, Status};
use tracing::{Instrument, Span};

use crate::{
    id,
    metrics::calls::{Calls, Timer},
    telemetry,
};

/// A running call, for traces and metrics.
pub(super) struct Traced {
    span: Span,
    timer: Timer,
    /// The request id, given by the caller or by us.
    pub(super) request_id: String,
}

impl Traced {
    /// Starts the span and the timer of a call.
    pub(super) fn begin(service: &str, calls: &Calls, path: &str, headers: &HeaderMap) -> Self {
        let request_id = id::request_id_of(headers);
        let span = telemetry::rpc_server_span(service, path, headers, &request_id);
        Self { span, timer: calls.begin(path), request_id }
    }

    /// Runs all work of the call in its span. A panic in it becomes an answer. Outside of it only the span itself could panic.
    pub(super) async fn watch<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let answer = answer.map(|answer| answer.unwrap_or_else(|_| Err(panicked())));
        answer.instrument(self.span.clone()).await
    }

    /// Records the outcome of the call.
    pub(super) fn end(self, code: Code) {
        telemetry::record_served(&self.span, code);
        self.span.in_scope(|| self.timer.end(code));
    }
}

/// `rpc::call` catches handlers' panics, with their context. This catches all other panics.
fn panicked() -> Status {
    tracing::error!(error.type = "panic", "the server stack panicked");
    Status::internal("something went wrong on our side; the failure was recorded")
}
