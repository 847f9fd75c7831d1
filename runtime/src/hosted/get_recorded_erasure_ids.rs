//! Gets the ids of the recorded erasures, for the other services. It leaves out running erasures: the services get a call for each of
//! them, unless a legal hold stops it.

use levqor_proto_runtime::v1::{GetRecordedErasureIdsRequest, GetRecordedErasureIdsResponse};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{context::Ctx, recorded, service::Service};

/// The most ids of one answer.
const MAX: usize = 10_000;

pub(super) async fn get_recorded_erasure_ids<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetRecordedErasureIdsRequest,
) -> Result<GetRecordedErasureIdsResponse, Error> {
    let after = Uuid::parse_str(&request.after_erasure_id).unwrap_or_default();
    let (ids, erasures) = recorded::own_ids(&*hosted.service).await?;
    let later = ids.into_iter().filter(|id| *id > after && !erasures.running.contains(id)).take(MAX);
    Ok(GetRecordedErasureIdsResponse { erasure_ids: later.map(|id| id.hyphenated().to_string()).collect() })
}
