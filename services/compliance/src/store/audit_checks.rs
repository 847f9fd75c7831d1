//! Table `audit_checks`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::audit_chain::{Found, LastEntry, State};

/// The last entry of a chain that was whole. `None` before the first check.
pub(crate) async fn last_entry(conn: &mut PgConnection, service: &str) -> Result<Option<LastEntry>, DbError> {
    Ok(sqlx::query_as!(
        LastEntry,
        "SELECT last_sequence AS sequence, last_hash AS hash FROM audit_checks WHERE service = $1",
        service,
    )
    .fetch_optional(conn)
    .await?)
}

/// Saves the result of a check. If the chain is not whole, the last entry of its last whole check is kept. Returns the state of the
/// check before.
pub(crate) async fn put(
    conn: &mut PgConnection,
    service: &str,
    found: &Found,
    now: DateTime<Utc>,
) -> Result<Option<State>, DbError> {
    let earlier =
        sqlx::query_scalar!("SELECT state FROM audit_checks WHERE service = $1 FOR UPDATE", service)
            .fetch_optional(&mut *conn)
            .await?;
    let last = found.accepted_end();
    sqlx::query!(
        "INSERT INTO audit_checks (service, state, last_sequence, last_hash, broken_sequence, check_time)
         VALUES ($1, $2, coalesce($3::bigint, 0), coalesce($4::bytea, ''), $5, $6)
         ON CONFLICT (service) DO UPDATE
         SET state = excluded.state, broken_sequence = excluded.broken_sequence, check_time = excluded.check_time,
             last_sequence = coalesce($3, audit_checks.last_sequence), last_hash = coalesce($4, audit_checks.last_hash)",
        service,
        found.state.as_str(),
        last.map(|last| last.sequence),
        last.map(|last| last.hash.as_slice()),
        found.broken_sequence,
        now,
    )
    .execute(conn)
    .await?;
    earlier.map(|state| known("state", &state)).transpose()
}

/// How many chains are not whole.
pub(crate) async fn not_whole(conn: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM audit_checks WHERE state IN ('BROKEN', 'CUT')"#
    )
    .fetch_one(conn)
    .await?)
}

/// The last check of a chain.
pub(crate) struct LastCheck {
    pub(crate) service: String,
    pub(crate) state: String,
    pub(crate) last_sequence: i64,
    pub(crate) last_hash: Vec<u8>,
    pub(crate) check_time: DateTime<Utc>,
}

/// The last check of the chain of each of these services.
pub(crate) async fn last_of(conn: &mut PgConnection, services: &[String]) -> Result<Vec<LastCheck>, DbError> {
    Ok(sqlx::query_as!(
        LastCheck,
        "SELECT service, state, last_sequence, last_hash, check_time FROM audit_checks WHERE service = ANY($1) ORDER BY service",
        services,
    )
    .fetch_all(conn)
    .await?)
}
