//! How much was sold, for the reports.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::{money::Money, order::Tier};

/// The orders that were paid in this time: by tier and currency, how many, and how much. It takes no scope, because the report
/// has no personal data.
pub(crate) async fn paid(
    conn: &mut PgConnection,
    begin: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Result<Vec<(Tier, i64, Money)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT tier, currency, count(*) AS "count!", sum(paid_minor)::bigint AS "minor_units!"
           FROM orders WHERE pay_time >= $1 AND pay_time < $2
           GROUP BY tier, currency ORDER BY tier, currency"#,
        begin,
        end,
    )
    .fetch_all(conn)
    .await?;
    let mut paid = Vec::new();
    for row in rows {
        let money = Money { currency: row.currency, minor_units: row.minor_units };
        paid.push((known("tier", &row.tier)?, row.count, money));
    }
    Ok(paid)
}
