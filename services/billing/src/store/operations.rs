//! Table `stripe_operations`: requests that change something at Stripe, each stored before it is made.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::{DbError, Tx, known, known_if_any, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    operation::{Kind, Operation, OperationId, RequestKey},
    stripe_id::StripeId,
};

/// Stores an operation to be done. `stripe_operations_request_key` refuses a second one of the same request.
pub(crate) async fn insert(tx: &mut Tx, operation: &Operation) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO stripe_operations (
             operation_id, kind, state, about, path, form, attempt, owner_sub, request_key, request_hash, create_time,
             update_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        operation.id.as_uuid(),
        operation.kind.as_str(),
        operation.state.as_str(),
        operation.about,
        operation.path,
        operation.form,
        operation.attempt,
        operation.owner_sub,
        operation.request.as_ref().map(|request| request.key.as_str()),
        operation.request.as_ref().map(|request| request.hash.as_slice()),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gets an operation, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: OperationId) -> Result<Option<Operation>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT operation_id, kind, state, about, path, form, attempt, owner_sub, request_key, request_hash,
                stripe_object_id, url, expire_time, create_time
         FROM stripe_operations WHERE operation_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Operation::try_from)
    .transpose()
}

/// The operation that a customer's request with this key has led to.
pub(crate) async fn of_request(
    conn: &mut PgConnection,
    owner_sub: &str,
    key: &str,
) -> Result<Option<Operation>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT operation_id, kind, state, about, path, form, attempt, owner_sub, request_key, request_hash,
                stripe_object_id, url, expire_time, create_time
         FROM stripe_operations WHERE owner_sub = $1 AND request_key = $2",
        owner_sub,
        key,
    )
    .fetch_optional(conn)
    .await?
    .map(Operation::try_from)
    .transpose()
}

/// The newest operation of this kind about this row.
pub(crate) async fn newest(
    conn: &mut PgConnection,
    about: Uuid,
    kind: Kind,
) -> Result<Option<Operation>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT operation_id, kind, state, about, path, form, attempt, owner_sub, request_key, request_hash,
                stripe_object_id, url, expire_time, create_time
         FROM stripe_operations WHERE about = $1 AND kind = $2
         ORDER BY create_time DESC, operation_id DESC LIMIT 1",
        about,
        kind.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(Operation::try_from)
    .transpose()
}

/// Up to `limit` operations without recent work and that are not refunds: those have deferred calls of their
/// own.
pub(crate) async fn unfinished(
    tx: &mut Tx,
    idle_for: TimeDelta,
    limit: i64,
) -> Result<Vec<Operation>, DbError> {
    let idle_since = tx.now().await? - idle_for;
    let rows = sqlx::query_as!(
        Row,
        "SELECT operation_id, kind, state, about, path, form, attempt, owner_sub, request_key, request_hash,
                stripe_object_id, url, expire_time, create_time
         FROM stripe_operations
         WHERE state = 'REQUESTED' AND update_time <= $1 AND kind <> 'REFUND'
         ORDER BY update_time LIMIT $2",
        idle_since,
        limit,
    );
    rows.fetch_all(&mut **tx).await?.into_iter().map(Operation::try_from).collect()
}

/// How many operations are still to be done.
pub(crate) async fn count_unfinished(conn: &mut PgConnection) -> Result<i64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM stripe_operations WHERE state = 'REQUESTED' AND update_time <= runtime.now()"#
    );
    Ok(count.fetch_one(conn).await?)
}

/// Gives the operation another idempotency key: for the old one, Stripe would repeat its own failure (5xx).
pub(crate) async fn take_another_key(tx: &mut Tx, operation: &Operation) -> Result<(), DbError> {
    let now = tx.now().await?;
    // Only an operation that is not done yet has a form. A condition on `state` would let PostgreSQL read the whole index of such rows.
    sqlx::query!(
        "UPDATE stripe_operations SET attempt = attempt + 1, update_time = $3
         WHERE operation_id = $1 AND attempt = $2 AND form IS NOT NULL",
        operation.id.as_uuid(),
        operation.attempt,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Puts an operation that could not be done just now behind the others that wait.
pub(crate) async fn put_back(tx: &mut Tx, id: OperationId) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "UPDATE stripe_operations SET update_time = $2 WHERE operation_id = $1 AND form IS NOT NULL",
        id.as_uuid(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores that Stripe has done an operation that `lock` locked.
pub(crate) async fn done(tx: &mut Tx, operation: &Operation) -> Result<(), DbError> {
    let now = tx.now().await?;
    let done = sqlx::query!(
        "UPDATE stripe_operations
         SET state = 'DONE', form = NULL, stripe_object_id = $2, url = $3, expire_time = $4, update_time = $5
         WHERE operation_id = $1",
        operation.id.as_uuid(),
        operation.stripe_object_id.as_ref().map(StripeId::as_str),
        operation.url,
        operation.expire_time,
        now,
    )
    .execute(&mut **tx)
    .await?;
    one_row(&done)
}

/// Stores that an operation that `lock` locked will never be done.
pub(crate) async fn refused(tx: &mut Tx, id: OperationId, failure: &str) -> Result<(), DbError> {
    let now = tx.now().await?;
    let refused = sqlx::query!(
        "UPDATE stripe_operations SET state = 'REFUSED', form = NULL, failure = $2, update_time = $3
         WHERE operation_id = $1",
        id.as_uuid(),
        failure,
        now,
    )
    .execute(&mut **tx)
    .await?;
    one_row(&refused)
}

/// A row as it is stored.
struct Row {
    operation_id: Uuid,
    kind: String,
    state: String,
    about: Uuid,
    path: String,
    form: Option<String>,
    attempt: i32,
    owner_sub: Option<String>,
    request_key: Option<String>,
    request_hash: Option<Vec<u8>>,
    stripe_object_id: Option<String>,
    url: Option<String>,
    expire_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Operation {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let request = row.request_key.zip(row.request_hash);
        Ok(Self {
            id: row.operation_id.into(),
            kind: known("kind", &row.kind)?,
            state: known("state", &row.state)?,
            about: row.about,
            path: row.path,
            form: row.form.unwrap_or_default(),
            attempt: row.attempt,
            owner_sub: row.owner_sub,
            request: request.map(|(key, hash)| RequestKey { key, hash }),
            stripe_object_id: known_if_any("stripe_object_id", row.stripe_object_id.as_deref())?,
            url: row.url,
            expire_time: row.expire_time,
            create_time: row.create_time,
        })
    }
}
