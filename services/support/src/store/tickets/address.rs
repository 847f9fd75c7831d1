//! How many tickets name an address that its owner did not prove.

use chrono::{DateTime, Utc};
use levqor_runtime::{db::DbError, email::Email};
use sqlx::PgConnection;

use crate::domain::ticket::TicketId;

/// Takes a lock on an address until the transaction ends: its tickets are counted one after the other.
pub(crate) async fn hold_address(conn: &mut PgConnection, email: &Email) -> Result<(), DbError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('ticket of ' || $1::text, 0))",
        email.as_str()
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// How many tickets, other than this one, an address has since this time, of those whose customer did not prove it.
pub(crate) async fn count_unproven(
    conn: &mut PgConnection,
    email: &Email,
    except: TicketId,
    since: DateTime<Utc>,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM tickets
               WHERE customer_email = $1 AND create_time > $2 AND NOT customer_verified AND ticket_id <> $3
               LIMIT 1000
           ) AS recent"#,
        email.as_str(),
        since,
        except.as_uuid(),
    )
    .fetch_one(conn)
    .await?)
}
