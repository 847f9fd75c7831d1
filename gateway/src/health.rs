//! The state of the mesh, measured at most a few seconds ago: liveness, readiness, and the public status.

mod measure;
mod report;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use http::{StatusCode, request::Parts};
use levqor_runtime::{
    access::RateClass,
    context::{Actor, Role},
    lifecycle::Readiness,
    service::Capability,
};
use serde::Serialize;

pub(crate) use self::measure::{Meter, Peers};
use self::report::{Audience, Report};
use crate::{
    auth::Auth,
    problem::Problem,
    rates::{LimitHeaders, Rates},
};

/// Answers questions about the state of the mesh.
pub(crate) struct Health {
    /// Asks the services.
    pub meter: Meter,
    /// Whether this process drains.
    pub readiness: Readiness,
    /// Recognises staff, who see more.
    pub auth: Arc<Auth>,
    /// Counts the requests of each caller for the public status.
    pub rates: Arc<Rates>,
    /// The capabilities of the gateway itself.
    pub capabilities: Vec<Capability>,
    /// When this process began to serve.
    pub since: DateTime<Utc>,
    /// The fingerprint of its protos.
    pub protocol: String,
}

/// The routes.
pub(crate) fn routes(health: Arc<Health>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/v1/status", get(status))
        .with_state(health)
}

/// Answers if the process runs. It checks no dependency: a broken dependency must not get this process restarted.
async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

/// Whether requests should be sent here: this process does not drain, and at least one service answered that it is ready. The
/// body names the services that are not ready.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    let peers = health.meter.measure().await;
    let report = Report::new(&health, &peers, Audience::Public);
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report.of_readiness())).into_response()
}

/// Shows to everybody what works and what does not, and to staff also the reasons.
async fn status(State(health): State<Arc<Health>>, request: Request) -> Response {
    let mut limit = LimitHeaders::default();
    let (parts, _) = request.into_parts();
    let answer = report(&health, &parts, &mut limit).await;
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    limit.add_to(response.headers_mut());
    response
}

async fn report(health: &Health, parts: &Parts, limit: &mut LimitHeaders) -> Result<Response, Problem> {
    let caller = health.auth.caller(&parts.headers).await;
    let actor = caller.as_ref().map_or(&Actor::Anonymous, |caller| &caller.actor);
    let address = parts.extensions.get().copied();
    *limit = health.rates.take(RateClass::Default, actor, address).map_err(|exceeded| {
        let problem = exceeded.problem();
        *limit = exceeded.headers;
        problem
    })?;
    let audience = match caller?.actor {
        Actor::User(user) if user.role >= Role::Staff => Audience::Staff,
        Actor::Anonymous | Actor::User(_) | Actor::Service(_) => Audience::Public,
    };
    let peers = health.meter.measure().await;
    Ok(Json(Report::new(health, &peers, audience)).into_response())
}
