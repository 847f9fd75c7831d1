//! Table `status_subscribers`. The token of a link is the only permission to confirm or end a subscription, so nothing here takes a
//! `Scope`.

use chrono::{DateTime, Utc};
use levqor_runtime::{
    db::{DbError, known, one_row},
    email::Email,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    secret_token::SecretToken,
    status_subscriber::{Subscriber, SubscriberId},
};

/// Stores a new subscriber, unless the address has a row already.
pub(crate) async fn insert_if_new(conn: &mut PgConnection, subscriber: &Subscriber) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO status_subscribers (subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (email) DO NOTHING",
        subscriber.id.as_uuid(),
        subscriber.email.as_str(),
        subscriber.token,
        subscriber.ask_count,
        subscriber.ask_time,
        subscriber.confirm_time,
        subscriber.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The subscriber with this address, locked until the transaction ends.
pub(crate) async fn lock_by_email(
    conn: &mut PgConnection,
    email: &Email,
) -> Result<Option<Subscriber>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time
         FROM status_subscribers WHERE email = $1 FOR UPDATE",
        email.as_str(),
    );
    row.fetch_optional(conn).await?.map(Subscriber::try_from).transpose()
}

/// The subscriber with this token.
pub(crate) async fn get(conn: &mut PgConnection, token: &SecretToken) -> Result<Option<Subscriber>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time
         FROM status_subscribers WHERE token = $1",
        token.to_text(),
    );
    row.fetch_optional(conn).await?.map(Subscriber::try_from).transpose()
}

/// The subscriber with this token, locked until the transaction ends.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    token: &SecretToken,
) -> Result<Option<Subscriber>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time
         FROM status_subscribers WHERE token = $1 FOR UPDATE",
        token.to_text(),
    );
    row.fetch_optional(conn).await?.map(Subscriber::try_from).transpose()
}

/// Saves a subscriber that is locked.
pub(crate) async fn save(conn: &mut PgConnection, subscriber: &Subscriber) -> Result<(), DbError> {
    let saved = sqlx::query!(
        "UPDATE status_subscribers SET ask_count = $2, ask_time = $3, confirm_time = $4 WHERE subscriber_id = $1",
        subscriber.id.as_uuid(),
        subscriber.ask_count,
        subscriber.ask_time,
        subscriber.confirm_time,
    )
    .execute(conn)
    .await?;
    one_row(&saved)
}

/// Deletes the subscriber with this token, if there is one.
pub(crate) async fn delete(conn: &mut PgConnection, token: &SecretToken) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM status_subscribers WHERE token = $1", token.to_text()).execute(conn).await?;
    Ok(())
}

/// Subscribers who confirmed, in the order of their ids, after this one.
pub(crate) async fn confirmed_after(
    conn: &mut PgConnection,
    after: Option<SubscriberId>,
    most: i64,
) -> Result<Vec<Subscriber>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT subscriber_id, email, token, ask_count, ask_time, confirm_time, create_time
         FROM status_subscribers
         WHERE confirm_time IS NOT NULL AND subscriber_id > $1
         ORDER BY subscriber_id
         LIMIT $2",
        after.map_or(Uuid::nil(), SubscriberId::as_uuid),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Subscriber::try_from).collect()
}

/// A row as it is stored.
struct Row {
    subscriber_id: Uuid,
    email: String,
    token: String,
    ask_count: i32,
    ask_time: DateTime<Utc>,
    confirm_time: Option<DateTime<Utc>>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Subscriber {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.subscriber_id.into(),
            email: known("email", &row.email)?,
            token: row.token,
            ask_count: row.ask_count,
            ask_time: row.ask_time,
            confirm_time: row.confirm_time,
            create_time: row.create_time,
        })
    }
}
