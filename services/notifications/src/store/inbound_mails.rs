//! Table `inbound_mails`: the mails that the provider received for us.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known};
use sqlx::PgConnection;

use crate::domain::inbound_mail::{InboundMailId, InboundState};

/// A received mail.
pub(crate) struct InboundMail {
    pub(crate) provider_mail_id: String,
    pub(crate) state: InboundState,
    pub(crate) receive_time: DateTime<Utc>,
}

/// Stores a mail that the provider reported. Returns its id, and whether it is new.
pub(crate) async fn announce(
    conn: &mut PgConnection,
    id: InboundMailId,
    provider: &str,
    provider_mail_id: &str,
    receive_time: DateTime<Utc>,
) -> Result<(InboundMailId, bool), DbError> {
    let inserted = sqlx::query!(
        "INSERT INTO inbound_mails (inbound_mail_id, provider, provider_mail_id, receive_time)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT inbound_mails_mail DO NOTHING",
        id.as_uuid(),
        provider,
        provider_mail_id,
        receive_time,
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 1 {
        return Ok((id, true));
    }
    let known = sqlx::query_scalar!(
        "SELECT inbound_mail_id FROM inbound_mails WHERE provider = $1 AND provider_mail_id = $2",
        provider,
        provider_mail_id,
    )
    .fetch_one(conn)
    .await?;
    Ok((known.into(), false))
}

/// Gets one mail.
pub(crate) async fn get(conn: &mut PgConnection, id: InboundMailId) -> Result<Option<InboundMail>, DbError> {
    let row = sqlx::query!(
        "SELECT provider_mail_id, state, receive_time FROM inbound_mails WHERE inbound_mail_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(InboundMail {
            provider_mail_id: row.provider_mail_id,
            state: known("state", &row.state)?,
            receive_time: row.receive_time,
        })
    })
    .transpose()
}

/// Settles a mail. Returns false if it was settled before.
pub(crate) async fn settle(
    conn: &mut PgConnection,
    id: InboundMailId,
    state: InboundState,
) -> Result<bool, DbError> {
    let settled = sqlx::query!(
        "UPDATE inbound_mails SET state = $2, settle_time = runtime.now()
         WHERE inbound_mail_id = $1 AND state = 'ANNOUNCED'",
        id.as_uuid(),
        state.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(settled.rows_affected() == 1)
}
