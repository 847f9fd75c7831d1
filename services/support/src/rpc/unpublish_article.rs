//! Unpublishes an article: the assistant no longer quotes it. For staff; recorded in the audit chain. A new release leaves the state as it
//! is.

use levqor_proto_support::v1::{UnpublishArticleRequest, UnpublishArticleResponse};
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

pub(super) async fn unpublish_article(
    support: &Support,
    ctx: Ctx,
    request: UnpublishArticleRequest,
) -> Result<UnpublishArticleResponse, Error> {
    let slug: Slug = id("slug", &request.slug)?;
    support.library.ready(&support.chassis.db).await?;
    mutate(support, &ctx, &request, async |tx| {
        articles::lock_all(tx).await?;
        let mut article = articles::get(tx, &slug).await?.ok_or(Error::ArticleNotFound)?;
        article.state = State::Unpublished;
        library::save(tx, &mut article).await?;
        words::recount(tx).await?;
        let id = article.id;
        let response = UnpublishArticleResponse { article: Some(article.into()) };
        Ok(Done::audited(response, "article.unpublish", &[("article_id", &id)]))
    })
    .await
}
