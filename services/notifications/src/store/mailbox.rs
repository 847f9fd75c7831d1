//! Table `mailbox`: the mail of the local mailbox.

use chrono::{DateTime, Utc};
use levqor_runtime::{db::DbError, typed_id};
use sqlx::PgConnection;

use crate::domain::message::Mail;

typed_id!(pub(crate) MailboxId, "a mail in the local mailbox");

/// Stores a mail and returns its id. A mail that was stored before is not stored again, and its old id is returned.
pub(crate) async fn take(
    conn: &mut PgConnection,
    mail: &Mail,
    now: DateTime<Utc>,
) -> Result<MailboxId, DbError> {
    let taken = sqlx::query_scalar!(
        "INSERT INTO mailbox (mailbox_id, message_id, sender, recipient, subject, body_text, body_html, receive_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT ON CONSTRAINT mailbox_message DO NOTHING
         RETURNING mailbox_id",
        MailboxId::new_at(now).as_uuid(),
        mail.message_id.as_uuid(),
        mail.sender,
        mail.recipient.as_str(),
        mail.subject,
        mail.text,
        mail.html,
        now,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let id = match taken {
        Some(id) => id,
        None => {
            sqlx::query_scalar!(
                "SELECT mailbox_id FROM mailbox WHERE message_id = $1",
                mail.message_id.as_uuid()
            )
            .fetch_one(conn)
            .await?
        }
    };
    Ok(id.into())
}
