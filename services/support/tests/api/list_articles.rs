//! `ListArticles`: staff see every article, without the texts.

use levqor_proto_support::v1::{ListArticlesRequest, article::State};
use levqor_runtime::testing::Caller;

use crate::{bench::Bench, create_article::salmon};

#[tokio::test]
async fn staff_see_published_and_unpublished_articles() {
    let bench = Bench::start().await;
    bench.create_article(salmon()).await.expect("created");
    // It stores the articles that come with the service.
    bench.article(&Caller::staff(), "support-hours").await.expect("an article");
    let list = async |state: State| {
        let request = ListArticlesRequest { state: state.into(), page_size: 200, ..Default::default() };
        let listed = bench.articles().list_articles(Caller::staff().request(request)).await.expect("a list");
        listed.into_inner().articles
    };
    assert_eq!(list(State::Unpublished).await.len(), 1);
    let published = list(State::Published).await;
    assert!(published.len() >= 40 && published.iter().all(|article| article.body.is_empty()));
}
