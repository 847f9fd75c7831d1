//! `GetStatusUnsubscription`: the link shows a button and changes nothing.

use levqor_proto_support::v1::GetStatusUnsubscriptionRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use crate::bench::Bench;

#[tokio::test]
async fn the_link_shows_a_button_and_changes_nothing() {
    let bench = Bench::start().await;
    let token = bench.subscriber("ada@example.com").await;
    let get = async |token: &str| {
        let request = GetStatusUnsubscriptionRequest { token: token.to_owned() };
        bench.status_subscriptions().get_status_unsubscription(Caller::anonymous().request(request)).await
    };
    let page = String::from_utf8(get(&token).await.expect("a page").into_inner().data).expect("text");
    assert!(page.contains(r#"<form method="post">"#) && !page.contains("ada@example.com"), "{page}");
    assert_eq!(bench.count("status_subscribers WHERE confirm_time IS NOT NULL").await, 1);
    assert_eq!(reason(&refused(get("x").await)), "LINK_NOT_VALID");
}
