//! Table `order_intakes`. Its rows belong to an order that the caller has got, or locked, with a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::{PgConnection, types::Json};

use crate::domain::{intake_form::Answers, order::OrderId};

/// The answers of an order's form, and when they last changed.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) answers: Answers,
    /// `None` before the first answer.
    pub(crate) update_time: Option<DateTime<Utc>>,
}

/// Gets the answers of an order's form. There are none before the first was saved.
pub(crate) async fn get(conn: &mut PgConnection, order_id: OrderId) -> Result<Draft, DbError> {
    let row = sqlx::query!(
        r#"SELECT answers AS "answers: Json<Answers>", update_time FROM order_intakes WHERE order_id = $1"#,
        order_id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    let draft = row.map(|row| Draft { answers: row.answers.0, update_time: Some(row.update_time) });
    Ok(draft.unwrap_or_default())
}

/// Saves the answers of an order that the transaction has locked.
pub(crate) async fn save(
    conn: &mut PgConnection,
    order_id: OrderId,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO order_intakes (order_id, answers, update_time) VALUES ($1, $2, $3)
         ON CONFLICT (order_id) DO UPDATE SET answers = excluded.answers, update_time = excluded.update_time",
        order_id.as_uuid(),
        Json(answers) as _,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
