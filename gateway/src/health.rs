//! How the mesh is, measured and never remembered for long: liveness, readiness, and the public status.

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

/// Answers how the mesh is.
pub(crate) struct Health {
    /// Asks the services.
    pub meter: Meter,
    /// Whether this process is on its way out.
    pub readiness: Readiness,
    /// Recognises staff, who see more.
    pub auth: Arc<Auth>,
    /// Counts who asks for the public status.
    pub rates: Arc<Rates>,
    /// What the gateway itself can do.
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

/// The process answers, which is all that liveness means: what it depends on must not get it killed.
async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

#[derive(Serialize)]
struct Live {
    status: &'static str,
}

/// Whether requests should be sent here: we are not on our way out, and at least one service answered that it is ready.
/// Which ones are not is in the body.
async fn ready(State(health): State<Arc<Health>>) -> Response {
    let peers = health.meter.measure().await;
    let report = Report::new(&health, &peers, Audience::Public);
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report.of_readiness())).into_response()
}

/// What works and what does not, for everybody; why, for staff.
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
