//! Table `model_calls`. Callers check the access to the conversation, so nothing here takes a claim.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    conversation::ConversationId,
    model_call::{ModelCall, ModelCallId},
    turn::Turn,
};

/// Stores a question to the model, which was asked for a turn.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    conversation_id: ConversationId,
    turn: &Turn,
    model: &str,
    call: &ModelCall,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let count = |tokens: u32| i32::try_from(tokens).unwrap_or(i32::MAX);
    sqlx::query!(
        r#"INSERT INTO model_calls
               (model_call_id, conversation_id, "position", model, outcome, tokens_read, tokens_written, duration_ms, create_time)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
        ModelCallId::new_at(now).as_uuid(),
        conversation_id.as_uuid(),
        turn.position,
        model,
        call.outcome.as_str(),
        count(call.tokens.read),
        count(call.tokens.written),
        i32::try_from(call.took.as_millis()).unwrap_or(i32::MAX),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}
