//! Table `customer_redactions`: deleted customers whose data Stripe is asked to redact.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx, known, known_if_any};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    customer_deletion::{CustomerRedactionId, Redaction},
    stripe_id::StripeId,
};

/// Stores that a customer must be redacted, now.
pub(crate) async fn insert(tx: &mut Tx, erasure_id: Uuid, customer: &StripeId) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO customer_redactions
             (customer_redaction_id, erasure_id, stripe_customer_id, due_time, create_time)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT ON CONSTRAINT customer_redactions_customer DO NOTHING",
        CustomerRedactionId::new_at(now).as_uuid(),
        erasure_id,
        customer.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Up to `limit` redactions whose next step is due.
pub(crate) async fn due(conn: &mut PgConnection, limit: i64) -> Result<Vec<Redaction>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT customer_redaction_id, erasure_id, stripe_customer_id, job_id, attempts FROM customer_redactions
         WHERE due_time <= runtime.now()
         ORDER BY due_time
         LIMIT $1",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Redaction::try_from).collect()
}

/// Stores how far a redaction is, and when its next step is due. Nothing happens if another call has finished it.
pub(crate) async fn update(
    conn: &mut PgConnection,
    redaction: &Redaction,
    failure: Option<&str>,
    due: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE customer_redactions SET job_id = $2, attempts = $3, failure = $4, due_time = $5
         WHERE customer_redaction_id = $1",
        redaction.id.as_uuid(),
        redaction.job.as_ref().map(StripeId::as_str),
        redaction.attempts,
        failure,
        due,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets a customer that Stripe has redacted. False if another call has done it.
pub(crate) async fn delete(conn: &mut PgConnection, id: CustomerRedactionId) -> Result<bool, DbError> {
    let deleted =
        sqlx::query!("DELETE FROM customer_redactions WHERE customer_redaction_id = $1", id.as_uuid())
            .execute(conn)
            .await?;
    Ok(deleted.rows_affected() == 1)
}

/// A row as it is stored.
struct Row {
    customer_redaction_id: Uuid,
    erasure_id: Uuid,
    stripe_customer_id: String,
    job_id: Option<String>,
    attempts: i32,
}

impl TryFrom<Row> for Redaction {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.customer_redaction_id.into(),
            erasure_id: row.erasure_id,
            customer: known("stripe_customer_id", &row.stripe_customer_id)?,
            job: known_if_any("job_id", row.job_id.as_deref())?,
            attempts: row.attempts,
        })
    }
}
