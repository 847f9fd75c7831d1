//! Tables `passages` and `questions`: the texts that are compared with a customer's question.

use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::{
    article::{ArticleId, Content},
    markdown,
    ranking::{Alike, Asked, Candidate},
};

/// A passage to quote.
pub(crate) struct Passage {
    pub(crate) heading: String,
    pub(crate) body: String,
}

/// A passage that staff found.
pub(crate) struct Hit {
    pub(crate) article_id: ArticleId,
    pub(crate) title: String,
    pub(crate) heading: String,
    pub(crate) snippet: String,
}

/// Removes the passages and the questions of an article.
pub(crate) async fn remove(conn: &mut PgConnection, id: ArticleId) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM passages WHERE article_id = $1", id.as_uuid()).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM questions WHERE article_id = $1", id.as_uuid()).execute(conn).await?;
    Ok(())
}

/// Stores the passages and the questions of an article in place of those that it had.
pub(crate) async fn replace(
    conn: &mut PgConnection,
    id: ArticleId,
    content: &Content,
) -> Result<(), DbError> {
    remove(conn, id).await?;
    let (headings, bodies): (Vec<_>, Vec<_>) =
        markdown::passages(&content.body).into_iter().map(|passage| (passage.heading, passage.body)).unzip();
    sqlx::query!(
        r#"INSERT INTO passages (article_id, "position", title, tags, summary, heading, body)
           SELECT $1, place::integer, $2, $3, $4, heading, body
           FROM unnest($5::text[], $6::text[]) WITH ORDINALITY AS cut (heading, body, place)"#,
        id.as_uuid(),
        content.title,
        content.tags.join(" . "),
        content.summary,
        &headings,
        &bodies,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"INSERT INTO questions (article_id, "position", question)
           SELECT $1, place::integer, question FROM unnest($2::text[]) WITH ORDINALITY AS asked (question, place)"#,
        id.as_uuid(),
        &content.questions,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The passages of an article with their positions, in their order.
pub(crate) async fn of_article(
    conn: &mut PgConnection,
    id: ArticleId,
) -> Result<Vec<(i32, Passage)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT "position", heading, body FROM passages WHERE article_id = $1 ORDER BY "position""#,
        id.as_uuid(),
    )
    .fetch_all(conn)
    .await?;
    let passage = |heading, body| Passage { heading, body };
    Ok(rows.into_iter().map(|row| (row.position, passage(row.heading, row.body))).collect())
}

/// Finds the passages with any of these words, the best first.
pub(crate) async fn find(
    conn: &mut PgConnection,
    lexemes: &[String],
    most: i32,
) -> Result<Vec<Candidate>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT article_id AS "article_id!", "position" AS "position!", rank AS "rank!", in_title AS "in_title!",
                  in_heading AS "in_heading!", in_body AS "in_body!", in_summary AS "in_summary!"
           FROM search_passages($1, $2)"#,
        lexemes,
        most,
    )
    .fetch_all(conn)
    .await?;
    let candidates = rows.into_iter().map(|row| Candidate {
        article_id: row.article_id.into(),
        position: row.position,
        closeness: f64::from(row.rank),
        in_title: row.in_title,
        in_heading: row.in_heading,
        in_body: row.in_body,
        in_summary: row.in_summary,
    });
    Ok(candidates.collect())
}

/// Finds the questions with any of these words.
pub(crate) async fn find_questions(
    conn: &mut PgConnection,
    lexemes: &[String],
    most: i32,
) -> Result<Vec<Asked>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT article_id AS "article_id!", lexemes AS "lexemes!" FROM search_questions($1, $2)"#,
        lexemes,
        most,
    )
    .fetch_all(conn)
    .await?;
    let asked = |id: uuid::Uuid, words| Asked { article_id: id.into(), words };
    Ok(rows.into_iter().map(|row| asked(row.article_id, row.lexemes)).collect())
}

/// The articles with a question that looks like this one, if the server can tell.
pub(crate) async fn alike(conn: &mut PgConnection, question: &str) -> Result<Vec<Alike>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT article_id AS "article_id!", likeness AS "likeness!" FROM similar_questions($1)"#,
        question,
    )
    .fetch_all(conn)
    .await?;
    let alike =
        |id: uuid::Uuid, likeness: f32| Alike { article_id: id.into(), likeness: f64::from(likeness) };
    Ok(rows.into_iter().map(|row| alike(row.article_id, row.likeness)).collect())
}

/// Finds passages with the words of a search box.
pub(crate) async fn search(conn: &mut PgConnection, words: &str, most: i32) -> Result<Vec<Hit>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT article_id AS "article_id!", title AS "title!", heading AS "heading!", snippet AS "snippet!"
           FROM search_passages_for_staff($1, $2)"#,
        words,
        most,
    )
    .fetch_all(conn)
    .await?;
    let hits = rows.into_iter().map(|row| Hit {
        article_id: row.article_id.into(),
        title: row.title,
        heading: row.heading,
        snippet: row.snippet,
    });
    Ok(hits.collect())
}
