//! Stripe's events, which billing verifies and keeps.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use levqor_proto::billing::v1::{IngestStripeEventRequest, billing_service_client::BillingServiceClient};

use super::{Accepted, Vendor, Webhooks, header};
use crate::problem::Problem;

const STRIPE: Vendor = Vendor { name: "stripe", service: "billing" };

/// Takes one event.
pub(super) async fn ingest(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Problem> {
    let message = |body, headers: &http::HeaderMap| IngestStripeEventRequest {
        body,
        signature: header(headers, "stripe-signature"),
    };
    let keep = async |peer, request| {
        let kept = BillingServiceClient::new(peer).ingest_stripe_event(request).await?.into_inner();
        let state = kept.state().as_str_name();
        Ok(Accepted::new(kept.event_id, kept.duplicate, state))
    };
    webhooks.take(&STRIPE, request, message, keep).await
}
