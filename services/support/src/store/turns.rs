//! Table `turns`. Callers check the access to the conversation, so nothing here takes a claim.

use chrono::{DateTime, Utc};
use levqor_runtime::db::{DbError, known, known_if_any};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::{
    article::{ArticleId, Slug},
    conversation::ConversationId,
    turn::{HandOffReason, Source, Turn},
};

/// Stores a turn, or replaces the one at its place: a burst of messages gets a new answer with each message.
pub(crate) async fn save(conn: &mut PgConnection, id: ConversationId, turn: &Turn) -> Result<(), DbError> {
    let slugs: Vec<_> = turn.sources.iter().map(|source| source.slug.as_str().to_owned()).collect();
    let headings: Vec<_> = turn.sources.iter().map(|source| source.heading.clone()).collect();
    let titles: Vec<_> = turn.sources.iter().map(|source| source.title.clone()).collect();
    let article_ids: Vec<_> = turn.sources.iter().map(|source| source.article_id.as_uuid()).collect();
    sqlx::query!(
        r#"INSERT INTO turns
               (conversation_id, "position", customer_text, message_count, last_message_time, outcome, reply, offers_person,
                hand_off_reason, not_helpful, source_slugs, source_headings, source_titles, source_article_ids, create_time)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
           ON CONFLICT (conversation_id, "position") DO UPDATE
           SET customer_text = excluded.customer_text, message_count = excluded.message_count,
               last_message_time = excluded.last_message_time, outcome = excluded.outcome, reply = excluded.reply,
               offers_person = excluded.offers_person, hand_off_reason = excluded.hand_off_reason,
               not_helpful = excluded.not_helpful, source_slugs = excluded.source_slugs,
               source_headings = excluded.source_headings, source_titles = excluded.source_titles,
               source_article_ids = excluded.source_article_ids"#,
        id.as_uuid(),
        turn.position,
        turn.customer_text,
        turn.message_count,
        turn.last_message_time,
        turn.outcome.as_str(),
        turn.reply,
        turn.offers_person,
        turn.hand_off_reason.map(HandOffReason::as_str),
        turn.not_helpful,
        &slugs,
        &headings,
        &titles,
        &article_ids,
        turn.create_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The last turns before a position, the last one first.
pub(crate) async fn last(
    conn: &mut PgConnection,
    id: ConversationId,
    before: i32,
    most: i64,
) -> Result<Vec<Turn>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT "position", customer_text, message_count, last_message_time, outcome, reply, offers_person,
                  hand_off_reason, not_helpful, source_slugs, source_headings, source_titles, source_article_ids, create_time
           FROM turns
           WHERE conversation_id = $1 AND "position" < $2
           ORDER BY "position" DESC
           LIMIT $3"#,
        id.as_uuid(),
        before,
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Turn::try_from).collect()
}

/// A row as it is stored.
struct Row {
    position: i32,
    customer_text: String,
    message_count: i32,
    last_message_time: Option<DateTime<Utc>>,
    outcome: String,
    reply: String,
    offers_person: bool,
    hand_off_reason: Option<String>,
    not_helpful: bool,
    source_slugs: Vec<String>,
    source_headings: Vec<String>,
    source_titles: Vec<String>,
    source_article_ids: Vec<Uuid>,
    create_time: DateTime<Utc>,
}

impl TryFrom<Row> for Turn {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let slugs: Result<Vec<Slug>, DbError> =
            row.source_slugs.iter().map(|slug| known("source_slugs", slug)).collect();
        let texts = row.source_titles.into_iter().zip(row.source_headings);
        let sources = slugs?.into_iter().zip(row.source_article_ids).zip(texts);
        let sources = sources.map(|((slug, id), (title, heading))| Source {
            article_id: ArticleId::from(id),
            slug,
            title,
            heading,
        });
        Ok(Self {
            position: row.position,
            customer_text: row.customer_text,
            message_count: row.message_count,
            last_message_time: row.last_message_time,
            outcome: known("outcome", &row.outcome)?,
            reply: row.reply,
            offers_person: row.offers_person,
            hand_off_reason: known_if_any("hand_off_reason", row.hand_off_reason.as_deref())?,
            not_helpful: row.not_helpful,
            sources: sources.collect(),
            create_time: row.create_time,
        })
    }
}
