//! Table `provider_paces`: how fast each provider gets mail.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    class::Class,
    pace::{Pace, Turn},
};

/// Takes the turn of a mail of this class. The lock of the row holds until the transaction ends, so no two mails get one slot.
pub(crate) async fn turn(
    conn: &mut PgConnection,
    provider: &str,
    class: Class,
    interval: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Turn, DbError> {
    let mut pace = lock(conn, provider).await?;
    let turn = pace.turn(class, interval, now);
    sqlx::query!(
        "UPDATE provider_paces SET next_slot_time = $2, next_marketing_try_time = $3, next_other_try_time = $4
         WHERE provider = $1",
        provider,
        pace.next_slot,
        pace.next_marketing_try,
        pace.next_other_try,
    )
    .execute(conn)
    .await?;
    Ok(turn)
}

/// Locks the pace of a provider. The first mail makes its row.
async fn lock(conn: &mut PgConnection, provider: &str) -> Result<Pace, DbError> {
    loop {
        let pace = sqlx::query_as!(
            Pace,
            "SELECT next_slot_time AS next_slot, next_marketing_try_time AS next_marketing_try,
                    next_other_try_time AS next_other_try
             FROM provider_paces WHERE provider = $1 FOR UPDATE",
            provider,
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(pace) = pace {
            return Ok(pace);
        }
        let Pace { next_slot, next_marketing_try, next_other_try } = Pace::UNUSED;
        sqlx::query!(
            "INSERT INTO provider_paces (provider, next_slot_time, next_marketing_try_time, next_other_try_time)
             VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT provider_paces_pkey DO NOTHING",
            provider,
            next_slot,
            next_marketing_try,
            next_other_try,
        )
        .execute(&mut *conn)
        .await?;
    }
}
