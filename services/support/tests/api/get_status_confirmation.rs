//! `GetStatusConfirmation`: the link shows a button and changes nothing.

use levqor_proto_support::v1::GetStatusConfirmationRequest;
use levqor_runtime::testing::{Caller, reason, refused};

use super::get_survey::token_of;
use crate::bench::Bench;

#[tokio::test]
async fn the_link_shows_a_button_and_changes_nothing() {
    let bench = Bench::start().await;
    bench.subscribe("ada@example.com").await.expect("accepted");
    let token = token_of(&bench.questions().await[0].1);
    let get = async |token: &str| {
        let request = GetStatusConfirmationRequest { token: token.to_owned() };
        bench.status_subscriptions().get_status_confirmation(Caller::anonymous().request(request)).await
    };
    let page = String::from_utf8(get(&token).await.expect("a page").into_inner().data).expect("text");
    assert!(page.contains(r#"<form method="post">"#) && !page.contains("ada@example.com"), "{page}");
    assert_eq!(bench.count("status_subscribers WHERE confirm_time IS NOT NULL").await, 0);
    for wrong in ["", "x", &"ab".repeat(32)] {
        assert_eq!(reason(&refused(get(wrong).await)), "LINK_NOT_VALID", "{wrong}");
    }
}
