//! Queries of the sweep and of the reports, over the tickets of all customers.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use super::Row;
use crate::domain::ticket::Ticket;

/// Locks tickets whose first reply is newly overdue.
pub(crate) async fn lock_overdue(
    conn: &mut PgConnection,
    now: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT ticket_id, number, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                hand_off_reason, conversation_id, assignee, merged_ticket_id, spam, mail_token, open_business_ms, open_since,
                first_reply_due_time, first_reply_time, overdue_time, solve_time, create_time, update_time
         FROM tickets
         WHERE first_reply_due_time <= $1
           AND first_reply_time IS NULL AND overdue_time IS NULL AND state IN ('OPEN', 'PENDING', 'ON_HOLD')
         ORDER BY first_reply_due_time
         LIMIT $2
         FOR UPDATE SKIP LOCKED",
        now,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Ticket::try_from).collect()
}

/// Locks tickets that were solved before this time.
pub(crate) async fn lock_solved(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
    most: i64,
) -> Result<Vec<Ticket>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT ticket_id, number, owner_sub, customer_email, customer_name, customer_verified, subject, state, plan, origin,
                hand_off_reason, conversation_id, assignee, merged_ticket_id, spam, mail_token, open_business_ms, open_since,
                first_reply_due_time, first_reply_time, overdue_time, solve_time, create_time, update_time
         FROM tickets
         WHERE state = 'SOLVED' AND solve_time <= $1
         ORDER BY solve_time
         LIMIT $2
         FOR UPDATE SKIP LOCKED",
        before,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Ticket::try_from).collect()
}

/// How many first replies are overdue. Counted up to 1,000.
pub(crate) async fn overdue_count(conn: &mut PgConnection) -> Result<i64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM tickets
               WHERE first_reply_time IS NULL AND state IN ('OPEN', 'PENDING', 'ON_HOLD')
                 AND first_reply_due_time <= runtime.now()
               LIMIT 1000
           ) AS overdue"#
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// How many tickets were opened in this time, and how many of them were solved.
pub(crate) async fn turnover(
    conn: &mut PgConnection,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<(i64, i64), DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "opened!", count(solve_time) AS "solved!"
           FROM tickets WHERE create_time >= $1 AND create_time < $2"#,
        begin,
        end,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.opened, row.solved))
}
