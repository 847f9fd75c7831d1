//! `EndStatusSubscription`: one click ends it, a second one changes nothing, and no other subscription ends.

use levqor_proto_support::v1::EndStatusSubscriptionRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::Bench;

#[tokio::test]
async fn one_click_ends_the_subscription() {
    let bench = Bench::start().await;
    let token = bench.subscriber("ada@example.com").await;
    bench.subscriber("bob@example.com").await;
    let end = async |token: &str| {
        let request = EndStatusSubscriptionRequest { token: token.to_owned(), form: None };
        bench.status_subscriptions().end_status_subscription(Caller::anonymous().request(request)).await
    };
    for _ in 0..2 {
        let page = end(&token).await.expect("a page").into_inner();
        assert!(String::from_utf8(page.data).expect("text").contains("You are unsubscribed"));
    }
    assert_eq!(bench.count("status_subscribers").await, 1);
    assert_eq!(reason(&refused(end("x").await)), "LINK_NOT_VALID");
    // The address can subscribe again.
    bench.subscribe("ada@example.com").await.expect("accepted");
    assert_eq!(bench.count("status_subscribers").await, 2);
}
