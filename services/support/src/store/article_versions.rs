//! Table `article_versions`. A version never changes.

use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use super::articles::Article;

/// Stores the current version of an article.
pub(crate) async fn insert(conn: &mut PgConnection, article: &Article) -> Result<(), DbError> {
    let content = &article.content;
    sqlx::query!(
        "INSERT INTO article_versions
             (article_id, version, title, summary, tags, questions, body, content_hash, origin, create_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        article.id.as_uuid(),
        article.version,
        content.title,
        content.summary,
        &content.tags,
        &content.questions,
        content.body,
        content.hash(),
        article.origin.as_str(),
        article.update_time,
    )
    .execute(conn)
    .await?;
    Ok(())
}
