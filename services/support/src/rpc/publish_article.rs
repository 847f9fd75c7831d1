//! Publishes an article: the assistant quotes it. For staff; recorded in the audit chain. A new release leaves the state as it is.

use levqor_proto_support::v1::{PublishArticleRequest, PublishArticleResponse};
use levqor_runtime::{
    context::Ctx,
    request::id,
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::article::{Slug, State},
    error::Error,
    library,
    store::{articles, words},
};

pub(super) async fn publish_article(
    support: &Support,
    ctx: Ctx,
    request: PublishArticleRequest,
) -> Result<PublishArticleResponse, Error> {
    let slug: Slug = id("slug", &request.slug)?;
    support.library.ready(&support.chassis.db).await?;
    mutate(support, &ctx, &request, async |tx| {
        articles::lock_all(tx).await?;
        let mut article = articles::get(tx, &slug).await?.ok_or(Error::ArticleNotFound)?;
        article.state = State::Published;
        library::save(tx, &mut article).await?;
        words::recount(tx).await?;
        let id = article.id;
        let response = PublishArticleResponse { article: Some(article.into()) };
        Ok(Done::audited(response, "article.publish", &[("article_id", &id)]))
    })
    .await
}
