//! The form of the privacy page sends a code, and its answer tells nothing about the address.

use levqor_proto_compliance::v1::{RequestPrivacyCodeRequest, data_request::State};
use levqor_runtime::testing::Caller;

use crate::{
    bench::Bench,
    get_privacy_page::{form, hidden, read},
};

/// Posts the form. Returns the page and its status; 0 is a page without a mistake.
pub(crate) async fn ask(bench: &Bench, fields: &str) -> (String, i32) {
    let request = RequestPrivacyCodeRequest { form: Some(form(fields)) };
    let page = bench.pages().request_privacy_code(Caller::anonymous().request(request)).await;
    let (html, head) = read(page.expect("a page").into_inner());
    (html, head.status)
}

#[tokio::test]
async fn every_address_gets_the_same_page_and_one_code_a_day() {
    let bench = Bench::start().await;
    let mut pages = Vec::new();
    for email in ["ada%40example.com", "ada%40example.com", "bob%40example.com"] {
        let (html, status) = ask(&bench, &format!("email={email}&right=RIGHT_ERASURE")).await;
        assert_eq!(status, 0, "{html}");
        let id = hidden(&html, "data_request_id").to_owned();
        pages.push((html.replace(&id, ""), id));
    }
    assert!(pages.iter().all(|(html, _)| *html == pages[0].0), "{pages:?}");
    assert_eq!(bench.mails("ada@example.com").await.len(), 1);
    let state = async |id: &str| bench.get(&Caller::staff(), id).await.expect("a request").state();
    assert_eq!(state(&pages[0].1).await, State::AwaitingCode);
    assert_eq!(state(&pages[1].1).await, State::Expired);
}

#[tokio::test]
async fn a_form_with_a_mistake_is_shown_again_with_what_was_entered() {
    let bench = Bench::start().await;
    for fields in
        ["email=ada&right=RIGHT_ACCESS", "email=ada%40example.com", "email=ada%40example.com&right=x", ""]
    {
        let (html, status) = ask(&bench, fields).await;
        assert_eq!(status, 400, "{fields}: {html}");
        assert!(html.contains("role=\"alert\"") && html.contains("action=\"/privacy\""), "{html}");
    }
    let (html, _) = ask(&bench, "email=ada&right=RIGHT_ERASURE").await;
    assert!(html.contains("value=\"ada\"") && html.contains("value=\"RIGHT_ERASURE\" checked"), "{html}");
    assert_eq!(bench.count("data_requests").await, 0);
}
