//! Table `checkout_tries`: when customers tried to check out.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx};
use sqlx::PgConnection;

/// One try.
pub(crate) struct Try {
    pub(crate) key: String,
    pub(crate) time: DateTime<Utc>,
}

/// Lets the tries of a customer be counted one after the other, until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, owner_sub: &str) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('checkout tries ' || $1, 0))", owner_sub)
        .fetch_one(conn)
        .await?;
    Ok(())
}

/// Removes the tries of a customer until this time.
pub(crate) async fn remove_until(
    conn: &mut PgConnection,
    owner_sub: &str,
    until: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM checkout_tries WHERE owner_sub = $1 AND create_time <= $2", owner_sub, until)
        .execute(conn)
        .await?;
    Ok(())
}

/// The tries of a customer, the newest first.
pub(crate) async fn of(conn: &mut PgConnection, owner_sub: &str) -> Result<Vec<Try>, DbError> {
    let tries = sqlx::query_as!(
        Try,
        "SELECT try_key AS key, create_time AS time FROM checkout_tries
         WHERE owner_sub = $1
         ORDER BY create_time DESC LIMIT 10",
        owner_sub,
    );
    Ok(tries.fetch_all(conn).await?)
}

/// Stores a try of now.
pub(crate) async fn insert(tx: &mut Tx, owner_sub: &str, key: &str) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO checkout_tries (owner_sub, try_key, create_time) VALUES ($1, $2, $3)",
        owner_sub,
        key,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
