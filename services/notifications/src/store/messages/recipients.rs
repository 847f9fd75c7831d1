//! The messages of one recipient.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, known_if_any},
    email::Email,
};
use sqlx::PgConnection;

use crate::domain::{address::AddressHash, message::MessageId};

/// The address of this hash, as the newest message has it. None if there is no message, or the person was erased.
pub(crate) async fn address(
    conn: &mut PgConnection,
    recipient: &AddressHash,
) -> Result<Option<Email>, DbError> {
    let address = sqlx::query_scalar!(
        "SELECT recipient FROM messages WHERE recipient_hash = $1 ORDER BY create_time DESC LIMIT 1",
        recipient.as_bytes(),
    )
    .fetch_optional(conn)
    .await?;
    known_if_any("recipient", address.flatten().as_deref())
}

/// When the address got its `n`-th newest advertising mail after this instant, without this message. A mail that a provider may have
/// counts too: it is in doubt, or on its way at this moment.
pub(crate) async fn marketing_sent(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    besides: MessageId,
    n: i64,
    since: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let time = sqlx::query_scalar!(
        r#"SELECT got.time AS "time!" FROM (
               SELECT coalesce(m.send_time, (
                          SELECT max(a.begin_time) FROM delivery_attempts AS a
                          WHERE a.message_id = m.message_id AND (a.outcome IS NULL OR a.outcome IN ('ACCEPTED', 'AMBIGUOUS'))
                      )) AS time
               FROM messages AS m
               WHERE m.recipient_hash = $1 AND m.class = 'MARKETING' AND m.state IN ('PENDING', 'SENT', 'IN_DOUBT')
                 AND m.message_id <> $2
           ) AS got
           WHERE got.time > $3 ORDER BY got.time DESC OFFSET $4 LIMIT 1"#,
        recipient.as_bytes(),
        besides.as_uuid(),
        since,
        n - 1,
    )
    .fetch_optional(conn)
    .await?;
    Ok(time)
}
