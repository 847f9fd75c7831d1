//! Tables `order_events` and `order_notes`. Their rows belong to an order that the caller has got, or locked, with a `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, Tx, known};
use sqlx::PgConnection;

use crate::domain::{
    order::OrderId,
    order_event::{Kind, OrderEvent, Party},
};

/// Appends a step to the history of an order that the transaction has locked. An empty note is not stored.
pub(crate) async fn append(
    tx: &mut Tx,
    order_id: OrderId,
    kind: Kind,
    party: Party,
    note: &str,
) -> Result<(), DbError> {
    let now = tx.now().await?;
    sqlx::query!(
        "WITH event AS (
             INSERT INTO order_events (order_id, number, kind, party, create_time)
             VALUES ($1, 1 + (SELECT coalesce(max(number), 0) FROM order_events WHERE order_id = $1), $2, $3, $4)
             RETURNING order_id, number
         )
         INSERT INTO order_notes (order_id, number, note)
         SELECT order_id, number, $5 FROM event WHERE $5 <> ''",
        order_id.as_uuid(),
        kind.as_str(),
        party.as_str(),
        now,
        note,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The history of an order, in the order in which it happened.
pub(crate) async fn list(conn: &mut PgConnection, order_id: OrderId) -> Result<Vec<OrderEvent>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT event.kind, event.party, note.note AS "note?", event.create_time
           FROM order_events AS event
           LEFT JOIN order_notes AS note ON note.order_id = $1 AND note.number = ANY (ARRAY[event.number])
           WHERE event.order_id = $1
           ORDER BY event.number"#,
        order_id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(OrderEvent::try_from).collect()
}

/// A row as it is stored.
struct Row {
    kind: String,
    party: String,
    note: Option<String>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for OrderEvent {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            kind: known("kind", &row.kind)?,
            party: known("party", &row.party)?,
            note: row.note.unwrap_or_default(),
            create_time: row.create_time,
        })
    }
}
