//! Table `messages`: how a message is settled, and how it becomes pending again.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, one_row};
use sqlx::PgConnection;

use crate::domain::message::{MessageId, Outcome};

/// Stores the outcome of a message that was pending or in doubt.
pub(crate) async fn settle(conn: &mut PgConnection, id: MessageId, outcome: &Outcome) -> Result<(), DbError> {
    let settled = match outcome {
        Outcome::Sent { receipt, send_time } => {
            sqlx::query!(
                "UPDATE messages
                 SET state = 'SENT', provider = $2, provider_message_id = $3, send_time = $4, doubt = NULL
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                receipt.provider,
                receipt.provider_message_id,
                send_time,
            )
            .execute(conn)
            .await?
        }
        Outcome::Failed { failure } => {
            sqlx::query!(
                "UPDATE messages SET state = 'FAILED', failure = $2, doubt = NULL
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                failure,
            )
            .execute(conn)
            .await?
        }
        Outcome::Suppressed { reason } => {
            sqlx::query!(
                "UPDATE messages SET state = 'SUPPRESSED', suppression = $2
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                reason.as_str(),
            )
            .execute(conn)
            .await?
        }
        Outcome::Cancelled { reason } => {
            sqlx::query!(
                "UPDATE messages SET state = 'CANCELLED', cancellation = $2
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                reason,
            )
            .execute(conn)
            .await?
        }
        Outcome::InDoubt { doubt } => {
            // A message in doubt never gets here. The condition names IN_DOUBT because PostgreSQL could otherwise choose the partial
            // index of the pending messages instead of the primary key.
            sqlx::query!(
                "UPDATE messages SET state = 'IN_DOUBT', doubt = $2
                 WHERE message_id = $1 AND state IN ('PENDING', 'IN_DOUBT')",
                id.as_uuid(),
                doubt,
            )
            .execute(conn)
            .await?
        }
    };
    one_row(&settled)
}

/// Makes a message pending again whose delivery was given up. The round, the provider's key and the sender stay.
pub(crate) async fn take_up_again(conn: &mut PgConnection, id: MessageId) -> Result<(), DbError> {
    let pending = sqlx::query!(
        "UPDATE messages SET state = 'PENDING', doubt = NULL, failure = NULL
         WHERE message_id = $1 AND state IN ('IN_DOUBT', 'FAILED')",
        id.as_uuid(),
    )
    .execute(conn)
    .await?;
    one_row(&pending)
}

/// Makes a message that is not sent pending again, in a new round. The provider gets a new key, so the sender of the mail may
/// change.
pub(crate) async fn begin_round(
    conn: &mut PgConnection,
    id: MessageId,
    round: i32,
    sender: &str,
) -> Result<(), DbError> {
    let pending = sqlx::query!(
        "UPDATE messages
         SET state = 'PENDING', doubt = NULL, failure = NULL, suppression = NULL, cancellation = NULL, round = $2, sender = $3
         WHERE message_id = $1 AND state IN ('IN_DOUBT', 'FAILED', 'SUPPRESSED', 'CANCELLED')",
        id.as_uuid(),
        round,
        sender,
    )
    .execute(conn)
    .await?;
    one_row(&pending)
}

/// Stores a pending copy of a message that was sent, with an id and an `about` of its own. The round is the first, and the sender
/// is that of today's settings.
pub(crate) async fn copy(
    conn: &mut PgConnection,
    original: MessageId,
    copy: MessageId,
    sender: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let copied = sqlx::query!(
        "INSERT INTO messages (message_id, template, template_version, about, recipient, recipient_hash, class, category,
                               requested_by, guard_subject, sender, reply_to, headers, subject, body_text, body_html, state,
                               create_time)
         SELECT $2, template, template_version, about || ':again:' || ($2::uuid)::text, recipient, recipient_hash, class,
                category, requested_by, guard_subject, $3, reply_to, headers, subject, body_text, body_html, 'PENDING', $4
         FROM messages WHERE message_id = $1",
        original.as_uuid(),
        copy.as_uuid(),
        sender,
        now,
    )
    .execute(conn)
    .await?;
    one_row(&copied)
}
