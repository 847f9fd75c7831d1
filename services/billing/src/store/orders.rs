//! Table `orders`. A function that a customer's call can reach takes a `Scope` and puts it into the `WHERE`.

pub(crate) mod counts;
mod due;
mod payment;
pub(crate) mod upgrades;

use chrono::{DateTime, Utc};
use levqor_runtime::{
    context::Scope,
    db::{DbError, ListTx, Listed, Page, known, known_if_any, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

pub(crate) use self::{
    due::{lock_overdue, lock_silently_accepted},
    payment::{lock_by_id, lock_by_payment, lock_by_session, set_session},
};

use crate::domain::{
    money::Money,
    order::{DisputeState, FulfilmentState, Order, OrderId, PaymentState},
    sale::Terms,
    stripe_id::StripeId,
};

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) payment_state: Option<PaymentState>,
    pub(crate) fulfilment_state: Option<FulfilmentState>,
    pub(crate) customer_email: Option<Email>,
    pub(crate) stripe_checkout_session_id: Option<StripeId>,
    pub(crate) owner_sub: Option<String>,
}

/// Stores a new order. `orders_stripe_checkout_session_id_key` refuses a second order of the same checkout session; the retry
/// then finds the first.
pub(crate) async fn insert(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let terms = &order.terms;
    sqlx::query!(
        "INSERT INTO orders (
             order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
             stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
             paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)",
        order.id.as_uuid(),
        order.owner_sub,
        terms.customer_email.as_str(),
        terms.customer_name,
        terms.stripe_customer_id.as_ref().map(StripeId::as_str),
        order.stripe_checkout_session_id.as_ref().map(StripeId::as_str),
        terms.stripe_payment_intent_id.as_ref().map(StripeId::as_str),
        terms.tier.as_str(),
        order.payment_state.as_str(),
        order.dispute_state.as_str(),
        order.fulfilment_state.map(FulfilmentState::as_str),
        terms.amount.currency,
        terms.amount.minor_units,
        order.paid_minor,
        order.refunded_minor,
        order.revisions_left,
        order.create_time,
        order.update_time,
        order.pay_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves the changes that an event of Stripe made to a locked order. It writes neither the owner nor the steps of the work,
/// because events never change them; only the end of the work follows from a refund.
pub(crate) async fn update(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let terms = &order.terms;
    let saved = sqlx::query!(
        "UPDATE orders
         SET customer_email = $2, customer_name = $3, stripe_customer_id = $4, stripe_payment_intent_id = $5, tier = $6,
             payment_state = $7, dispute_state = $8, fulfilment_state = $9, currency = $10, amount_minor = $11,
             paid_minor = $12, refunded_minor = $13, revisions_left = $14, update_time = $15, pay_time = $16
         WHERE order_id = $1",
        order.id.as_uuid(),
        terms.customer_email.as_str(),
        terms.customer_name,
        terms.stripe_customer_id.as_ref().map(StripeId::as_str),
        terms.stripe_payment_intent_id.as_ref().map(StripeId::as_str),
        terms.tier.as_str(),
        order.payment_state.as_str(),
        order.dispute_state.as_str(),
        order.fulfilment_state.map(FulfilmentState::as_str),
        terms.amount.currency,
        terms.amount.minor_units,
        order.paid_minor,
        order.refunded_minor,
        order.revisions_left,
        order.update_time,
        order.pay_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Saves a step of the work on an order that is locked.
pub(crate) async fn update_work(conn: &mut PgConnection, order: &Order) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE orders
         SET fulfilment_state = $2, revisions_left = $3, update_time = $4, submit_time = $5, due_time = $6,
             overdue_time = $7, deliver_time = $8, accept_time = $9
         WHERE order_id = $1",
        order.id.as_uuid(),
        order.fulfilment_state.map(FulfilmentState::as_str),
        order.revisions_left,
        order.update_time,
        order.submit_time,
        order.due_time,
        order.overdue_time,
        order.deliver_time,
        order.accept_time,
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

/// Claims and gets one order, if the scope may see it, and locks it until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    scope: &Scope,
    id: OrderId,
) -> Result<Option<Order>, DbError> {
    claim(conn, scope).await?;
    sqlx::query_as!(
        Row,
        "SELECT order_id, owner_sub, customer_email, customer_name, stripe_customer_id, stripe_checkout_session_id,
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
         FROM orders
         WHERE order_id = $4
           AND ($1::boolean OR owner_sub = $2 OR (owner_sub IS NULL AND customer_email = $3))
         FOR UPDATE",
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
                stripe_payment_intent_id, tier, payment_state, dispute_state, fulfilment_state, currency, amount_minor,
                paid_minor, refunded_minor, revisions_left, create_time, update_time, pay_time, submit_time, due_time,
                overdue_time, deliver_time, accept_time
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
                  stripe_checkout_session_id, stripe_payment_intent_id,
                  tier AS "tier!", payment_state AS "payment_state!", dispute_state AS "dispute_state!",
                  fulfilment_state, currency AS "currency!", amount_minor AS "amount_minor!",
                  paid_minor AS "paid_minor!", refunded_minor AS "refunded_minor!",
                  revisions_left AS "revisions_left!", create_time AS "create_time!", update_time AS "update_time!",
                  pay_time, submit_time, due_time, overdue_time, deliver_time, accept_time
           FROM (
               (SELECT * FROM orders
                WHERE $1::boolean
                  AND ($4::text IS NULL OR payment_state = $4)
                  AND ($10::text IS NULL OR fulfilment_state = $10)
                  AND ($5::text IS NULL OR customer_email = $5)
                  AND ($6::text IS NULL OR stripe_checkout_session_id = $6)
                  AND ($11::text IS NULL OR owner_sub = $11)
                  AND ($7::timestamptz IS NULL OR (create_time, order_id) < ($7, $8::uuid))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM orders
                WHERE NOT $1 AND owner_sub = $2
                  AND ($4 IS NULL OR payment_state = $4)
                  AND ($10 IS NULL OR fulfilment_state = $10)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR stripe_checkout_session_id = $6)
                  AND ($11 IS NULL OR owner_sub = $11)
                  AND ($7 IS NULL OR (create_time, order_id) < ($7, $8))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
               UNION ALL
               (SELECT * FROM orders
                WHERE NOT $1 AND owner_sub IS NULL AND customer_email = $3
                  AND ($4 IS NULL OR payment_state = $4)
                  AND ($10 IS NULL OR fulfilment_state = $10)
                  AND ($5 IS NULL OR customer_email = $5)
                  AND ($6 IS NULL OR stripe_checkout_session_id = $6)
                  AND ($11 IS NULL OR owner_sub = $11)
                  AND ($7 IS NULL OR (create_time, order_id) < ($7, $8))
                ORDER BY create_time DESC, order_id DESC
                LIMIT $9)
           ) AS seen
           ORDER BY create_time DESC, order_id DESC
           LIMIT $9"#,
        scope.is_all(),
        scope.sub(),
        scope.email(),
        filter.payment_state.map(PaymentState::as_str),
        filter.customer_email.as_ref().map(Email::as_str),
        filter.stripe_checkout_session_id.as_ref().map(StripeId::as_str),
        page.after_time(),
        page.after_id(),
        page.limit(),
        filter.fulfilment_state.map(FulfilmentState::as_str),
        filter.owner_sub,
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
    stripe_checkout_session_id: Option<String>,
    stripe_payment_intent_id: Option<String>,
    tier: String,
    payment_state: String,
    dispute_state: String,
    fulfilment_state: Option<String>,
    currency: String,
    amount_minor: i64,
    paid_minor: i64,
    refunded_minor: i64,
    revisions_left: i32,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    pay_time: Option<DateTime<Utc>>,
    submit_time: Option<DateTime<Utc>>,
    due_time: Option<DateTime<Utc>>,
    overdue_time: Option<DateTime<Utc>>,
    deliver_time: Option<DateTime<Utc>>,
    accept_time: Option<DateTime<Utc>>,
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
            stripe_checkout_session_id: known_if_any(
                "stripe_checkout_session_id",
                row.stripe_checkout_session_id.as_deref(),
            )?,
            payment_state: known("payment_state", &row.payment_state)?,
            dispute_state: known::<DisputeState>("dispute_state", &row.dispute_state)?,
            fulfilment_state: known_if_any("fulfilment_state", row.fulfilment_state.as_deref())?,
            paid_minor: row.paid_minor,
            refunded_minor: row.refunded_minor,
            revisions_left: row.revisions_left,
            create_time: row.create_time,
            update_time: row.update_time,
            pay_time: row.pay_time,
            submit_time: row.submit_time,
            due_time: row.due_time,
            overdue_time: row.overdue_time,
            deliver_time: row.deliver_time,
            accept_time: row.accept_time,
        })
    }
}

/// The orders of these people whose work is not accepted, whose payment is not settled, or that are disputed.
pub(crate) async fn open_of(
    conn: &mut PgConnection,
    subs: &[String],
    emails: &[String],
) -> Result<Vec<OrderId>, DbError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT order_id AS "order_id!" FROM (
               (SELECT order_id, payment_state, fulfilment_state, dispute_state FROM orders WHERE owner_sub = ANY($1))
               UNION ALL
               (SELECT order_id, payment_state, fulfilment_state, dispute_state FROM orders
                WHERE owner_sub IS NULL AND customer_email = ANY($2))
           ) AS theirs
           WHERE payment_state = 'PENDING' OR fulfilment_state NOT IN ('ACCEPTED', 'ENDED') OR dispute_state = 'OPEN'
           ORDER BY order_id
           LIMIT 100"#,
        subs,
        emails,
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(Into::into).collect())
}
