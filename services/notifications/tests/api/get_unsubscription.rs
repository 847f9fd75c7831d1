//! `GetUnsubscription`: the page shows a button, and changes nothing.

use levqor_proto_notifications::v1::GetUnsubscriptionRequest;
use levqor_runtime::testing::Caller;

use crate::{Notified, get_preferences::token_of};

#[tokio::test]
async fn opening_the_page_does_not_unsubscribe() {
    let notified = Notified::start().await;
    notified.choose("ada@example.com", "category=EVENTS_WEBINARS").await.expect("a page");
    let token = token_of("ada@example.com");
    let request = Caller::anonymous().request(GetUnsubscriptionRequest { token: token.clone() });
    let page = notified.consent().get_unsubscription(request).await.expect("a page").into_inner();
    let html = String::from_utf8(page.data).expect("text");
    assert!(
        html.contains("<form method=\"post\"><button type=\"submit\">Unsubscribe</button></form>"),
        "{html}"
    );
    assert!(html.contains(&format!("/preferences/{token}")), "{html}");
    assert_eq!(notified.ticked("ada@example.com").await, ["EVENTS_WEBINARS"]);
}
