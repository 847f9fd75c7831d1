//! Gets the public facts: incidents that staff published, and the uptime of each component.

use levqor_proto_support::v1::{GetPublicStatusRequest, GetPublicStatusResponse};
use levqor_runtime::{context::Ctx, db};

use crate::{
    Support,
    error::Error,
    store::{component_days, incidents},
};

pub(super) async fn get_public_status(
    support: &Support,
    _: Ctx,
    _: GetPublicStatusRequest,
) -> Result<GetPublicStatusResponse, Error> {
    let mut conn = support.chassis.db.acquire().await?;
    let now = db::now(&mut conn).await?;
    let incidents = incidents::public(&mut conn, now).await?;
    let ids: Vec<_> = incidents.iter().map(|incident| incident.id).collect();
    let updates = incidents::updates(&mut conn, &ids).await?;
    let components = component_days::measured(&mut conn, now).await?;
    Ok(GetPublicStatusResponse {
        incidents: incidents.iter().filter_map(|incident| incident.to_public(&updates)).collect(),
        components: components.iter().map(|component| component.to_wire(now)).collect(),
    })
}
