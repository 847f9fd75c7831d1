//! `SearchArticles`: the search box of staff joins words by AND, and knows `or` and `-word`.

use levqor_proto_support::v1::SearchArticlesRequest;
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::Bench;

#[tokio::test]
async fn staff_search_as_in_a_search_box() {
    let bench = Bench::start().await;
    let search = async |query: &str| {
        let request = Caller::staff().request(SearchArticlesRequest { query: query.to_owned() });
        Ok::<_, tonic::Status>(bench.articles().search_articles(request).await?.into_inner().hits)
    };
    let hits = search("delivery weekends").await.expect("hits");
    assert!(
        hits.iter()
            .any(|hit| hit.slug == "delivery-times-and-late-orders" && hit.snippet.contains("weekends"))
    );
    assert!(search("delivery zeppelin").await.expect("none").is_empty());
    assert!(!search("zeppelin or delivery").await.expect("hits").is_empty());
    assert!(search("delivery -delivery").await.expect("none").is_empty());
    assert_eq!(violated(&refused(search(" ").await)), ["query"]);
}
