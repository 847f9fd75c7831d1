//! `UnpublishArticle`: the assistant no longer quotes it, also after a restart.

use levqor_proto_support::v1::{UnpublishArticleRequest, turn::Outcome};
use levqor_runtime::testing::{Caller, TestService, reason, refused};
use levqor_support::Support;

use crate::bench::{ANSWERED, Bench};

#[tokio::test]
async fn an_unpublished_article_stays_unpublished_after_a_restart() {
    let bench = Bench::start().await;
    let slug = "delivery-times-and-late-orders".to_owned();
    let request = Caller::staff().request(UnpublishArticleRequest { slug: slug.clone() });
    bench.articles().unpublish_article(request).await.expect("unpublished");
    let again: TestService<Support> = TestService::start_on(bench.url.clone(), &[]).await;
    let bench = Bench { service: again };
    assert_eq!(reason(&refused(bench.article(&Caller::anonymous(), &slug).await)), "ARTICLE_NOT_FOUND");
    let turn = bench.chat(Caller::anonymous()).await.say(ANSWERED).await;
    assert!(turn.outcome() != Outcome::Answered || turn.sources[0].slug != slug);
    assert_eq!(bench.count("article_versions WHERE version > 1").await, 0, "nothing is stored twice");
}
