//! What became of tests that are made on a schedule, remembered in the database so that every replica can show it.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::DbError;

/// Whether reports of errors arrive.
pub(crate) const ERROR_REPORTS: &str = "error_reports";

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// When it last went well.
    pub(crate) last_success_time: Option<DateTime<Utc>>,
    /// When it last did not.
    pub(crate) last_failure_time: Option<DateTime<Utc>>,
    /// Why it then did not; nothing personal.
    pub(crate) failure: String,
}

/// Remembers that a test went well.
pub(crate) async fn succeeded(conn: &mut PgConnection, name: &str) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO runtime.self_tests (name, last_success_time) VALUES ($1, runtime.now())
         ON CONFLICT (name) DO UPDATE SET last_success_time = excluded.last_success_time",
        name,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Remembers that a test failed, and why.
pub(crate) async fn failed(conn: &mut PgConnection, name: &str, failure: &str) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO runtime.self_tests (name, last_failure_time, failure) VALUES ($1, runtime.now(), $2)
         ON CONFLICT (name) DO UPDATE SET last_failure_time = excluded.last_failure_time, failure = excluded.failure",
        name,
        failure,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What is remembered of a test; none where it was never made.
pub(crate) async fn outcome(conn: &mut PgConnection, name: &str) -> Result<Option<Outcome>, DbError> {
    let query = sqlx::query_as!(
        Outcome,
        "SELECT last_success_time, last_failure_time, failure FROM runtime.self_tests WHERE name = $1",
        name,
    );
    Ok(query.fetch_optional(conn).await?)
}
