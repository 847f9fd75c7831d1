//! Table `surveys`. Who has the token of a survey may answer it; who may see a ticket as staff may see its answer. So nothing here takes a
//! `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, one_row};
use sqlx::PgConnection;

use crate::domain::{
    secret_token::SecretToken,
    survey::{Answer, Answered},
    ticket::{Number, TicketId},
};

/// A survey, found by its token.
pub(crate) struct Asked {
    pub(crate) ticket_id: TicketId,
    pub(crate) ticket_number: Number,
    pub(crate) is_answered: bool,
}

/// Stores the survey of a ticket, or gives it a new token. Returns false if it is answered already.
pub(crate) async fn ask(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let asked = sqlx::query!(
        "INSERT INTO surveys (ticket_id, token_hash, create_time) VALUES ($1, $2, $3)
         ON CONFLICT (ticket_id) DO UPDATE SET token_hash = excluded.token_hash WHERE surveys.answer_time IS NULL",
        ticket_id.as_uuid(),
        token_hash,
        now,
    )
    .execute(conn)
    .await?;
    Ok(asked.rows_affected() == 1)
}

/// The survey of a token.
pub(crate) async fn get(conn: &mut PgConnection, token: &SecretToken) -> Result<Option<Asked>, DbError> {
    let row = sqlx::query!(
        "SELECT surveys.ticket_id, tickets.number, surveys.answer_time FROM surveys
         JOIN tickets ON tickets.ticket_id = surveys.ticket_id
         WHERE surveys.token_hash = $1 AND tickets.customer_email IS NOT NULL",
        &token.hash(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Asked {
        ticket_id: row.ticket_id.into(),
        ticket_number: Number(row.number),
        is_answered: row.answer_time.is_some(),
    }))
}

/// The same, locked until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, token: &SecretToken) -> Result<Option<Asked>, DbError> {
    sqlx::query!("SELECT ticket_id FROM surveys WHERE token_hash = $1 FOR UPDATE", &token.hash())
        .fetch_optional(&mut *conn)
        .await?;
    get(conn, token).await
}

/// Stores the answer to a survey that is locked.
pub(crate) async fn answer(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    answer: &Answer,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE surveys SET score = $2, comment = $3, answer_time = $4 WHERE ticket_id = $1 AND answer_time IS NULL",
        ticket_id.as_uuid(),
        i16::from(answer.score.number()),
        answer.comment,
        now,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// The answer to the survey of a ticket.
pub(crate) async fn of_ticket(conn: &mut PgConnection, id: TicketId) -> Result<Option<Answered>, DbError> {
    let row =
        sqlx::query!("SELECT score, comment, answer_time FROM surveys WHERE ticket_id = $1", id.as_uuid())
            .fetch_optional(conn)
            .await?;
    Ok(row.and_then(|row| {
        let (score, time) = row.score.zip(row.answer_time)?;
        Some(Answered { score, comment: row.comment.unwrap_or_default(), time })
    }))
}

/// How many surveys were answered in a time, and the sum of their scores.
pub(crate) async fn answered(
    conn: &mut PgConnection,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<(i64, i64), DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!", coalesce(sum(score), 0)::bigint AS "sum!" FROM surveys
           WHERE answer_time IS NOT NULL AND answer_time >= $1 AND answer_time < $2"#,
        begin,
        end,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.sum))
}
