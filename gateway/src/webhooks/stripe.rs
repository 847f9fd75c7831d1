//! Stripe's events, which billing verifies and keeps.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use levqor_proto::billing::v1::{IngestStripeEventRequest, IngestStripeEventResponse};

use super::{Accepted, Vendor, Webhooks, header, signature};
use crate::problem::Problem;

pub(super) const STRIPE: Vendor = Vendor {
    name: "stripe",
    service: "billing",
    signed: signature::stripe,
    refusals: |webhooks| &webhooks.stripe,
};

/// Takes one event.
pub(super) async fn ingest(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Problem> {
    let message = |body, headers: &http::HeaderMap| IngestStripeEventRequest {
        body,
        signature: header(headers, "stripe-signature"),
    };
    let accepted = |kept: IngestStripeEventResponse| {
        let state = kept.state().as_str_name();
        Accepted::new(kept.event_id, kept.duplicate, state)
    };
    webhooks.take(&STRIPE, request, message, accepted).await
}
