//! Webhooks: what vendors post to us goes as raw bytes to the service that can verify it. 200 only after that service has
//! committed it, and a reason to come again for whatever is not understood.

mod lines;
mod queue;
mod resend;
mod signature;
mod stripe;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use levqor_runtime::{
    chassis::Tasks,
    client::{Channels, Outgoing},
    clock::Clock,
    error::ErrorCode,
    metrics::Metrics,
    token::ServiceTokens,
    webhook::SignatureError,
};
use prost::{Message, Name};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tonic::Status;
use tonic_types::StatusExt;

use self::{lines::Lines, queue::Queue, signature::Refusals};
use crate::{
    admission::Entrance,
    body, fail_point,
    problem::{Ids, Problem},
};

/// How long vendors wait: Stripe does not say, Resend 15 seconds; well under what it is said to be.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an address that posts only forged webhooks waits for the refusal of those that are too many.
const SUSPECT_DELAY: Duration = Duration::from_secs(5);
/// How many such refusals wait at once.
static DELAYED: Semaphore = Semaphore::const_new(1024);

/// The routes.
pub(crate) fn routes(webhooks: Webhooks) -> Router {
    Router::new()
        .route("/webhooks/stripe", post(stripe::ingest))
        // The path that the old website registered at Stripe.
        .route("/api/webhooks/stripe/checkout-completed", post(stripe::ingest))
        .route("/webhooks/resend", post(resend::ingest))
        .with_state(Arc::new(webhooks))
}

/// The way to the services that verify and keep what vendors post.
pub(crate) struct Webhooks {
    channels: Channels,
    tokens: Arc<ServiceTokens>,
    clock: Clock,
    queue: Queue,
    tasks: Tasks,
    lines: Lines,
    stripe: Refusals,
    resend: Refusals,
}

/// What a vendor is told of an event that is kept.
#[derive(Serialize)]
struct Accepted {
    ok: bool,
    event_id: String,
    duplicate: bool,
    state: &'static str,
}

impl Accepted {
    fn new(event_id: String, duplicate: bool, state: &'static str) -> Self {
        let state = state.strip_prefix("STATE_").unwrap_or(state);
        Self { ok: true, event_id, duplicate, state }
    }
}

/// Who posts, and who takes it.
struct Vendor {
    /// Its name in logs and metrics.
    name: &'static str,
    /// The service that verifies and keeps its events.
    service: &'static str,
    /// Whether the headers of its signature are there, and in time.
    signed: fn(&HeaderMap, DateTime<Utc>) -> Result<(), SignatureError>,
    /// The refusal counters of this vendor.
    refusals: fn(&Webhooks) -> &Refusals,
}

impl Webhooks {
    /// Over these channels, with tokens that say that the gateway is calling.
    pub(crate) fn new(
        channels: Channels,
        tokens: Arc<ServiceTokens>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let [stripe, resend] =
            [&stripe::STRIPE, &resend::RESEND].map(|vendor| Refusals::new(metrics, vendor.name));
        let (queue, tasks, lines) = (Queue::new(), Tasks::default(), Lines::new());
        Self { channels, tokens, clock, queue, tasks, lines, stripe, resend }
    }

