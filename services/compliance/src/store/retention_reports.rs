//! Table `retention_reports`. Only staff reach it, and it is about no single person, so nothing here takes a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, not_known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::retention::{RetentionReport, RetentionState};

/// Stores a report.
pub(crate) async fn insert(conn: &mut PgConnection, report: &RetentionReport) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO retention_reports (retention_report_id, service, state, outcomes, create_time) VALUES ($1, $2, $3, $4, $5)",
        report.id.as_uuid(),
        report.service,
        report.state.as_str(),
        serde_json::json!(report.outcomes),
        report.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The report of a run to which this service has given no answer yet.
pub(crate) async fn unanswered(
    conn: &mut PgConnection,
    service: &str,
) -> Result<Option<RetentionReport>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT retention_report_id, service, state, outcomes, create_time
         FROM retention_reports WHERE state = 'UNANSWERED' AND service = $1
         ORDER BY create_time DESC, retention_report_id DESC
         LIMIT 1",
        service,
    )
    .fetch_optional(conn)
    .await?
    .map(RetentionReport::try_from)
    .transpose()
}

/// Stores how far a run came. A call that got no answer changes nothing in a report that another call of the same run has finished.
pub(crate) async fn update(conn: &mut PgConnection, report: &RetentionReport) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE retention_reports SET state = $2, outcomes = $3
         WHERE retention_report_id = $1 AND (state = 'UNANSWERED' OR $2 <> 'UNANSWERED')",
        report.id.as_uuid(),
        report.state.as_str(),
        serde_json::json!(report.outcomes),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<RetentionState>,
}

/// Lists reports, newest first: one page and one more report.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<RetentionReport>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT retention_report_id, service, state, outcomes, create_time
         FROM retention_reports
         WHERE ($1::text IS NULL OR state = $1)
           AND ($2::timestamptz IS NULL OR (create_time, retention_report_id) < ($2, $3::uuid))
         ORDER BY create_time DESC, retention_report_id DESC
         LIMIT $4",
        filter.state.map(RetentionState::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| {
        let place = (row.create_time, row.retention_report_id);
        Listed::new("retention_reports", place, RetentionReport::try_from(row))
    };
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    retention_report_id: Uuid,
    service: String,
    state: String,
    outcomes: serde_json::Value,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for RetentionReport {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.retention_report_id.into(),
            service: row.service,
            state: known("state", &row.state)?,
            outcomes: serde_json::from_value(row.outcomes).map_err(|_| not_known("outcomes"))?,
            create_time: row.create_time,
        })
    }
}
