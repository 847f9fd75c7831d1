//! Updates the text of an article as a new version, for staff; recorded in the audit chain.

use levqor_proto_support::v1::{UpdateArticleRequest, UpdateArticleResponse};
use levqor_runtime::{
    context::Ctx,
    error::Invalid,
    rpc::{Done, mutate},
};

use super::create_article::{Command, command};
use crate::{
    Support,
    domain::article::{Content, Origin},
    error::Error,
    library,
    store::{articles, words},
};

pub(super) async fn update_article(
    support: &Support,
    ctx: Ctx,
    request: UpdateArticleRequest,
) -> Result<UpdateArticleResponse, Error> {
    let Command { slug, content } = Command::try_from(&request)?;
    support.library.ready(&support.chassis.db).await?;
    mutate(support, &ctx, &request, async |tx| {
        articles::lock_all(tx).await?;
        let mut article = articles::get(tx, &slug).await?.ok_or(Error::ArticleNotFound)?;
        (article.content, article.origin) = (content, Origin::Staff);
        library::add_version(tx, &mut article).await?;
        words::recount(tx).await?;
        let id = article.id;
        let response = UpdateArticleResponse { article: Some(article.into()) };
        Ok(Done::audited(response, "article.update", &[("article_id", &id)]))
    })
    .await
}

impl TryFrom<&UpdateArticleRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &UpdateArticleRequest) -> Result<Self, Invalid> {
        let UpdateArticleRequest { slug, title, summary, tags, body, questions } = request.clone();
        command(&slug, Content { title, summary, tags, questions, body })
    }
}
