//! Table `refunds`: money that goes back to a customer. A caller locks the payment first.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, ListTx, Listed, Page, known, known_if_any, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    money::Money,
    order::OrderId,
    refund::{Refund, RefundId, State},
    stripe_id::StripeId,
    withdrawal::WithdrawalId,
};

/// The filter of a list.
pub(crate) struct Filter {
    pub(crate) state: Option<State>,
    pub(crate) order_id: Option<OrderId>,
}

/// Locks a payment until the transaction ends. Every transaction that changes its refunds, its disputes or its order takes this
/// lock, except that of a refusal (`mirror::payments::refuse_refund`), which says why it needs none. So a later transaction sees the
/// changes of the earlier one, even if no row existed that could be locked.
pub(crate) async fn lock_payment(conn: &mut PgConnection, payment_intent: &StripeId) -> Result<(), DbError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('stripe payment ' || $1, 0))",
        payment_intent.as_str(),
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Gets a refund, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: RefundId) -> Result<Option<Refund>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM refunds WHERE refund_id = $1 FOR UPDATE", id.as_uuid())
        .fetch_optional(conn)
        .await?
        .map(Refund::try_from)
        .transpose()
}

/// Gets the refund with this id at Stripe, and locks it until the transaction ends.
pub(crate) async fn lock_by_stripe(
    conn: &mut PgConnection,
    id: &StripeId,
) -> Result<Option<Refund>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM refunds WHERE stripe_refund_id = $1 FOR UPDATE", id.as_str())
        .fetch_optional(conn)
        .await?
        .map(Refund::try_from)
        .transpose()
}

/// All refunds of a payment.
pub(crate) async fn of_payment(
    conn: &mut PgConnection,
    payment_intent: &StripeId,
) -> Result<Vec<Refund>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT * FROM refunds WHERE stripe_payment_intent_id = $1 ORDER BY create_time, refund_id",
        payment_intent.as_str()
    );
    rows.fetch_all(conn).await?.into_iter().map(Refund::try_from).collect()
}

/// The refunds that follow from a withdrawal.
pub(crate) async fn of_withdrawal(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
) -> Result<Vec<Refund>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT refunds.* FROM withdrawal_refunds JOIN refunds USING (refund_id) WHERE withdrawal_id = $1",
        withdrawal.as_uuid()
    );
    rows.fetch_all(conn).await?.into_iter().map(Refund::try_from).collect()
}

/// Stores a new refund.
pub(crate) async fn insert(conn: &mut PgConnection, refund: &Refund) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO refunds (
             refund_id, order_id, stripe_payment_intent_id, stripe_refund_id, state, currency, amount_minor, reason,
             origin, failure, told, made_time, create_time, update_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        refund.id.as_uuid(),
        refund.order_id.map(OrderId::as_uuid),
        refund.stripe_payment_intent_id.as_ref().map(StripeId::as_str),
        refund.stripe_refund_id.as_ref().map(StripeId::as_str),
        refund.state.as_str(),
        refund.amount.currency,
        refund.amount.minor_units,
        refund.reason,
        refund.origin.as_str(),
        refund.failure,
        refund.told,
        refund.made_time,
        refund.create_time,
        refund.update_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Saves a refund that was locked.
pub(crate) async fn update(conn: &mut PgConnection, refund: &Refund) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE refunds
         SET order_id = $2, stripe_refund_id = $3, state = $4, amount_minor = $5, failure = $6, update_time = $7,
             told = $8, made_time = $9
         WHERE refund_id = $1",
        refund.id.as_uuid(),
        refund.order_id.map(OrderId::as_uuid),
        refund.stripe_refund_id.as_ref().map(StripeId::as_str),
        refund.state.as_str(),
        refund.amount.minor_units,
        refund.failure,
        refund.update_time,
        refund.told,
        refund.made_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Lists the refunds for staff, newest first: one page and one more refund.
pub(crate) async fn list(
    tx: &mut ListTx,
    filter: &Filter,
    page: &Page,
) -> Result<Vec<Listed<Refund>>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT refund_id, order_id, stripe_payment_intent_id, stripe_refund_id, state, currency, amount_minor,
                  reason, origin, failure, told, made_time, create_time, update_time
           FROM refunds
           WHERE ($1::text IS NULL OR state = $1)
             AND ($2::uuid IS NULL OR order_id = $2)
             AND ($3::timestamptz IS NULL OR (create_time, refund_id) < ($3, $4::uuid))
           ORDER BY create_time DESC, refund_id DESC
           LIMIT $5"#,
        filter.state.map(State::as_str),
        filter.order_id.map(OrderId::as_uuid),
        page.after_time(),
        page.after_id(),
        page.limit(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = |row: Row| Listed::new("refunds", (row.create_time, row.refund_id), Refund::try_from(row));
    Ok(rows.into_iter().map(listed).collect())
}

/// A row as it is stored.
struct Row {
    refund_id: Uuid,
    order_id: Option<Uuid>,
    stripe_payment_intent_id: Option<String>,
    stripe_refund_id: Option<String>,
    state: String,
    currency: String,
    amount_minor: i64,
    reason: String,
    origin: String,
    failure: Option<String>,
    told: bool,
    made_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Refund {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.refund_id.into(),
            order_id: row.order_id.map(OrderId::from),
            stripe_payment_intent_id: known_if_any(
                "stripe_payment_intent_id",
                row.stripe_payment_intent_id.as_deref(),
            )?,
            stripe_refund_id: known_if_any("stripe_refund_id", row.stripe_refund_id.as_deref())?,
            state: known("state", &row.state)?,
            amount: Money { currency: row.currency, minor_units: row.amount_minor },
            reason: row.reason,
            origin: known("origin", &row.origin)?,
            failure: row.failure,
            told: row.told,
            made_time: row.made_time,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
