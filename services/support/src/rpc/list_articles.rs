//! Lists articles, newest first, for staff.

use levqor_proto_support::v1::{self as wire, ListArticlesRequest, ListArticlesResponse};
use levqor_runtime::{
    context::Ctx,
    error::{Invalid, Violations},
    rpc::list,
    timestamp,
};

use crate::{
    Support,
    error::Error,
    store::articles::{self, Article, Filter},
};

pub(super) async fn list_articles(
    support: &Support,
    ctx: Ctx,
    request: ListArticlesRequest,
) -> Result<ListArticlesResponse, Error> {
    let without_text = |article: Article| wire::Article { body: String::new(), ..article.into() };
    list(support, &ctx, &request, articles::list, |articles, next_page_token| ListArticlesResponse {
        articles: articles.into_iter().map(without_text).collect(),
        next_page_token,
    })
    .await
}

impl TryFrom<&ListArticlesRequest> for Filter {
    type Error = Invalid;

    fn try_from(request: &ListArticlesRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let filter = Self { state: violations.filter_enum("state", request.state) };
        violations.finish(Some(filter))
    }
}

impl From<Article> for wire::Article {
    fn from(article: Article) -> Self {
        Self {
            article_id: article.id.to_string(),
            slug: article.slug.as_str().to_owned(),
            title: article.content.title,
            summary: article.content.summary,
            tags: article.content.tags,
            questions: article.content.questions,
            body: article.content.body,
            state: article.state.into(),
            origin: article.origin.into(),
            version: article.version,
            create_time: Some(timestamp(article.create_time)),
            update_time: Some(timestamp(article.update_time)),
        }
    }
}
