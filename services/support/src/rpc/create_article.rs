//! Creates an article of staff's; recorded in the audit chain.

use levqor_proto_support::v1::{CreateArticleRequest, CreateArticleResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::{Done, mutate},
};

use crate::{
    Support,
    domain::article::{ArticleId, Content, Origin, Slug, State},
    error::Error,
    store::{
        article_versions,
        articles::{self, Article},
    },
};

pub(super) async fn create_article(
    support: &Support,
    ctx: Ctx,
    request: CreateArticleRequest,
) -> Result<CreateArticleResponse, Error> {
    let Command { slug, content } = Command::try_from(&request)?;
    mutate(support, &ctx, &request, async |tx| {
        articles::lock_all(tx).await?;
        let now = tx.now().await?;
        let article = Article {
            id: ArticleId::new_at(now),
            slug,
            origin: Origin::Staff,
            state: State::Unpublished,
            version: 1,
            content,
            create_time: now,
            update_time: now,
        };
        if !articles::insert(tx, &article).await? {
            return Err(Error::ArticleExists);
        }
        article_versions::insert(tx, &article).await?;
        let id = article.id;
        let response = CreateArticleResponse { article: Some(article.into()) };
        Ok(Done::audited(response, "article.create", &[("article_id", &id)]))
    })
    .await
}

/// The name and the content of an article.
pub(super) struct Command {
    pub(super) slug: Slug,
    pub(super) content: Content,
}

/// Reads the name and the content of an article.
pub(super) fn command(slug: &str, content: Content) -> Result<Command, Invalid> {
    let mut violations = Violations::new();
    let slug = violations.field("slug", slug);
    for fault in content.faults() {
        violations.add(fault.field, fault.expected);
    }
    violations.finish(slug.map(|slug| Command { slug, content }))
}

impl TryFrom<&CreateArticleRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &CreateArticleRequest) -> Result<Self, Invalid> {
        let CreateArticleRequest { slug, title, summary, tags, body, questions } = request.clone();
        command(&slug, Content { title, summary, tags, questions, body })
    }
}
