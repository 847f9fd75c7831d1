//! Gets the holds that have ended here but are in force in another service, which may have been restored from a backup.

use levqor_proto_runtime::v1::{EndedHold, GetEndedHoldsRequest, GetEndedHoldsResponse};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{clock::timestamp, context::Ctx, error::Violations, rpc::State, service::Service};

/// The most holds of one request.
const MOST: usize = 100;

pub(super) async fn get_ended_holds<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetEndedHoldsRequest,
) -> Result<GetEndedHoldsResponse, Error> {
    let mut violations = Violations::new();
    let ids: Option<Vec<_>> = request.hold_ids.iter().map(|id| Uuid::parse_str(id).ok()).collect();
    let ids = ids.filter(|ids| ids.len() <= MOST);
    if ids.is_none() {
        violations.add("hold_ids", format!("expected at most {MOST} ids of holds (UUIDs)"));
    }
    let ids = violations.finish(ids)?;
    let mut conn = hosted.chassis().db.acquire().await?;
    let ended = hosted.service.ended_holds(&mut conn, &ids).await?.into_iter();
    let holds = ended.map(|it| EndedHold {
        hold_id: it.id.hyphenated().to_string(),
        kind: it.kind.into(),
        change_time: Some(timestamp(it.change_time)),
    });
    Ok(GetEndedHoldsResponse { holds: holds.collect() })
}
