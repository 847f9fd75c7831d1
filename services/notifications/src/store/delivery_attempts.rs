//! Table `delivery_attempts`: the attempts to hand a message to a provider.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, not_known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    delivery::{Attempt, AttemptOutcome},
    message::MessageId,
};

/// Stores the beginning of an attempt.
pub(crate) async fn begin(
    conn: &mut PgConnection,
    message: MessageId,
    attempt: &Attempt,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO delivery_attempts (delivery_attempt_id, message_id, round, provider, idempotency_key, begin_time)
         VALUES ($1, $2, $3, $4, $5, $6)",
        attempt.id.as_uuid(),
        message.as_uuid(),
        attempt.round,
        attempt.provider,
        attempt.idempotency_key,
        attempt.begin_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores the outcome of an attempt. It replaces `AMBIGUOUS`, which `end_lost` may have stored meanwhile. It inserts an attempt
/// whose row is missing: without the row, the next delivery would count as the first. Every other outcome is final, and is
/// replaced only by `ACCEPTED`, because the provider then certainly has the mail. If the stored outcome must not be replaced, this
/// writes nothing and returns false.
pub(crate) async fn end(
    conn: &mut PgConnection,
    message: MessageId,
    attempt: &Attempt,
    outcome: AttemptOutcome,
    detail: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let ended = sqlx::query!(
        "INSERT INTO delivery_attempts AS a (delivery_attempt_id, message_id, round, provider, idempotency_key, begin_time,
                                             outcome, detail, end_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT ON CONSTRAINT delivery_attempts_pkey DO UPDATE
         SET outcome = excluded.outcome, detail = excluded.detail, end_time = excluded.end_time
         WHERE a.outcome IS NULL OR a.outcome IN ('AMBIGUOUS', excluded.outcome) OR excluded.outcome = 'ACCEPTED'",
        attempt.id.as_uuid(),
        message.as_uuid(),
        attempt.round,
        attempt.provider,
        attempt.idempotency_key,
        attempt.begin_time,
        outcome.as_str(),
        detail,
        now,
    )
    .execute(conn)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends the lost attempts of a message: those that began before this instant and have no outcome.
pub(crate) async fn end_lost(
    conn: &mut PgConnection,
    message: MessageId,
    begun_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE delivery_attempts
         SET outcome = 'AMBIGUOUS', detail = 'its outcome was never written down', end_time = $3
         WHERE message_id = $1 AND outcome IS NULL AND begin_time <= $2",
        message.as_uuid(),
        begun_until,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All attempts of a message, the oldest first.
pub(crate) async fn of_message(conn: &mut PgConnection, message: MessageId) -> Result<Vec<Attempt>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT delivery_attempt_id, round, provider, idempotency_key, begin_time, end_time, outcome, detail
         FROM delivery_attempts WHERE message_id = $1 ORDER BY begin_time, delivery_attempt_id",
        message.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Attempt::try_from).collect()
}

struct Row {
    delivery_attempt_id: Uuid,
    round: i32,
    provider: String,
    idempotency_key: String,
    begin_time: DateTime<Utc>,
    end_time: Option<DateTime<Utc>>,
    outcome: Option<String>,
    detail: String,
}

impl TryFrom<Row> for Attempt {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let end = match (&row.outcome, row.end_time) {
            (None, _) => None,
            (Some(outcome), Some(time)) => Some((known("outcome", outcome)?, time)),
            (Some(_), None) => return Err(not_known("end_time")),
        };
        Ok(Self {
            id: row.delivery_attempt_id.into(),
            provider: row.provider,
            round: row.round,
            idempotency_key: row.idempotency_key,
            begin_time: row.begin_time,
            end,
            detail: row.detail,
        })
    }
}