    /// Takes one event: reads it, and calls the service with the bytes and the headers as they came.
    async fn take<Req, Res>(
        self: Arc<Self>,
        vendor: &'static Vendor,
        request: Request,
        message: impl FnOnce(Bytes, &HeaderMap) -> Req,
        accepted: impl FnOnce(Res) -> Accepted,
    ) -> Result<Response, Problem>
    where
        Req: Message + Name + 'static,
        Res: Message + Default + 'static,
    {
        let deadline = Instant::now() + PATIENCE;
        let (parts, body) = request.into_parts();
        let ids = parts.extensions.get::<Ids>().cloned().unwrap_or_default();
        (vendor.signed)(&parts.headers, self.clock.now())
            .map_err(|error| (vendor.refusals)(&self).refuse(error, &self.lines))?;
        let entrance = Entrance::of(&parts.extensions)?;
        let caller = entrance.caller();
        let turn = async || self.queue.turn(caller, deadline).await;
        let early = if self.queue.is_suspect(caller) {
            match turn().await {
                Ok(turn) => Some(turn),
                Err(refused) => {
                    // Answered at once, it would only post the next one. The body goes first: nothing is kept for it meanwhile.
                    drop(body);
                    // Only so many wait: over HTTP/2 one address could have tens of thousands of heads kept.
                    if let Ok(_permit) = DELAYED.try_acquire() {
                        sleep(SUSPECT_DELAY).await;
                    }
                    return Err(refused);
                }
            }
        } else {
            None
        };
        let body = body::read(body, &parts.headers, entrance, deadline).await?;
        let turn = match early {
            Some(turn) => turn,
            None => turn().await?,
        };
        let place = entrance.enter()?;
        let message = message(body.bytes.clone(), &parts.headers);
        fail_point::WEBHOOK_RECEIVED.reached();
        let webhooks = Arc::clone(&self);
        // The service works on the event though its sender hang up: the turn lasts as long, and the event is judged.
        let work = async move {
            let kept = webhooks.keep(vendor, &message, &ids, deadline).await;
            let kept = kept.map_err(|status| webhooks.refusal(vendor, &status));
            match &kept {
                Ok(_) => webhooks.queue.judged(caller, true),
                Err(problem) if problem.reason() == SignatureError::Mismatch.reason() => {
                    webhooks.queue.judged(caller, false);
                }
                Err(_) => {}
            }
            drop((turn, place, body));
            kept
        };
        let kept = self.tasks.keep(work).await?;
        fail_point::WEBHOOK_STORED.reached();
        Ok(Json(accepted(kept)).into_response())
    }

    async fn keep<Req, Res>(
        &self,
        vendor: &Vendor,
        message: &Req,
        ids: &Ids,
        deadline: Instant,
    ) -> Result<Res, Status>
    where
        Req: Message + Name,
        Res: Message + Default,
    {
        let unreachable = || Status::unavailable("no address is set for the service");
        let tunnels = self.channels.tunnels(vendor.service).ok_or_else(unreachable)?;
        let token = self.tokens.mint(crate::NAME, vendor.service);
        let token = token.map_err(|error| Status::from_error(Box::new(error)))?;
        let outgoing = Outgoing {
            bearer: Some(&token),
            request_id: &ids.request_id,
            idempotency_key: None,
            timeout: deadline.saturating_duration_since(Instant::now()),
        };
        tunnels.call(&outgoing, message).await
    }

    /// What a vendor is told. Only the service's own word that the event itself is bad ends the vendor's tries with a 400; where
    /// the service says that it takes none, there is no such door, and that is no failure of ours; for everything else, our own
    /// mistakes included, the event must come again.
    fn refusal(&self, vendor: &Vendor, status: &Status) -> Problem {
        let problem = Problem::from_status(status);
        let told = status.get_error_details().error_info().is_some();
        let provider = vendor.name;
        if told && problem.code() == ErrorCode::NotFound && problem.reason() == "WEBHOOKS_OFF" {
            self.lines.refused(provider, problem.reason());
            return problem;
        }
        let bad_event = match problem.code() {
            ErrorCode::InvalidArgument => told,
            ErrorCode::Unauthenticated => told && problem.reason().contains("SIGNATURE"),
            _ => false,
        };
        if bad_event {
            self.lines.refused(provider, problem.reason());
            return problem.with_code(ErrorCode::InvalidArgument);
        }
        self.lines.not_taken(provider, problem.reason(), status);
        Problem::unavailable("NOT_TAKEN", "the event could not be stored; send it again")
    }
}

/// A header as text; empty where there is none, or none that is text.
fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
