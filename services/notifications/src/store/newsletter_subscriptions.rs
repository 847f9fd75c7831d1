//! Table `newsletter_subscriptions`: who was asked whether they want the newsletter, and who said yes.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, known, not_known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    address::AddressHash,
    newsletter::{Subscription, SubscriptionId, Topic},
};

/// A new subscription: the address was entered.
pub(crate) struct NewSubscription<'a> {
    pub(crate) id: SubscriptionId,
    pub(crate) recipient: &'a Email,
    pub(crate) recipient_hash: AddressHash,
    pub(crate) topics: &'a [Topic],
    pub(crate) source: &'a str,
    pub(crate) shown_text: &'a str,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) expire_time: DateTime<Utc>,
}

/// Stores a subscription that is not confirmed yet.
pub(crate) async fn insert(conn: &mut PgConnection, new: &NewSubscription<'_>) -> Result<(), DbError> {
    let topics: Vec<_> = new.topics.iter().map(|topic| topic.as_str().to_owned()).collect();
    sqlx::query!(
        "INSERT INTO newsletter_subscriptions (newsletter_subscription_id, recipient_hash, recipient, categories, source,
                                               shown_text, create_time, expire_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id.as_uuid(),
        new.recipient_hash.as_bytes(),
        new.recipient.as_str(),
        &topics,
        new.source,
        new.shown_text,
        new.create_time,
        new.expire_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How often an address was asked after this instant.
pub(crate) async fn count_since(
    conn: &mut PgConnection,
    recipient: &AddressHash,
    since: DateTime<Utc>,
) -> Result<i64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM newsletter_subscriptions WHERE recipient_hash = $1 AND create_time > $2"#,
        recipient.as_bytes(),
        since,
    )
    .fetch_one(conn)
    .await?;
    Ok(count)
}

/// One subscription.
pub(crate) async fn get(
    conn: &mut PgConnection,
    id: SubscriptionId,
) -> Result<Option<Subscription>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT newsletter_subscription_id, recipient_hash, categories, expire_time, confirm_time
         FROM newsletter_subscriptions WHERE newsletter_subscription_id = $1",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Subscription::try_from).transpose()
}

/// Gets one subscription and locks its row until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    id: SubscriptionId,
) -> Result<Option<Subscription>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT newsletter_subscription_id, recipient_hash, categories, expire_time, confirm_time
         FROM newsletter_subscriptions WHERE newsletter_subscription_id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(Subscription::try_from).transpose()
}

/// Stores when the address confirmed.
pub(crate) async fn confirm(
    conn: &mut PgConnection,
    id: SubscriptionId,
    confirm_time: DateTime<Utc>,
) -> Result<(), DbError> {
    let confirmed = sqlx::query!(
        "UPDATE newsletter_subscriptions SET confirm_time = $2
         WHERE newsletter_subscription_id = $1 AND confirm_time IS NULL",
        id.as_uuid(),
        confirm_time,
    )
    .execute(conn)
    .await?;
    one_row(&confirmed)
}

struct Row {
    newsletter_subscription_id: Uuid,
    recipient_hash: Vec<u8>,
    categories: Vec<String>,
    expire_time: DateTime<Utc>,
    confirm_time: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Subscription {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let topics = row.categories.iter().map(|name| known("categories", name));
        Ok(Self {
            id: row.newsletter_subscription_id.into(),
            recipient_hash: AddressHash::stored(&row.recipient_hash)
                .ok_or_else(|| not_known("recipient_hash"))?,
            topics: topics.collect::<Result<_, _>>()?,
            expire_time: row.expire_time,
            confirm_time: row.confirm_time,
        })
    }
}
