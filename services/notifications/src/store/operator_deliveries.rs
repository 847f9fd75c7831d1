//! Table `operator_deliveries`: the outcome of each notice on each channel.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, one_row};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    operator_delivery::OperatorDelivery,
    operator_notice::{Channel, NoticeId},
};

/// Stores a delivery as pending.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    notice: NoticeId,
    channel: Channel,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO operator_deliveries (operator_notice_id, channel) VALUES ($1, $2)",
        notice.as_uuid(),
        channel.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gets one delivery and locks its row until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    notice: NoticeId,
    channel: Channel,
) -> Result<Option<OperatorDelivery>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT operator_notice_id, channel, state, begin_time, unanswered, receipt, failure
         FROM operator_deliveries WHERE operator_notice_id = $1 AND channel = $2 FOR UPDATE",
        notice.as_uuid(),
        channel.as_str(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| Ok(row.read()?.2)).transpose()
}

/// Stores the outcome of a delivery.
pub(crate) async fn update(
    conn: &mut PgConnection,
    notice: NoticeId,
    channel: Channel,
    delivery: &OperatorDelivery,
) -> Result<(), DbError> {
    let updated = sqlx::query!(
        "UPDATE operator_deliveries SET state = $3, begin_time = $4, unanswered = $5, receipt = $6, failure = $7
         WHERE operator_notice_id = $1 AND channel = $2",
        notice.as_uuid(),
        channel.as_str(),
        delivery.state.as_str(),
        delivery.begin_time,
        delivery.unanswered,
        delivery.receipt.as_deref(),
        delivery.failure.as_deref(),
    )
    .execute(conn)
    .await?;
    one_row(&updated)
}

/// The deliveries of these notices, each with its notice and channel.
pub(crate) async fn of_notices(
    conn: &mut PgConnection,
    notices: &[Uuid],
) -> Result<Vec<(NoticeId, Channel, OperatorDelivery)>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT operator_notice_id, channel, state, begin_time, unanswered, receipt, failure
         FROM operator_deliveries WHERE operator_notice_id = ANY ($1) ORDER BY operator_notice_id, channel",
        notices,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

struct Row {
    operator_notice_id: Uuid,
    channel: String,
    state: String,
    begin_time: Option<DateTime<Utc>>,
    unanswered: i32,
    receipt: Option<String>,
    failure: Option<String>,
}

impl Row {
    fn read(self) -> Result<(NoticeId, Channel, OperatorDelivery), DbError> {
        let delivery = OperatorDelivery {
            state: known("state", &self.state)?,
            begin_time: self.begin_time,
            unanswered: self.unanswered,
            receipt: self.receipt,
            failure: self.failure,
        };
        Ok((self.operator_notice_id.into(), known("channel", &self.channel)?, delivery))
    }
}
