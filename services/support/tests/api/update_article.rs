//! `UpdateArticle`: a new version, which no release replaces.

use levqor_proto_support::v1::{UpdateArticleRequest, article::Origin};
use levqor_runtime::testing::{Caller, TestService};
use levqor_support::Support;

use crate::bench::{ANSWERED, Bench};

#[tokio::test]
async fn an_article_of_staff_is_quoted_at_once_and_stays() {
    let bench = Bench::start().await;
    let slug = "delivery-times-and-late-orders".to_owned();
    let before = bench.article(&Caller::staff(), &slug).await.expect("an article");
    let request = UpdateArticleRequest {
        slug: slug.clone(),
        title: before.title,
        summary: before.summary,
        tags: before.tags,
        questions: before.questions,
        body: "## When the delivery time begins\n\nThe delivery time begins at noon.".to_owned(),
    };
    let updated = bench.articles().update_article(Caller::staff().request(request)).await.expect("updated");
    let updated = updated.into_inner().article.expect("an article");
    assert_eq!((updated.version, updated.origin()), (2, Origin::Staff));
    let again: TestService<Support> = TestService::start_on(bench.url.clone(), &[]).await;
    let bench = Bench { service: again };
    let turn = bench.chat(Caller::anonymous()).await.say(ANSWERED).await;
    assert!(turn.reply.contains("begins at noon"), "{}", turn.reply);
    assert_eq!(bench.count("article_versions WHERE version > 1").await, 1);
}
