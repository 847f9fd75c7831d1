//! How many messages there are, for the reports.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

/// The number of messages of each state that were requested in this time.
pub(crate) async fn by_state(
    conn: &mut PgConnection,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<Vec<(String, i64)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT state, count(*) AS "count!" FROM messages WHERE create_time >= $1 AND create_time < $2
           GROUP BY state ORDER BY state"#,
        begin,
        end,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}
