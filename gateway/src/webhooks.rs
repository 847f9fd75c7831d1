//! Webhooks: the gateway passes the raw bytes of a vendor's event to the service that can verify it. It answers 200 only after
//! the commit of that service. If the event could not be stored, the vendor is asked to send it again.

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
    error::{ErrorCode, ServiceError},
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

use self::{lines::Lines, queue::Queue, refusals::RefusedWebhooks, resend::Resend, stripe::Stripe};
use crate::{
    admission::RequestAdmission,
    body, fail_point,
    problem::{Ids, Problem},
};

/// How long an event may take. It is less than the vendors wait: Resend waits 15 seconds, Stripe does not say how long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The delay of a refusal for an address that posts only forged webhooks, if it has too many of them.
const SUSPECT_DELAY: Duration = Duration::from_secs(5);
/// How many refusals may be delayed at the same time.
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

/// Passes the events of vendors to the services that verify and store them.
pub(crate) struct Webhooks {
    /// The tunnels to each service that accepts webhooks, by its name.
    tunnels: HashMap<&'static str, Tunnels>,
    tokens: Arc<ServiceTokens>,
    clock: Clock,
    queue: Queue,
    tasks: Tasks,
    lines: Lines,
    refusals: RefusedWebhooks,
}

/// The response for an event that is stored.
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
    /// The service that verifies and stores its events.
    const SERVICE: &'static str;
    /// The request of that service's RPC.
    type Request: Message + Name + 'static;
    /// The response of that service's RPC.
    type Response: Message + Default + 'static;

    /// The headers of its signatures.
    fn signature(headers: &HeaderMap) -> SignatureHeaders<'_>;
    /// Makes the request for the service, with the unchanged headers and body.
    fn request(headers: &HeaderMap, body: Bytes) -> Self::Request;
    /// Makes the response for the vendor.
    fn accepted(response: Self::Response) -> Accepted;
}

/// Answers one event.
async fn take<V: Vendor>(
    State(webhooks): State<Arc<Webhooks>>,
    request: Request,
) -> Result<Response, Problem> {
    webhooks.take::<V>(request).await
}

impl Webhooks {
    /// Calls the services over these channels, with the service tokens of the gateway.
    pub(crate) fn new(
        channels: &Channels,
        background: &Background,
        tokens: Arc<ServiceTokens>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let tunnels = [(Stripe::NAME, Stripe::SERVICE), (Resend::NAME, Resend::SERVICE)];
        let refusals = RefusedWebhooks::new(metrics, &tunnels.map(|(name, _)| name));
        let tunnels = tunnels
            .into_iter()
            .filter_map(|(_, service)| Some((service, Tunnels::new(channels, service, background)?)));
        let (queue, tasks, lines) = (Queue::new(), Tasks::default(), Lines::new());
        Self { tunnels: tunnels.collect(), tokens, clock, queue, tasks, lines, refusals }
    }

    /// Answers one event: reads it, and calls the service with the unchanged bytes and headers.
    async fn take<V: Vendor>(self: Arc<Self>, request: Request) -> Result<Response, Problem> {
        let deadline = Instant::now() + TIMEOUT;
        let (parts, body) = request.into_parts();
        let ids = parts.extensions.get::<Ids>().cloned().unwrap_or_default();
        // Invalid signature headers are refused here, before the body takes any memory.
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
                    // The delay slows the address down. The body is dropped first, so that it takes no memory meanwhile.
                    drop(body);
                    // The number of delayed refusals is limited: over HTTP/2, one address could make the gateway hold thousands
                    // of requests.
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
        // The service continues with the event if its sender disconnects. So the turn is held until the result is known.
        let work = async move {
            let stored = webhooks.forward::<V>(&message, &ids, deadline).await;
            let stored = stored.map_err(|status| webhooks.refusal(V::NAME, &status));
            match &stored {
                Ok(_) => webhooks.queue.judged(caller, true),
                Err(problem) if problem.reason() == SignatureError::Mismatch.reason() => {
                    webhooks.queue.judged(caller, false);
                }
                Err(_) => {}
            }
            drop((turn, permit, body));
            stored
        };
        let stored = self.tasks.keep(work).await?;
        fail_point::WEBHOOK_STORED.reached();
        Ok(Json(V::accepted(stored)).into_response())
    }

    /// Sends an event to the service that stores it, and waits for the answer.
    async fn forward<V: Vendor>(
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

    /// The problem for a vendor. It is a 400 only if the service says that the event itself is bad, and a 404 if the service says
    /// that this vendor's webhooks are off. A status comes from the service only if it has error details. After any other
    /// failure, also a mistake of ours, the vendor must send the event again.
    fn refusal(&self, provider: &'static str, status: &Status) -> Problem {
        let problem = Problem::from_status(status);
        let from_service = status.get_error_details().error_info().is_some();
        if from_service && problem.code() == ErrorCode::NotFound && problem.reason() == "WEBHOOKS_OFF" {
            self.lines.refused(provider, problem.reason());
            return problem;
        }
        let bad_event = match problem.code() {
            ErrorCode::InvalidArgument => from_service,
            ErrorCode::Unauthenticated => from_service && problem.reason().contains("SIGNATURE"),
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

/// A header as text. It is empty if the header is absent or not text.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
