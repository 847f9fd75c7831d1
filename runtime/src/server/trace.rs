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

/// A call that is under way, as traces and metrics see it.
pub(super) struct Traced {
    span: Span,
    timer: Timer,
    /// The name of this request, given by the caller or by us.
    pub(super) request_id: String,
}

impl Traced {
    /// From now on.
    pub(super) fn begin(service: &str, calls: &Calls, path: &str, headers: &HeaderMap) -> Self {
        let request_id = id::request_id_of(headers);
        let span = telemetry::rpc_server_span(service, path, headers, &request_id);
        Self { span, timer: calls.begin(path), request_id }
    }

    /// Has everything that belongs to the call happen in its span; a panic within becomes an answer. Outside of it nothing of
    /// ours can panic but the span.
    pub(super) async fn watch<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let answer = AssertUnwindSafe(answer).catch_unwind();
        let answer = answer.map(|answer| answer.unwrap_or_else(|_| Err(panicked())));
        answer.instrument(self.span.clone()).await
    }

    /// It was answered.
    pub(super) fn end(self, code: Code) {
        telemetry::record_served(&self.span, code);
        self.span.in_scope(|| self.timer.end(code));
    }
}

/// Handlers' panics are caught, with their context, in `rpc::call`; this is for everything else.
fn panicked() -> Status {
    tracing::error!(error.type = "panic", "the server stack panicked");
    Status::internal("something went wrong on our side; the failure was recorded")
}
