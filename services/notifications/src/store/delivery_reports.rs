//! Table `delivery_reports`: what a provider said became of a message, of each kind the first.

use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::{
    message::MessageId,
    report::{Report, Reports},
};

/// All that is known of a message.
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

/// Writes a report down, in place of one of its kind. The message must be locked, and the report be the first of its kind.
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
