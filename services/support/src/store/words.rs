//! Table `words`: the lexemes of all passages, and how many articles have each.

use levqor_runtime::db::DbError;
use sqlx::PgConnection;

use crate::domain::ranking::Word;

/// Counts the words of all articles again.
pub(crate) async fn recount(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("SELECT recount_words()").execute(conn).await?;
    Ok(())
}

/// The words of a question in the form in which passages have them, and how many articles have each. Words without meaning, such as
/// "the", are left out.
pub(crate) async fn of_question(conn: &mut PgConnection, text: &str) -> Result<Vec<Word>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT asked.lexeme AS "lexeme!",
                  coalesce((SELECT w.articles FROM words AS w WHERE w.word = asked.lexeme), 0) AS "articles!"
           FROM unnest(to_tsvector('english', $1)) AS asked
           ORDER BY 1"#,
        text,
    )
    .fetch_all(conn)
    .await?;
    let word = |lexeme, articles: i32| Word { lexeme, articles: u32::try_from(articles).unwrap_or_default() };
    Ok(rows.into_iter().map(|row| word(row.lexeme, row.articles)).collect())
}

/// The words of each of these texts, in the form in which passages have them.
pub(crate) async fn of_texts(conn: &mut PgConnection, texts: &[String]) -> Result<Vec<Vec<String>>, DbError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT tsvector_to_array(to_tsvector('english', said)) AS "lexemes!"
           FROM unnest($1::text[]) WITH ORDINALITY AS texts (said, place)
           ORDER BY place"#,
        texts,
    )
    .fetch_all(conn)
    .await?)
}

/// Words of the passages that look like this one.
pub(crate) async fn similar(conn: &mut PgConnection, typed: &str) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar!(r#"SELECT word AS "word!" FROM similar_words($1) AS word"#, typed)
        .fetch_all(conn)
        .await?)
}

/// How many articles have a word; with the empty word, how many there are.
pub(crate) async fn articles_with(conn: &mut PgConnection, word: &str) -> Result<u32, DbError> {
    let articles =
        sqlx::query_scalar!("SELECT articles FROM words WHERE word = $1", word).fetch_optional(conn).await?;
    Ok(articles.and_then(|articles| u32::try_from(articles).ok()).unwrap_or_default())
}
