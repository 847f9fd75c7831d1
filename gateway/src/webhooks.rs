//! Webhooks: what vendors post to us goes as raw bytes to the service that can verify it. 200 only after that service has
//! committed it, and a reason to come again for whatever is not understood.

mod lines;
mod queue;
mod refusals;
mod resend;
mod stripe;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::HeaderMap;
use levqor_runtime::{
    client::{Channels, Outgoing},
    clock::Clock,
    error::ErrorCode,
    metrics::Metrics,
    tasks::{Background, Tasks},
    token::ServiceTokens,
    tunnel::Tunnels,
    webhook::{SignatureError, SignatureHeaders},
};
use prost::{Message, Name};
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};
use tonic::Status;
use tonic_types::StatusExt;

use self::{lines::Lines, queue::Queue, refusals::Refusals, resend::Resend, stripe::Stripe};
use crate::{
    admission::RequestAdmission,
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
        .route("/webhooks/stripe", post(take::<Stripe>))
        // The path that the old website registered at Stripe.
        .route("/api/webhooks/stripe/checkout-completed", post(take::<Stripe>))
        .route("/webhooks/resend", post(take::<Resend>))
        .with_state(Arc::new(webhooks))
}

/// The way to the services that verify and keep what vendors post.
pub(crate) struct Webhooks {
    /// To each service that takes webhooks, by its name.
    tunnels: HashMap<&'static str, Tunnels>,
    tokens: Arc<ServiceTokens>,
    clock: Clock,
    queue: Queue,
    tasks: Tasks,
    lines: Lines,
    refusals: Refusals,
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

/// A vendor that posts webhooks.
trait Vendor: 'static {
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// The service that verifies and keeps its events.
    const SERVICE: &'static str;
    /// What that service takes.
    type Request: Message + Name + 'static;
    /// What that service answers.
    type Response: Message + Default + 'static;

    /// The headers of its signatures.
    fn signature(headers: &HeaderMap) -> SignatureHeaders<'_>;
    /// The call to the service, with the headers and the body as they came.
    fn request(headers: &HeaderMap, body: Bytes) -> Self::Request;
    /// What the vendor is told.
    fn accepted(response: Self::Response) -> Accepted;
}

/// Takes one event.
async fn take<V: Vendor>(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Problem> {
    webhooks.take::<V>(request).await
}

impl Webhooks {
    /// Over these channels, with tokens that say that the gateway is calling.
    pub(crate) fn new(
        channels: &Channels,
        background: &Background,
        tokens: Arc<ServiceTokens>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let tunnels = [(Stripe::NAME, Stripe::SERVICE), (Resend::NAME, Resend::SERVICE)];
        let refusals = Refusals::new(metrics, &tunnels.map(|(name, _)| name));
        let tunnels = tunnels
            .into_iter()
            .filter_map(|(_, service)| Some((service, Tunnels::new(channels, service, background)?)));
        let (queue, tasks, lines) = (Queue::new(), Tasks::default(), Lines::new());
        Self { tunnels: tunnels.collect(), tokens, clock, queue, tasks, lines, refusals }
    }

    /// Takes one event: reads it, and calls the service with the bytes and the headers as they came.
    async fn take<V: Vendor>(self: Arc<Self>, request: Request) -> Result<Response, Problem> {
        let deadline = Instant::now() + PATIENCE;
        let (parts, body) = request.into_parts();
        let ids = parts.extensions.get::<Ids>().cloned().unwrap_or_default();
        // What the service would refuse whatever the body says is refused here, and no room is made for the body.
        let signed = V::signature(&parts.headers).read();
        signed
            .and_then(|signed| signed.in_time(self.clock.now()))
            .map_err(|error| self.refusals.refuse(V::NAME, error, &self.lines))?;
        let admission = RequestAdmission::of(&parts.extensions)?;
        let caller = admission.caller();
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
        let body = body::read(body, &parts.headers, admission, deadline).await?;
        let turn = match early {
            Some(turn) => turn,
            None => turn().await?,
        };
        let permit = admission.permit()?;
        let message = V::request(&parts.headers, body.bytes.clone());
        fail_point::WEBHOOK_RECEIVED.reached();
        let webhooks = Arc::clone(&self);
        // The service works on the event though its sender hang up: the turn lasts as long, and the event is judged.
        let work = async move {
            let kept = webhooks.keep::<V>(&message, &ids, deadline).await;
            let kept = kept.map_err(|status| webhooks.refusal(V::NAME, &status));
            match &kept {
                Ok(_) => webhooks.queue.judged(caller, true),
                Err(problem) if problem.reason() == SignatureError::Mismatch.reason() => {
                    webhooks.queue.judged(caller, false);
                }
                Err(_) => {}
            }
            drop((turn, permit, body));
            kept
        };
        let kept = self.tasks.keep(work).await?;
        fail_point::WEBHOOK_STORED.reached();
        Ok(Json(V::accepted(kept)).into_response())
    }

    async fn keep<V: Vendor>(
        &self,
        message: &V::Request,
        ids: &Ids,
        deadline: Instant,
    ) -> Result<V::Response, Status> {
        let unreachable = || Status::unavailable("no address is set for the service");
        let tunnels = self.tunnels.get(V::SERVICE).ok_or_else(unreachable)?;
        let token = self.tokens.mint(crate::NAME, V::SERVICE);
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
    fn refusal(&self, provider: &'static str, status: &Status) -> Problem {
        let problem = Problem::from_status(status);
        let told = status.get_error_details().error_info().is_some();
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
fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
