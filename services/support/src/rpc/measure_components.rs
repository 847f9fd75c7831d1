//! Measures the components, and counts the results. It has no idempotency key: a second measurement of the same minute changes
//! nothing. Minutes of announced maintenance are counted apart.

use std::time::Duration;

use futures_util::future::join_all;
use levqor_proto_support::v1::{MeasureComponentsRequest, MeasureComponentsResponse};
use levqor_runtime::context::Ctx;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    Support,
    domain::incident::Component,
    error::Error,
    store::{component_days, incidents},
};

/// How long a component may take to say that it works.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn measure_components(
    support: &Support,
    _: Ctx,
    _: MeasureComponentsRequest,
) -> Result<MeasureComponentsResponse, Error> {
    let asked = Component::ALL.map(|component| async move { (component, is_up(support, component).await) });
    let measured = join_all(asked).await;
    let mut tx = support.chassis.db.begin_work().await?;
    let now = tx.now().await?;
    let maintained = incidents::under_maintenance(&mut tx, now).await?;
    let mut response = MeasureComponentsResponse::default();
    for (component, up) in measured {
        let is_maintenance = maintained.iter().any(|name| name == component.as_str());
        component_days::count(&mut tx, component, up, is_maintenance, now).await?;
        response.up += i32::from(up);
        response.down += i32::from(!up);
    }
    tx.commit().await?;
    Ok(response)
}

/// Whether the service of a component says that it serves (the gRPC health protocol).
async fn is_up(support: &Support, component: Component) -> bool {
    let Some(channel) = support.chassis.channels.get(component.service()) else { return false };
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest { service: String::new() };
    let answer = tokio::time::timeout(TIMEOUT, client.check(request)).await;
    let answer = answer.ok().and_then(Result::ok);
    answer.is_some_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
}
