//! Gets one published article, for everybody. Staff get unpublished articles too, and the text as they edit it.

use levqor_proto_support::v1::{GetArticleRequest, GetArticleResponse};
use levqor_runtime::{context::Ctx, request::id};

use crate::{
    Support,
    domain::{
        article::{Slug, State},
        facts::Unfilled,
    },
    error::Error,
    store::articles::{self, Article},
    tickets,
};

pub(super) async fn get_article(
    support: &Support,
    ctx: Ctx,
    request: GetArticleRequest,
) -> Result<GetArticleResponse, Error> {
    let slug: Slug = id("slug", &request.slug)?;
    support.library.ready(&support.chassis.db).await?;
    let mut conn = support.chassis.db.acquire().await?;
    let mut article = articles::get(&mut conn, &slug).await?.ok_or(Error::ArticleNotFound)?;
    drop(conn);
    if tickets::staff(&ctx).is_none() {
        if article.state != State::Published {
            return Err(Error::ArticleNotFound);
        }
        fill(support, &ctx, &mut article).await?;
    }
    Ok(GetArticleResponse { article: Some(article.into()) })
}

/// Fills the placeholders.
async fn fill(support: &Support, ctx: &Ctx, article: &mut Article) -> Result<(), Error> {
    let facts = support.facts.now(&support.chassis, &ctx.request_id).await;
    let content = &mut article.content;
    for text in [&mut content.title, &mut content.summary, &mut content.body] {
        *text = facts.fill(text).map_err(|Unfilled| Error::ArticleUnfilled)?;
    }
    Ok(())
}
