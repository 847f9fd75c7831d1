//! Resend's events, which notifications verifies and keeps.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use levqor_proto::notifications::v1::{IngestResendEventRequest, IngestResendEventResponse};

use super::{Accepted, Vendor, Webhooks, header, signature};
use crate::problem::Problem;

pub(super) const RESEND: Vendor = Vendor {
    name: "resend",
    service: "notifications",
    signed: signature::svix,
    refusals: |webhooks| &webhooks.resend,
};

/// Takes one event.
pub(super) async fn ingest(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Problem> {
    let message = |body, headers: &http::HeaderMap| IngestResendEventRequest {
        body,
        svix_id: header(headers, "svix-id"),
        svix_timestamp: header(headers, "svix-timestamp"),
        svix_signature: header(headers, "svix-signature"),
    };
    let accepted = |kept: IngestResendEventResponse| {
        let state = kept.state().as_str_name();
        Accepted::new(kept.event_id, kept.duplicate, state)
    };
    webhooks.take(&RESEND, request, message, accepted).await
}
