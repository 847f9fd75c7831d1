//! Measures the search with labelled questions (`evaluation/`): whether the right article is among the first three, and whether a
//! question that no article answers gets no answer.

use levqor_runtime::db::DbError;

use crate::{Support, assistant, store::articles};

/// The search results for a question.
#[derive(Debug)]
pub struct Found {
    /// The names of the best articles, at most three, the best first.
    pub articles: Vec<String>,
    /// Whether the assistant would answer, and not say that it does not know.
    pub answers: bool,
}

/// Searches for a question as the assistant does.
pub async fn search(support: &Support, question: &str) -> Result<Found, DbError> {
    support.library.ready(&support.chassis.db).await?;
    let mut conn = support.chassis.db.acquire().await?;
    let ranked = assistant::rank(&mut conn, &support.wordings, question).await?;
    let mut articles = Vec::new();
    for passage in ranked.iter().take(3) {
        if let Some(article) = articles::get_by_id(&mut conn, passage.article_id).await? {
            articles.push(article.slug.as_str().to_owned());
        }
    }
    Ok(Found { articles, answers: ranked.first().is_some_and(|passage| passage.answers) })
}
