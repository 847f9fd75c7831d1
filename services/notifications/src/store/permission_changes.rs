//! Table `permission_changes`: the proof of every permission and of every withdrawal. Rows are only added.

use chrono::{DateTime, Utc};
use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    address::AddressHash,
    newsletter::{PermissionChangeId, SubscriptionId, Topic},
    permit::PermissionState,
};

/// The source of a change, and the shown text.
#[derive(Clone, Copy)]
pub(crate) struct Evidence<'a> {
    pub(crate) source: &'a str,
    pub(crate) shown_text: &'a str,
    pub(crate) subscription: Option<SubscriptionId>,
}

/// Adds a change. Returns its id.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    topic: Topic,
    state: PermissionState,
    evidence: &Evidence<'_>,
    now: DateTime<Utc>,
) -> Result<PermissionChangeId, DbError> {
    let id = PermissionChangeId::new_at(now);
    sqlx::query!(
        "INSERT INTO permission_changes (permission_change_id, recipient_hash, category, state, source, shown_text,
                                         newsletter_subscription_id, change_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.as_uuid(),
        recipient.as_bytes(),
        topic.as_str(),
        state.as_str(),
        evidence.source,
        evidence.shown_text,
        evidence.subscription.map(SubscriptionId::as_uuid),
        now,
    )
    .execute(conn)
    .await?;
    Ok(id)
}
