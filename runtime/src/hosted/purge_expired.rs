//! Removes what the chassis no longer needs; deferred to oneself by a schedule.

use std::sync::Arc;

use levqor_proto::runtime::v1::{PurgeExpiredRequest, PurgeExpiredResponse};

use super::{Error, Hosted};
use crate::{context::Ctx, idempotency, rpc::State, schedule, service::Service};

pub(super) async fn purge_expired<S: Service>(
    hosted: Arc<Hosted<S>>,
    _: Ctx,
    _: PurgeExpiredRequest,
) -> Result<PurgeExpiredResponse, Error> {
    let mut tx = hosted.chassis().db.begin().await?;
    let idempotency_records = idempotency::purge(&mut tx).await?;
    let schedule_slots = schedule::purge(&mut tx).await?;
    tx.commit().await?;
    Ok(PurgeExpiredResponse {
        idempotency_records: i64::try_from(idempotency_records).unwrap_or(i64::MAX),
        schedule_slots: i64::try_from(schedule_slots).unwrap_or(i64::MAX),
    })
}
