//! Tables `withdrawals` and `withdrawal_refunds`. Their rows belong to an order or a subscription that the caller has got, or locked,
//! for its customer.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, not_known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    money::Money,
    order::OrderId,
    refund::RefundId,
    stripe_id::StripeId,
    subscription::SubscriptionId,
    withdrawal::{About, Withdrawal, WithdrawalId},
};

/// Stores a new withdrawal. There is one for each contract; the caller has locked the contract.
pub(crate) async fn insert(conn: &mut PgConnection, withdrawal: &Withdrawal) -> Result<(), DbError> {
    let (order, subscription) = match withdrawal.about {
        About::Order(id) => (Some(id.as_uuid()), None),
        About::Subscription(id) => (None, Some(id.as_uuid())),
    };
    sqlx::query!(
        "INSERT INTO withdrawals (
             withdrawal_id, order_id, subscription_id, state, rule, currency, amount_minor, statement, create_time,
             update_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        withdrawal.id.as_uuid(),
        order,
        subscription,
        withdrawal.state.as_str(),
        withdrawal.rule.as_str(),
        withdrawal.amount.currency,
        withdrawal.amount.minor_units,
        withdrawal.statement,
        withdrawal.create_time,
        withdrawal.update_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The withdrawal from this contract.
pub(crate) async fn of(conn: &mut PgConnection, about: About) -> Result<Option<Withdrawal>, DbError> {
    let row = match about {
        About::Order(id) => {
            sqlx::query_as!(Row, "SELECT * FROM withdrawals WHERE order_id = $1", id.as_uuid())
                .fetch_optional(conn)
                .await?
        }
        About::Subscription(id) => {
            sqlx::query_as!(Row, "SELECT * FROM withdrawals WHERE subscription_id = $1", id.as_uuid())
                .fetch_optional(conn)
                .await?
        }
    };
    row.map(Withdrawal::try_from).transpose()
}

/// Gets a withdrawal.
pub(crate) async fn get(conn: &mut PgConnection, id: WithdrawalId) -> Result<Option<Withdrawal>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM withdrawals WHERE withdrawal_id = $1", id.as_uuid())
        .fetch_optional(conn)
        .await?
        .map(Withdrawal::try_from)
        .transpose()
}

/// Gets a withdrawal, and locks it until the transaction ends.
pub(crate) async fn lock(conn: &mut PgConnection, id: WithdrawalId) -> Result<Option<Withdrawal>, DbError> {
    sqlx::query_as!(Row, "SELECT * FROM withdrawals WHERE withdrawal_id = $1 FOR UPDATE", id.as_uuid())
        .fetch_optional(conn)
        .await?
        .map(Withdrawal::try_from)
        .transpose()
}

/// Saves the state of a withdrawal that was locked.
pub(crate) async fn update(conn: &mut PgConnection, withdrawal: &Withdrawal) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE withdrawals SET state = $2, update_time = $3 WHERE withdrawal_id = $1",
        withdrawal.id.as_uuid(),
        withdrawal.state.as_str(),
        withdrawal.update_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Notes that a refund follows from a withdrawal.
pub(crate) async fn link(
    conn: &mut PgConnection,
    withdrawal: WithdrawalId,
    refund: RefundId,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO withdrawal_refunds (refund_id, withdrawal_id) VALUES ($1, $2)
         ON CONFLICT ON CONSTRAINT withdrawal_refunds_pkey DO NOTHING",
        refund.as_uuid(),
        withdrawal.as_uuid(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The withdrawal that a refund follows from.
pub(crate) async fn of_refund(
    conn: &mut PgConnection,
    refund: RefundId,
) -> Result<Option<WithdrawalId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT withdrawal_id FROM withdrawal_refunds WHERE refund_id = $1",
        refund.as_uuid()
    );
    Ok(id.fetch_optional(conn).await?.map(WithdrawalId::from))
}

/// The withdrawals that wait for a bank's decision about this payment of this customer: from the order of the payment, and from the
/// customer's subscriptions. If the dispute or the subscription names no customer, as a subscription after an erasure, the
/// subscription may be the customer's.
pub(crate) async fn waiting_for(
    conn: &mut PgConnection,
    payment_intent: Option<&StripeId>,
    customer: Option<&StripeId>,
) -> Result<Vec<WithdrawalId>, DbError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT withdrawal_id AS "withdrawal_id!"
           FROM withdrawals
                LEFT JOIN orders ON orders.order_id = ANY (ARRAY[withdrawals.order_id])
                LEFT JOIN subscriptions ON subscriptions.subscription_id = ANY (ARRAY[withdrawals.subscription_id])
           WHERE withdrawals.state = 'WAITING'
             AND (orders.stripe_payment_intent_id = $1
                  OR (withdrawals.subscription_id IS NOT NULL
                      AND coalesce(subscriptions.stripe_customer_id = $2, true)))"#,
        payment_intent.map(StripeId::as_str),
        customer.map(StripeId::as_str),
    );
    Ok(ids.fetch_all(conn).await?.into_iter().map(WithdrawalId::from).collect())
}

/// The person's subscriptions that they withdrew from.
pub(crate) async fn subscriptions_of(
    conn: &mut PgConnection,
    owner_sub: &str,
) -> Result<Vec<SubscriptionId>, DbError> {
    let ids = sqlx::query_scalar!(
        "SELECT subscription_id FROM subscriptions JOIN withdrawals USING (subscription_id) WHERE owner_sub = $1",
        owner_sub
    );
    Ok(ids.fetch_all(conn).await?.into_iter().map(SubscriptionId::from).collect())
}

/// A row as it is stored.
struct Row {
    withdrawal_id: Uuid,
    order_id: Option<Uuid>,
    subscription_id: Option<Uuid>,
    state: String,
    rule: String,
    currency: String,
    amount_minor: i64,
    statement: String,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

impl TryFrom<Row> for Withdrawal {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let about = match (row.order_id, row.subscription_id) {
            (Some(id), _) => About::Order(OrderId::from(id)),
            (None, Some(id)) => About::Subscription(SubscriptionId::from(id)),
            (None, None) => return Err(not_known("order_id")),
        };
        Ok(Self {
            id: row.withdrawal_id.into(),
            about,
            state: known("state", &row.state)?,
            rule: known("rule", &row.rule)?,
            amount: Money { currency: row.currency, minor_units: row.amount_minor },
            statement: row.statement,
            create_time: row.create_time,
            update_time: row.update_time,
        })
    }
}
