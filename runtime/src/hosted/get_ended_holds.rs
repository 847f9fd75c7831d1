//! Gets those of the given holds that have ended here. They are in force in the calling service: it may be restored from a backup.

use levqor_proto_runtime::v1::{EndedHold, GetEndedHoldsRequest, GetEndedHoldsResponse};

use super::{Error, Hosted, read_ids};
use crate::{clock::timestamp, context::Ctx, rpc::State, service::Service};

pub(super) async fn get_ended_holds<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetEndedHoldsRequest,
) -> Result<GetEndedHoldsResponse, Error> {
    let ids = read_ids("hold_ids", &request.hold_ids, "holds")?;
    let mut conn = hosted.chassis().db.acquire().await?;
    let ended = hosted.service.ended_holds(&mut conn, &ids).await?.into_iter();
    let holds = ended.map(|it| EndedHold {
        hold_id: it.id.hyphenated().to_string(),
        kind: it.kind.into(),
        change_time: Some(timestamp(it.change_time)),
    });
    Ok(GetEndedHoldsResponse { holds: holds.collect() })
}
