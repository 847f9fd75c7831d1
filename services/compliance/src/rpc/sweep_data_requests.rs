//! Sweeps data requests, for a schedule: runs the erasures that are due, expires requests that waited too long for their code,
//! removes old copies, and ends the restrictions whose announced end has come. It warns operators about the time limits of
//! requests, breaches and complaints. It does not use `mutate`, because each of these steps is an independent change, and a
//! second sweep repeats none of them.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_compliance::v1::{
    RunErasureRequest, SpreadHoldRequest, SweepDataRequestsRequest, SweepDataRequestsResponse,
};
use levqor_runtime::{context::Ctx, db::Tx, deferred::defer};

use crate::{
    Compliance,
    error::Error,
    holding, operators,
    store::{breaches, data_requests, placed_holds, privacy_complaints},
};

/// The most erasures that one sweep runs, and the most holds that it ends.
const MAX: i64 = 100;
/// How long a request waits for its code. The code itself is valid for a shorter time.
const WAITS: TimeDelta = TimeDelta::days(1);

pub(super) async fn sweep_data_requests(
    compliance: &Compliance,
    _: Ctx,
    _: SweepDataRequestsRequest,
) -> Result<SweepDataRequestsResponse, Error> {
    let mut tx = compliance.chassis.db.begin().await?;
    let now = tx.now().await?;
    let expired = data_requests::expire(&mut tx, now - WAITS, now).await?;
    let due = data_requests::to_erase(&mut tx, now, MAX).await?;
    for alert in data_requests::alert(&mut tx, now).await? {
        operators::due(&mut tx, &alert, now).await?;
    }
    for alert in breaches::alert(&mut tx, now).await? {
        operators::breach_due(&mut tx, &alert, now).await?;
    }
    for alert in privacy_complaints::alert(&mut tx, now).await? {
        operators::complaint_due(&mut tx, &alert, now).await?;
    }
    let hour = now.timestamp() / 3_600;
    for id in &due {
        // If that call is dead, the key of another hour makes a new call.
        let run = RunErasureRequest { data_request_id: id.to_string() };
        defer(&mut tx, &run, format!("erasure:{id}:{hour}")).await?;
    }
    let restrictions = sweep_holds(&mut tx, now).await?;
    tx.commit().await?;
    let exports = compliance.sweep_exports().await?;
    let erasures = i64::try_from(due.len()).unwrap_or(MAX);
    Ok(SweepDataRequestsResponse { erasures, expired, exports, restrictions })
}

/// Ends the restrictions whose time has come. Sends changes of holds to services again if they should have known them for an hour. Returns
/// how many restrictions ended.
async fn sweep_holds(tx: &mut Tx, now: DateTime<Utc>) -> Result<i64, Error> {
    let mut lifted = 0;
    for mut hold in placed_holds::to_lift(tx, now, MAX).await? {
        holding::release(tx, &mut hold, now).await?;
        lifted += 1;
    }
    let hour = now.timestamp() / 3_600;
    for id in placed_holds::untold(tx, now - TimeDelta::hours(1), MAX).await? {
        // The first call may be dead by now.
        let spread = SpreadHoldRequest { hold_id: id.to_string() };
        defer(tx, &spread, format!("hold:{id}:again:{hour}")).await?;
    }
    Ok(lifted)
}
