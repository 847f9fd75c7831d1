//! Gets the ids of the recorded erasures, for the other services. A service that keeps no ledger returns none.

use levqor_proto_runtime::v1::{GetRecordedErasureIdsRequest, GetRecordedErasureIdsResponse};
use uuid::Uuid;

use super::{Error, Hosted};
use crate::{context::Ctx, service::Service};

/// The most ids of one answer.
const MOST: usize = 10_000;

pub(super) async fn get_recorded_erasure_ids<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    request: GetRecordedErasureIdsRequest,
) -> Result<GetRecordedErasureIdsResponse, Error> {
    let Some(ledger) = hosted.service.ledger() else { return Ok(GetRecordedErasureIdsResponse::default()) };
    let after = Uuid::parse_str(&request.after_erasure_id).unwrap_or_default();
    let ids = ledger.ids().await?;
    let later = ids.into_iter().filter(|id| *id > after).take(MOST);
    Ok(GetRecordedErasureIdsResponse { erasure_ids: later.map(|id| id.hyphenated().to_string()).collect() })
}
