//! Searches the published articles with the words of a search box, for staff.

use levqor_proto_support::v1::{ArticleHit, SearchArticlesRequest, SearchArticlesResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{
    Support,
    domain::text::SearchText,
    error::Error,
    store::{articles, passages},
};

/// The most passages of an answer.
const MAX: i32 = 20;

pub(super) async fn search_articles(
    support: &Support,
    _: Ctx,
    request: SearchArticlesRequest,
) -> Result<SearchArticlesResponse, Error> {
    let query: SearchText = id("query", &request.query)?;
    support.library.ready(&support.chassis.db).await?;
    let mut conn = support.chassis.db.acquire().await?;
    let mut hits = Vec::new();
    for hit in passages::search(&mut conn, query.as_str(), MAX).await? {
        if let Some(article) = articles::get_by_id(&mut conn, hit.article_id).await? {
            hits.push(ArticleHit {
                slug: article.slug.as_str().to_owned(),
                title: hit.title,
                heading: hit.heading,
                snippet: hit.snippet,
            });
        }
    }
    Ok(SearchArticlesResponse { hits })
}
