//! Gets the ids of the holds that are in force in this service. Compliance calls it every day.

use levqor_proto_runtime::v1::{GetStandingHoldIdsRequest, GetStandingHoldIdsResponse};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{context::Ctx, privacy, rpc::State, service::Service};

/// The most ids of one answer.
const MAX: i64 = 10_000;

pub(super) async fn get_standing_hold_ids<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetStandingHoldIdsRequest,
) -> Result<GetStandingHoldIdsResponse, Error> {
    let after = Uuid::parse_str(&request.after_hold_id).unwrap_or_default();
    let mut conn = hosted.chassis().db.acquire().await?;
    let ids = privacy::standing_ids(&mut conn, after, MAX).await?;
    Ok(GetStandingHoldIdsResponse { hold_ids: ids.iter().map(|id| id.hyphenated().to_string()).collect() })
}
