//! The results of scheduled tests, stored in the database so that every replica can show them.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::db::DbError;

/// The test of whether error reports arrive.
pub(crate) const ERROR_REPORTS: &str = "error_reports";

/// The results of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// When it last succeeded.
    pub(crate) last_success_time: Option<DateTime<Utc>>,
    /// When it last failed.
    pub(crate) last_failure_time: Option<DateTime<Utc>>,
    /// Why it last failed; nothing personal.
    pub(crate) failure: String,
}

/// Stores that a test succeeded.
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

/// Stores that a test failed, and why.
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

/// The stored results of a test. `None` if it never ran.
pub(crate) async fn outcome(conn: &mut PgConnection, name: &str) -> Result<Option<Outcome>, DbError> {
    let query = sqlx::query_as!(
        Outcome,
        "SELECT last_success_time, last_failure_time, failure FROM runtime.self_tests WHERE name = $1",
        name,
    );
    Ok(query.fetch_optional(conn).await?)
}
