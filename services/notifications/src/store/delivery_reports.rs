//! Table `delivery_reports`: what a provider reported about a message. For each outcome it holds the first report.

use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::{
    message::MessageId,
    report::{Report, Reports},
};

/// All reports of a message.
pub(crate) async fn of_message(conn: &mut PgConnection, message: MessageId) -> Result<Reports, DbError> {
    let rows = sqlx::query!(
        "SELECT outcome, report_time, detail FROM delivery_reports WHERE message_id = $1",
        message.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let report =
        |outcome: &str, time, detail| Ok(Report { outcome: known("outcome", outcome)?, time, detail });
    rows.into_iter().map(|row| report(&row.outcome, row.report_time, row.detail)).collect()
}

/// Stores a report, and replaces one of the same outcome. The caller has locked the message, and the report is the first of its
/// outcome.
pub(crate) async fn put(conn: &mut PgConnection, message: MessageId, report: &Report) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO delivery_reports (message_id, outcome, report_time, detail) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT delivery_reports_pkey DO UPDATE SET report_time = $3, detail = $4",
        message.as_uuid(),
        report.outcome.as_str(),
        report.time,
        report.detail,
    )
    .execute(conn)
    .await?;
    Ok(())
}
