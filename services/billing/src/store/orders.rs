//! Table `orders`. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    context::Scope,
    db::{DbError, ListTx, Listed, Page, known, known_if_any, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    money::Money,
    order::{Order, OrderId, State},
    sale::Terms,
    stripe_id::StripeId,
};

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) customer_email: Option<Email>,
    pub(crate) stripe_checkout_session_id: Option<StripeId>,
}

/// Gets the order of a checkout session, and locks it until the transaction ends. It takes no scope, because the journal acts for
/// no person.
pub(crate) async fn lock_by_session(
    conn: &mut PgConnection,
    id: &StripeId,
) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, state, currency, amount_minor, revisions_left, create_time, update_time,
                pay_time
         FROM orders
         WHERE stripe_checkout_session_id = $1
         FOR UPDATE",
        id.as_str(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Stores a new order. `orders_stripe_checkout_session_id_key` refuses a second order of the same checkout session; the retry
/// then finds the first.
pub(crate) async fn insert(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let terms = &order.terms;
    sqlx::query!(
        "INSERT INTO orders (
             order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
             stripe_payment_intent_id, tier, state, currency, amount_minor, revisions_left, create_time, update_time,
             pay_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        order.id.as_uuid(),
        order.owner_sub,
        terms.customer_email.as_str(),
        terms.customer_name,
        terms.stripe_customer_id.as_ref().map(StripeId::as_str),
        order.stripe_checkout_session_id.as_str(),
        terms.stripe_payment_intent_id.as_ref().map(StripeId::as_str),
        terms.tier.as_str(),
        order.state.as_str(),
        terms.amount.currency,
        terms.amount.minor_units,
        order.revisions_left,
        order.create_time,
        order.update_time,
        order.pay_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves an order that `lock_by_session` locked. It does not write the owner, because a sale never changes it.
pub(crate) async fn update(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let terms = &order.terms;
    let saved = sqlx::query!(
        "UPDATE orders
         SET customer_email = $2, customer_name = $3, stripe_customer_id = $4, stripe_payment_intent_id = $5, tier = $6,
             state = $7, currency = $8, amount_minor = $9, revisions_left = $10, update_time = $11, pay_time = $12
         WHERE order_id = $1",
        order.id.as_uuid(),
        terms.customer_email.as_str(),
        terms.customer_name,
        terms.stripe_customer_id.as_ref().map(StripeId::as_str),
        terms.stripe_payment_intent_id.as_ref().map(StripeId::as_str),
        terms.tier.as_str(),
        order.state.as_str(),
        terms.amount.currency,
        terms.amount.minor_units,
        order.revisions_left,
        order.update_time,
        order.pay_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Sets the scope's person as the owner of orders that have none and carry the person's verified address. It skips orders that
/// the journal has locked, because a read must not wait. The next access claims those.
pub(crate) async fn claim(conn: &mut PgConnection, scope: &Scope) -> Result<(), DbError> {
    let (Some(sub), Some(email)) = (scope.sub(), scope.email()) else { return Ok(()) };
    sqlx::query!(
        "WITH theirs AS MATERIALIZED (
             SELECT order_id FROM orders
             WHERE owner_sub IS NULL AND customer_email = $2
             FOR UPDATE SKIP LOCKED
         )
         UPDATE orders SET owner_sub = $1
         FROM theirs WHERE orders.order_id = theirs.order_id",
        sub,
        email,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gets one order for staff, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: OrderId) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, state, currency, amount_minor, revisions_left, create_time, update_time,
                pay_time
         FROM orders
         WHERE order_id = $1
         FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Removes the owner of an order that `lock` locked.
pub(crate) async fn release(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let released = sqlx::query!(
        "UPDATE orders SET owner_sub = NULL, update_time = $2 WHERE order_id = $1",
        order.id.as_uuid(),
        order.update_time,
    )
    .execute(conn)
    .await?;
    one_row(&released)
}

/// Gets one order, if the scope may see it.
pub(crate) async fn get(
    conn: &mut PgConnection,
    scope: &Scope,
    id: OrderId,
) -> Result<Option<Order>, DbError> {
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, state, currency, amount_minor, revisions_left, create_time, update_time,
                pay_time
         FROM orders
         WHERE order_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND customer_email = $3))",
        scope.is_all(),
        scope.sub(),
        scope.email(),
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?
    .map(Order::try_from)
    .transpose()
}

/// Lists the orders that the scope may see, newest first: one page and one more order.
pub(crate) async fn list(
    tx: &mut ListTx,
    scope: &Scope,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Order>>, DbError> {
    // Three branches; the scope enables one or two of them. Each uses its own index in the order of the page. An OR of the
    // conditions would read every order. Each branch needs its own LIMIT, or PostgreSQL reads it whole.
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT order_id AS "order_id!", owner_sub, customer_email AS "customer_email!",
                  customer_name AS "customer_name!", stripe_customer_id,
                  stripe_checkout_session_id AS "stripe_checkout_session_id!", stripe_payment_intent_id,
                  tier AS "tier!", state AS "state!", currency AS "currency!", amount_minor AS "amount_minor!",
                  revisions_left AS "revisions_left!", create_time AS "create_time!", update_time AS "update_time!",
                  pay_time
           FROM (
               (SELECT * FROM orders
                WHERE $1::boolean
                  AND ($4::text IS NULL OR state = $4)
                  AND ($5::text IS NULL OR customer_email = $5)
                  AND ($6::text IS NULL OR stripe_checkout_session_id = $6)
                  AND ($7::timestamptz IS NULL OR (create_time, order_id) < ($7, $8::uuid))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM orders
                WHERE NOT $1 AND owner_sub = $2
                  AND ($4 IS NULL OR state = $4)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR stripe_checkout_session_id = $6)
                  AND ($7 IS NULL OR (create_time, order_id) < ($7, $8))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM orders
                WHERE NOT $1 AND owner_sub IS NULL AND customer_email = $3
                  AND ($4 IS NULL OR state = $4)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR stripe_checkout_session_id = $6)
                  AND ($7 IS NULL OR (create_time, order_id) < ($7, $8))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
           ) AS seen
           ORDER BY create_time DESC, order_id DESC
           LIMIT $9"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.state.map(State::as_str),
        filter.customer_email.as_ref().map(Email::as_str),
        filter.stripe_checkout_session_id.as_ref().map(StripeId::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("orders", (row.create_time, row.order_id), Order::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    order_id: Uuid,
    owner_sub: Option<String>,
    customer_email: String,
    customer_name: String,
    stripe_customer_id: Option<String>,
    stripe_checkout_session_id: String,
    stripe_payment_intent_id: Option<String>,
    tier: String,
    state: String,
    currency: String,
    amount_minor: i64,
    revisions_left: i32,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    pay_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Order {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let amount = Money { currency: row.currency, minor_units: row.amount_minor };
        if !amount.is_showable() {
            return Err(not_known("amount_minor"));
        }
        let terms = Terms {
            tier: known("tier", &row.tier)?,
            amount,
            customer_email: known("customer_email", &row.customer_email)?,
            customer_name: row.customer_name,
            stripe_customer_id: known_if_any("stripe_customer_id", row.stripe_customer_id.as_deref())?,
            stripe_payment_intent_id: known_if_any(
                "stripe_payment_intent_id",
                row.stripe_payment_intent_id.as_deref(),
            )?,
        };
        Ok(Self {
            id: row.order_id.into(),
            owner_sub: row.owner_sub,
            terms,
            stripe_checkout_session_id: known("stripe_checkout_session_id", &row.stripe_checkout_session_id)?,
            state: known("state", &row.state)?,
            revisions_left: row.revisions_left,
            create_time: row.create_time,
            update_time: row.update_time,
            pay_time: row.pay_time,
        })
    }
}
