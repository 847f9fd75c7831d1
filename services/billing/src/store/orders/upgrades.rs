//! Whether a customer bought, or bought more.

use levqor_runtime::{db::DbError, email::Email};
use sqlx::PgConnection;

/// Whether a person with this address paid an order. It takes no scope, because it returns nothing of the order.
pub(crate) async fn has_paid(conn: &mut PgConnection, customer_email: &Email) -> Result<bool, DbError> {
    let has = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM orders WHERE customer_email = $1 AND pay_time IS NOT NULL) AS "has!""#,
        customer_email.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(has)
}

/// Whether a person with this address paid for a tier above Starter. It takes no scope, because a flow acts for no person.
pub(crate) async fn has_higher_tier(
    conn: &mut PgConnection,
    customer_email: &Email,
) -> Result<bool, DbError> {
    let has = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM orders WHERE customer_email = $1 AND tier <> 'STARTER' AND pay_time IS NOT NULL)
           AS "has!""#,
        customer_email.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(has)
}
