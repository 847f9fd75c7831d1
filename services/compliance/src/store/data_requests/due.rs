//! The due work: erasures, the end of requests without a code, and warnings to operators about the time to answer. The
//! functions need no `Scope`: no customer's call reaches them.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::data_request::DataRequestId;

/// The erasures that are due.
pub(crate) async fn to_erase(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<DataRequestId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT data_request_id FROM data_requests
         WHERE state IN ('SCHEDULED', 'WAITING', 'IN_PROGRESS') AND erase_time <= $1
         ORDER BY erase_time
         LIMIT $2",
        now,
        most,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Has the erasures that wait for this obstacle look at their obstacles again now. Returns them.
pub(crate) async fn wake(
    conn: &mut PgConnection,
    obstacle: &str,
    now: DateTime<Utc>,
) -> Result<Vec<DataRequestId>, DbError> {
    let ids = sqlx::query_scalar!(
        "UPDATE data_requests SET erase_time = $2
         WHERE state IN ('SCHEDULED', 'WAITING', 'IN_PROGRESS') AND erase_time > $2 AND $1 = ANY(obstacles)
         RETURNING data_request_id",
        obstacle,
        now,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}

/// Ends the requests whose code did not come. Returns how many.
pub(crate) async fn expire(
    conn: &mut PgConnection,
    created_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<i64, DbError> {
    let expired = sqlx::query!(
        "UPDATE data_requests SET state = 'EXPIRED', finish_time = $2
         WHERE state = 'AWAITING_CODE' AND create_time < $1",
        created_before,
        now,
    )
    .execute(conn)
    .await?;
    Ok(i64::try_from(expired.rows_affected()).unwrap_or(i64::MAX))
}

/// Resets the notices to operators about the shares of a request's time, which was extended.
pub(crate) async fn forget_alerts(conn: &mut PgConnection, id: DataRequestId) -> Result<(), DbError> {
    sqlx::query!("UPDATE data_requests SET alerts = 0 WHERE data_request_id = $1", id.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

/// A request whose time operators get notices of.
pub(crate) struct Alert {
    pub(crate) id: DataRequestId,
    /// How many shares of the time are over: 50, 80 and 95 %.
    pub(crate) alerts: i32,
    pub(crate) due_time: Option<DateTime<Utc>>,
}

/// Notes which shares of their time are over for the requests that are open. Returns those for which a share ended.
pub(crate) async fn alert(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Alert>, DbError> {
    Ok(sqlx::query_as!(
        Alert,
        "UPDATE data_requests AS request
         SET alerts = over.alerts
         FROM (
             SELECT data_request_id, (share >= 0.5)::integer + (share >= 0.8)::integer + (share >= 0.95)::integer AS alerts
             FROM (
                 SELECT data_request_id, extract(epoch FROM $1 - create_time) / extract(epoch FROM due_time - create_time) AS share
                 FROM data_requests
                 WHERE finish_time IS NULL AND due_time IS NOT NULL AND alerts < 3
                 ORDER BY due_time
                 LIMIT 1000
             ) AS open
         ) AS over
         WHERE over.data_request_id = request.data_request_id AND over.alerts > request.alerts
         RETURNING request.data_request_id AS id, request.alerts, request.due_time",
        now,
    )
    .fetch_all(conn)
    .await?)
}
