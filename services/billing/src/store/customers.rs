//! Table `customers`: one row per person, and one customer at Stripe per row.

use levqor_runtime::{
    db::{DbError, Tx, known, known_if_any},
    email::Email,
};
use sqlx::PgConnection;

use crate::domain::{
    customer::{Customer, CustomerId},
    stripe_id::StripeId,
};

/// Finds or makes the row of this person, and locks it until the transaction ends.
pub(crate) async fn lock_or_insert(tx: &mut Tx, owner_sub: &str, email: &Email) -> Result<Customer, DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "INSERT INTO customers (customer_id, owner_sub, email, create_time, update_time)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (owner_sub) DO NOTHING",
        CustomerId::new_at(now).as_uuid(),
        owner_sub,
        email.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    let row = sqlx::query!(
        "SELECT customer_id, email, stripe_customer_id FROM customers WHERE owner_sub = $1 FOR UPDATE",
        owner_sub,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(Customer {
        id: row.customer_id.into(),
        email: known("email", &row.email)?,
        stripe_customer_id: known_if_any("stripe_customer_id", row.stripe_customer_id.as_deref())?,
    })
}

/// Stripe's customer of this person, if there is one.
pub(crate) async fn stripe_customer_of(
    conn: &mut PgConnection,
    owner_sub: &str,
) -> Result<Option<StripeId>, DbError> {
    let id = sqlx::query_scalar!("SELECT stripe_customer_id FROM customers WHERE owner_sub = $1", owner_sub)
        .fetch_optional(conn)
        .await?
        .flatten();
    known_if_any("stripe_customer_id", id.as_deref())
}

/// The Stripe customer of this person's purchases as a guest with this address, unless it belongs to another person.
pub(crate) async fn of_guest(
    conn: &mut PgConnection,
    owner_sub: &str,
    email: &Email,
) -> Result<Option<StripeId>, DbError> {
    let id = sqlx::query_scalar!(
        r#"SELECT bought.stripe_customer_id AS "stripe_customer_id!"
           FROM (
               (SELECT stripe_customer_id, create_time FROM subscriptions
                WHERE customer_email = $2 AND stripe_customer_id IS NOT NULL
                  AND (owner_sub = $1 OR owner_sub IS NULL)
                ORDER BY create_time DESC LIMIT 1)
               UNION ALL
               (SELECT stripe_customer_id, create_time FROM orders
                WHERE customer_email = $2 AND stripe_customer_id IS NOT NULL
                  AND (owner_sub = $1 OR owner_sub IS NULL)
                ORDER BY create_time DESC LIMIT 1)
           ) AS bought
           WHERE NOT EXISTS (SELECT FROM customers WHERE stripe_customer_id = bought.stripe_customer_id)
           ORDER BY bought.create_time DESC
           LIMIT 1"#,
        owner_sub,
        email.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    known_if_any("stripe_customer_id", id.as_deref())
}

/// The address of a customer that Stripe is asked to make.
pub(crate) async fn email(conn: &mut PgConnection, id: CustomerId) -> Result<Option<String>, DbError> {
    let email = sqlx::query_scalar!("SELECT email FROM customers WHERE customer_id = $1", id.as_uuid());
    Ok(email.fetch_optional(conn).await?)
}

/// Whether this customer of Stripe's is one of ours.
pub(crate) async fn is_known(conn: &mut PgConnection, id: &StripeId) -> Result<bool, DbError> {
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM customers WHERE stripe_customer_id = $1) AS "known!""#,
        id.as_str(),
    );
    Ok(known.fetch_one(conn).await?)
}

/// Whether a row still has this customer of Stripe's.
pub(crate) async fn is_in_use(conn: &mut PgConnection, id: &StripeId) -> Result<bool, DbError> {
    let in_use = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM customers WHERE stripe_customer_id = $1)
               OR EXISTS (SELECT FROM orders WHERE stripe_customer_id = $1)
               OR EXISTS (SELECT FROM subscriptions WHERE stripe_customer_id = $1) AS "in_use!""#,
        id.as_str(),
    );
    Ok(in_use.fetch_one(conn).await?)
}

/// Stores which customer of Stripe's a person is, unless the person is one already.
pub(crate) async fn set_stripe_customer(
    tx: &mut Tx,
    id: CustomerId,
    stripe_customer_id: &StripeId,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "UPDATE customers SET stripe_customer_id = $2, update_time = $3
         WHERE customer_id = $1 AND stripe_customer_id IS NULL",
        id.as_uuid(),
        stripe_customer_id.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores the person's current address.
pub(crate) async fn set_email(tx: &mut Tx, id: CustomerId, email: &Email) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "UPDATE customers SET email = $2, update_time = $3 WHERE customer_id = $1 AND email <> $2",
        id.as_uuid(),
        email.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores the name that Stripe has. Stripe's address is not stored, because the address is the identity provider's.
pub(crate) async fn mirror(tx: &mut Tx, id: &StripeId, name: &str) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "UPDATE customers SET name = $2, update_time = $3 WHERE stripe_customer_id = $1 AND name <> $2",
        id.as_str(),
        name,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets a customer that was deleted at Stripe: the person's next purchase makes another.
pub(crate) async fn forget(tx: &mut Tx, id: &StripeId) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "UPDATE customers SET stripe_customer_id = NULL, update_time = $2 WHERE stripe_customer_id = $1",
        id.as_str(),
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
