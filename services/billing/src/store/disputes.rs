//! Table `disputes`: payments that a customer's bank asks about or has taken back.

use levqor_runtime::db::{DbError, Tx, known};
use sqlx::PgConnection;

use crate::domain::{
    dispute::{State, StripeDispute},
    stripe_id::StripeId,
};

/// Stores Stripe's state of a dispute, if it is higher than the stored one. Returns the state before; `None` if the dispute is
/// new.
pub(crate) async fn mirror(tx: &mut Tx, dispute: &StripeDispute) -> Result<Option<State>, DbError> {
    let now = tx.now().await?;
    let before = sqlx::query_scalar!(
        "SELECT state FROM disputes WHERE stripe_dispute_id = $1 FOR UPDATE",
        dispute.id.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?;
    let before: Option<State> = before.map(|state| known("state", &state)).transpose()?;
    let state = before.map_or(dispute.state, |before| before.max(dispute.state));
    sqlx::query!(
        "INSERT INTO disputes (
             stripe_dispute_id, stripe_payment_intent_id, stripe_customer_id, state, is_inquiry, currency, amount_minor,
             reason, due_time, create_time, update_time
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         ON CONFLICT (stripe_dispute_id) DO UPDATE
         SET state = excluded.state, is_inquiry = disputes.is_inquiry AND excluded.is_inquiry,
             due_time = excluded.due_time, update_time = excluded.update_time",
        dispute.id.as_str(),
        dispute.payment_intent_id.as_ref().map(StripeId::as_str),
        dispute.customer_id.as_ref().map(StripeId::as_str),
        state.as_str(),
        dispute.is_inquiry,
        dispute.amount.currency,
        dispute.amount.minor_units,
        dispute.reason,
        dispute.due_time,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(before)
}

/// The states of the disputes of a payment in which the bank has taken the money back.
pub(crate) async fn of_payment(
    conn: &mut PgConnection,
    payment_intent: &StripeId,
) -> Result<Vec<State>, DbError> {
    let states = sqlx::query_scalar!(
        "SELECT state FROM disputes WHERE stripe_payment_intent_id = $1 AND NOT is_inquiry",
        payment_intent.as_str(),
    )
    .fetch_all(conn)
    .await?;
    states.iter().map(|state| known("state", state)).collect()
}

/// Whether this customer disputes a payment, or a dispute was decided against us. Then the entitlements are held.
pub(crate) async fn hold(conn: &mut PgConnection, customer: &StripeId) -> Result<bool, DbError> {
    let held = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM disputes
               WHERE stripe_customer_id = $1 AND state IN ('OPEN', 'LOST') AND NOT is_inquiry
           ) AS "held!""#,
        customer.as_str(),
    );
    Ok(held.fetch_one(conn).await?)
}
