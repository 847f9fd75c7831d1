//! `CreateArticle`: an article of staff's is not published until staff publish it.

use levqor_proto_support::v1::{
    Article, CreateArticleRequest,
    article::{Origin, State},
};
use levqor_runtime::testing::{Caller, reason, refused, violated};
use tonic::Status;

use crate::bench::Bench;

/// An article that answers what no other one does.
pub(crate) fn salmon() -> CreateArticleRequest {
    CreateArticleRequest {
        slug: "salmon".to_owned(),
        title: "Which wine goes with grilled salmon".to_owned(),
        summary: "The wine for grilled salmon.".to_owned(),
        tags: vec!["wine".to_owned()],
        questions: vec!["What do I drink with fish?".to_owned()],
        body: "## White\n\nA **dry** Riesling goes well with grilled salmon.".to_owned(),
    }
}

impl Bench {
    pub(crate) async fn create_article(&self, request: CreateArticleRequest) -> Result<Article, Status> {
        let created = self.articles().create_article(Caller::staff().request(request)).await?;
        Ok(created.into_inner().article.expect("an article"))
    }
}

#[tokio::test]
async fn a_new_article_is_for_staff_only() {
    let bench = Bench::start().await;
    let article = bench.create_article(salmon()).await.expect("created");
    assert_eq!((article.state(), article.origin(), article.version), (State::Unpublished, Origin::Staff, 1));
    assert!(bench.article(&Caller::staff(), "salmon").await.is_ok());
    assert_eq!(reason(&refused(bench.article(&Caller::anonymous(), "salmon").await)), "ARTICLE_NOT_FOUND");
    assert_eq!(reason(&refused(bench.create_article(salmon()).await)), "ARTICLE_EXISTS");
    assert_eq!(bench.count("runtime.audit_entries WHERE action = 'article.create'").await, 1);
    let wrong = CreateArticleRequest { slug: "A b".to_owned(), ..CreateArticleRequest::default() };
    assert_eq!(violated(&refused(bench.create_article(wrong).await)), ["slug", "title", "summary", "body"]);
}
