//! Table `data_request_codes`. The functions need no `Scope`: everybody who has a code may use it.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    code::{CodeHash, MOST_TRIES, Purpose},
    data_request::DataRequestId,
};

/// Stores a code, in the place of the one before.
pub(crate) async fn put(
    conn: &mut PgConnection,
    id: DataRequestId,
    purpose: Purpose,
    hash: &CodeHash,
    [now, expire_time]: [DateTime<Utc>; 2],
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO data_request_codes (data_request_id, purpose, salt, code_hash, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (data_request_id, purpose) DO UPDATE
         SET salt = excluded.salt, code_hash = excluded.code_hash, tries = 0, create_time = excluded.create_time,
             expire_time = excluded.expire_time, use_time = NULL",
        id.as_uuid(),
        purpose.as_str(),
        hash.salt,
        hash.hash,
        now,
        expire_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// When the last code was made.
pub(crate) async fn last(
    conn: &mut PgConnection,
    id: DataRequestId,
    purpose: Purpose,
) -> Result<Option<DateTime<Utc>>, DbError> {
    Ok(sqlx::query_scalar!(
        "SELECT create_time FROM data_request_codes WHERE data_request_id = $1 AND purpose = $2",
        id.as_uuid(),
        purpose.as_str(),
    )
    .fetch_optional(conn)
    .await?)
}

/// Counts a try, and gives the code that it is compared with. `None` if there is none that is still valid. The caller commits the
/// count before it compares.
pub(crate) async fn count_try(
    conn: &mut PgConnection,
    id: DataRequestId,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<Option<CodeHash>, DbError> {
    let code = sqlx::query!(
        "UPDATE data_request_codes SET tries = tries + 1
         WHERE data_request_id = $1 AND purpose = $2 AND tries < $3 AND use_time IS NULL AND expire_time > $4
         RETURNING salt, code_hash",
        id.as_uuid(),
        purpose.as_str(),
        MOST_TRIES,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(code.map(|code| CodeHash { salt: code.salt, hash: code.code_hash }))
}

/// Marks a code as used. False if it was used before.
pub(crate) async fn consume(
    conn: &mut PgConnection,
    id: DataRequestId,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let used = sqlx::query!(
        "UPDATE data_request_codes SET use_time = $3
         WHERE data_request_id = $1 AND purpose = $2 AND use_time IS NULL",
        id.as_uuid(),
        purpose.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// A code as evidence: when it was made, tried and used. It is not the code.
pub(crate) struct CodeHistory {
    pub(crate) purpose: String,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) tries: i32,
    pub(crate) use_time: Option<DateTime<Utc>>,
}

/// The last code of each purpose of a request.
pub(crate) async fn history(conn: &mut PgConnection, id: DataRequestId) -> Result<Vec<CodeHistory>, DbError> {
    Ok(sqlx::query_as!(
        CodeHistory,
        "SELECT purpose, create_time, tries, use_time FROM data_request_codes WHERE data_request_id = $1 ORDER BY purpose",
        id.as_uuid(),
    )
    .fetch_all(conn)
    .await?)
}
