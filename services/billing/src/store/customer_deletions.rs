//! Table `customer_deletions`: the customers at Stripe of people who were erased.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx, known};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{customer_deletion::CustomerDeletionId, stripe_id::StripeId};

/// A customer to be deleted at Stripe.
pub(crate) struct CustomerDeletion {
    pub(crate) id: CustomerDeletionId,
    pub(crate) erasure_id: Uuid,
    pub(crate) stripe_customer_id: StripeId,
}

/// Stores that a customer must be deleted, now. A customer that is stored already is deleted once more.
pub(crate) async fn insert(tx: &mut Tx, erasure_id: Uuid, customer: &StripeId) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO customer_deletions
             (customer_deletion_id, erasure_id, stripe_customer_id, due_time, create_time)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT ON CONSTRAINT customer_deletions_customer
         DO UPDATE SET erasure_id = $2, state = 'REQUESTED', due_time = $4, failure = NULL",
        CustomerDeletionId::new_at(now).as_uuid(),
        erasure_id,
        customer.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Up to `limit` customers that are to be deleted now.
pub(crate) async fn due(conn: &mut PgConnection, limit: i64) -> Result<Vec<CustomerDeletion>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT customer_deletion_id, erasure_id, stripe_customer_id FROM customer_deletions
         WHERE due_time <= runtime.now() AND state = 'REQUESTED'
         ORDER BY due_time
         LIMIT $1",
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(CustomerDeletion::try_from).collect()
}

/// Stores that Stripe has deleted a customer. False if another call has stored it.
pub(crate) async fn deleted(
    tx: &mut Tx,
    id: CustomerDeletionId,
    until: DateTime<Utc>,
) -> Result<bool, DbError> {
    let deleted = sqlx::query!(
        "UPDATE customer_deletions SET state = 'DELETED', due_time = $2, failure = NULL
         WHERE customer_deletion_id = $1 AND state = 'REQUESTED'",
        id.as_uuid(),
        until,
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Stores that Stripe refuses to delete a customer, and when it is asked again.
pub(crate) async fn refused(
    tx: &mut Tx,
    id: CustomerDeletionId,
    failure: &str,
    again: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE customer_deletions SET failure = $2, due_time = $3
         WHERE customer_deletion_id = $1 AND state = 'REQUESTED'",
        id.as_uuid(),
        failure,
        again,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets the customers that were deleted a while ago.
pub(crate) async fn forget(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM customer_deletions WHERE due_time <= runtime.now() AND state = 'DELETED'")
        .execute(conn)
        .await?;
    Ok(())
}

/// A row as it is stored.
#[expect(clippy::struct_field_names, reason = "the names are those of the columns")]
struct Row {
    customer_deletion_id: Uuid,
    erasure_id: Uuid,
    stripe_customer_id: String,
}

impl TryFrom<Row> for CustomerDeletion {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.customer_deletion_id.into(),
            erasure_id: row.erasure_id,
            stripe_customer_id: known("stripe_customer_id", &row.stripe_customer_id)?,
        })
    }
}
