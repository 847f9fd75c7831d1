//! Table `inbound_mails`: the mails that came to addresses of tickets, each once.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::{inbound::Verdict, ticket::TicketId, ticket_file::InboundMailId};

/// The outcome of a mail that was ingested before.
pub(crate) async fn verdict(conn: &mut PgConnection, id: InboundMailId) -> Result<Option<Verdict>, DbError> {
    let verdict =
        sqlx::query_scalar!("SELECT verdict FROM inbound_mails WHERE inbound_mail_id = $1", id.as_uuid())
            .fetch_optional(conn)
            .await?;
    verdict.map(|verdict| known("verdict", &verdict)).transpose()
}

/// Stores a mail. Returns false and stores nothing if it was stored before.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    id: InboundMailId,
    verdict: Verdict,
    ticket_id: Option<TicketId>,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO inbound_mails (inbound_mail_id, verdict, ticket_id, create_time)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT inbound_mails_pkey DO NOTHING",
        id.as_uuid(),
        verdict.as_str(),
        ticket_id.map(TicketId::as_uuid),
        now,
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// How many mails that people wrote came to a ticket since this time.
pub(crate) async fn count_since(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    since: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM inbound_mails
               WHERE ticket_id = $1 AND create_time > $2 AND verdict NOT IN ('AUTOMATIC', 'LOOP')
               LIMIT 1000
           ) AS recent"#,
        ticket_id.as_uuid(),
        since,
    )
    .fetch_one(conn)
    .await?)
}
