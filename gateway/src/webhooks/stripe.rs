//! Stripe's events: 200 only after billing has committed one, and a reason to come again for whatever is not understood.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use levqor_proto::billing::v1::{
    IngestStripeEventRequest, IngestStripeEventResponse, billing_service_client::BillingServiceClient,
};
use levqor_runtime::{
    client::{Channels, Outgoing},
    error::ErrorCode,
    fail_point::FailPoint,
    token::ServiceTokens,
};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic_types::StatusExt;

use crate::{
    body,
    problem::{Ids, Problem},
};

/// How long Stripe waits is not documented; well under what it is said to be.
const PATIENCE: Duration = Duration::from_secs(10);
/// The service that verifies and keeps the events.
const BILLING: &str = "billing";

/// The way to billing.
pub(crate) struct Stripe {
    /// Channels to the services.
    pub channels: Channels,
    /// Tokens that say that the gateway is calling.
    pub tokens: Arc<ServiceTokens>,
}

#[derive(Serialize)]
struct Accepted {
    ok: bool,
    event_id: String,
    duplicate: bool,
    state: &'static str,
}

/// Takes one event.
pub(super) async fn ingest(State(stripe): State<Arc<Stripe>>, request: Request) -> Result<Response, Problem> {
    let deadline = Instant::now() + PATIENCE;
    let (parts, body) = request.into_parts();
    let ids = parts.extensions.get::<Ids>().cloned().unwrap_or_default();
    let body = body::read(body, &parts.headers, deadline).await?;
    let signature = parts.headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let message = IngestStripeEventRequest { body, signature: signature.unwrap_or_default().to_owned() };
    FailPoint::WebhookReceived.reached();
    match timeout_at(deadline, Box::pin(stripe.pass_on(message, &ids, deadline))).await {
        Ok(Ok(accepted)) => {
            FailPoint::WebhookStored.reached();
            Ok(Json(Accepted::from(accepted)).into_response())
        }
        Ok(Err(status)) => Err(refusal(&status)),
        Err(_) => Err(refusal(&Status::deadline_exceeded(""))),
    }
}

impl Stripe {
    async fn pass_on(
        &self,
        message: IngestStripeEventRequest,
        ids: &Ids,
        deadline: Instant,
    ) -> Result<IngestStripeEventResponse, Status> {
        let unreachable = || Status::unavailable("no address is set for billing");
        let channel = self.channels.get(BILLING).ok_or_else(unreachable)?;
        let token =
            self.tokens.mint(crate::NAME, BILLING).map_err(|error| Status::from_error(Box::new(error)))?;
        let outgoing = Outgoing {
            bearer: Some(&token),
            request_id: &ids.request_id,
            idempotency_key: None,
            timeout: deadline.saturating_duration_since(Instant::now()),
        };
        let answer =
            BillingServiceClient::new(channel).ingest_stripe_event(outgoing.request(message)).await?;
        Ok(answer.into_inner())
    }
}

impl From<IngestStripeEventResponse> for Accepted {
    fn from(response: IngestStripeEventResponse) -> Self {
        let state = response.state().as_str_name();
        let state = state.strip_prefix("STATE_").unwrap_or(state);
        Self { ok: true, event_id: response.event_id, duplicate: response.duplicate, state }
    }
}

/// What Stripe is told. Only billing's own word that the event itself is bad ends Stripe's tries with a 400; for
/// everything else, our own mistakes included, the event must come again.
fn refusal(status: &Status) -> Problem {
    let problem = Problem::from_status(status);
    let told = status.get_error_details().error_info().is_some();
    let bad_event = match problem.code() {
        ErrorCode::InvalidArgument => told,
        ErrorCode::Unauthenticated => told && problem.reason().contains("SIGNATURE"),
        _ => false,
    };
    if bad_event {
        tracing::info!(reason = problem.reason(), "billing refused a Stripe event");
        return problem.with_code(ErrorCode::InvalidArgument);
    }
    tracing::warn!(
        reason = problem.reason(),
        grpc.code = ?status.code(),
        error = std::error::Error::source(status),
        "a Stripe event was not taken; Stripe will send it again"
    );
    Problem::unavailable("NOT_TAKEN", "the event could not be stored; send it again")
}
