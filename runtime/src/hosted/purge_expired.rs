//! Removes expired rows of the chassis. A schedule of the service defers this call. Each batch has its own commit, so that a large number
//! of rows cannot make every call fail.

use levqor_proto_runtime::v1::{PurgeExpiredRequest, PurgeExpiredResponse};

use super::{Error, Hosted};
use crate::{code_limit, context::Ctx, deferred::store, idempotency, rpc::State, schedule, service::Service};

/// The most rows that one commit removes.
const BATCH: i64 = 1_000;

pub(super) async fn purge_expired<S: Service>(
    hosted: &Hosted<S>,
    _: Ctx,
    _: PurgeExpiredRequest,
) -> Result<PurgeExpiredResponse, Error> {
    let db = &hosted.chassis().db;
    let mut purged = PurgeExpiredResponse::default();
    loop {
        let mut conn = db.acquire().await?;
        let records = idempotency::purge(&mut conn, BATCH).await?;
        let slots = schedule::purge(&mut conn, BATCH).await?;
        let calls = store::purge_dead(&mut conn, BATCH).await?;
        let callers = code_limit::purge(&mut conn, BATCH).await?;
        for (total, count) in [
            (&mut purged.idempotency_records, records),
            (&mut purged.schedule_slots, slots),
            (&mut purged.deferred_calls, calls),
            (&mut purged.code_callers, callers),
        ] {
            *total = total.saturating_add_unsigned(count);
        }
        if calls > 0 {
            tracing::warn!(
                calls,
                "dead deferred calls were removed, because they are too old to be replayed"
            );
        }
        if records + slots + calls + callers == 0 {
            return Ok(purged);
        }
    }
}
