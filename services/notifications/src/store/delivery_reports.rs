//! Table `delivery_reports`: the provider's reports about messages. For each outcome it holds the first report.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, known_if_any};
use sqlx::PgConnection;

use crate::domain::{
    message::MessageId,
    reply::ReplyClass,
    report::{Report, Reports},
};

/// All reports of a message.
pub(crate) async fn of_message(conn: &mut PgConnection, message: MessageId) -> Result<Reports, DbError> {
    let rows = sqlx::query!(
        "SELECT outcome, report_time, detail, reply_class FROM delivery_reports WHERE message_id = $1",
        message.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let reports = rows.into_iter().map(|row| {
        Ok(Report {
            outcome: known("outcome", &row.outcome)?,
            time: row.report_time,
            detail: row.detail,
            class: known_if_any("reply_class", row.reply_class.as_deref())?,
        })
    });
    reports.collect()
}

/// Stores a report, and replaces a stored one of the same outcome. The caller has locked the message, and has checked that this
/// report is the earliest of its outcome.
pub(crate) async fn put(conn: &mut PgConnection, message: MessageId, report: &Report) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO delivery_reports (message_id, outcome, report_time, detail, reply_class) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT ON CONSTRAINT delivery_reports_pkey DO UPDATE SET report_time = $3, detail = $4, reply_class = $5",
        message.as_uuid(),
        report.outcome.as_str(),
        report.time,
        report.detail,
        report.class.map(ReplyClass::as_str),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many messages to the recipient of this message, requested since this time, bounced for a temporary or an unknown reason.
/// Counted up to a limit. The SQL classifies reports by the same rules as `DeliveryOutcome::about_address`.
pub(crate) async fn ailing(
    conn: &mut PgConnection,
    message: MessageId,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<i64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM messages AS m
               WHERE m.recipient_hash = (SELECT recipient_hash FROM messages WHERE message_id = $1) AND m.create_time > $2
                 AND EXISTS (
                     SELECT FROM delivery_reports AS r
                     WHERE r.message_id = m.message_id
                       AND (r.outcome IN ('BOUNCED_SOFT', 'BOUNCED_HARD')
                                AND coalesce(r.reply_class, 'UNKNOWN') IN ('SOFT', 'FULL', 'UNKNOWN')
                            OR r.outcome = 'BOUNCED_SOFT' AND r.reply_class = 'HARD')
                 )
               LIMIT $3
           ) AS ailing"#,
        message.as_uuid(),
        since,
        limit,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}
