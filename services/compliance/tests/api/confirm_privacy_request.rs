//! The form for a code confirms a request, or is shown again.

use levqor_proto_compliance::v1::{ConfirmPrivacyRequestRequest, data_request::State};
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, NOBODYS},
    get_privacy_page::{form, hidden, read},
    request_privacy_code::ask,
};

const EMAIL: &str = "ada@example.com";

/// Posts the form. Returns the page and its status; 0 is a page without a mistake.
async fn confirm(bench: &Bench, id: &str, code: &str) -> (String, i32) {
    let request =
        ConfirmPrivacyRequestRequest { form: Some(form(&format!("data_request_id={id}&code={code}"))) };
    let page = bench.pages().confirm_privacy_request(Caller::anonymous().request(request)).await;
    let (html, head) = read(page.expect("a page").into_inner());
    (html, head.status)
}

#[tokio::test]
async fn a_copy_is_made_after_the_right_code_and_once() {
    let bench = Bench::start().await;
    let (page, _) = ask(&bench, "email=ada%40example.com&right=RIGHT_ACCESS").await;
    let id = hidden(&page, "data_request_id");
    let code = bench.code(EMAIL).await;
    let (html, status) = confirm(&bench, id, &code).await;
    assert_eq!(status, 0, "{html}");
    assert!(html.contains("a mail with a link") && html.contains(id), "{html}");
    bench.until(id, State::Done).await;
    let (html, status) = confirm(&bench, id, &code).await;
    assert_eq!((status, hidden(&html, "data_request_id")), (403, id), "{html}");
}

#[tokio::test]
async fn an_erasure_waits_for_its_approval_and_the_page_says_so() {
    let bench = Bench::start().await;
    let (page, _) = ask(&bench, "email=ada%40example.com&right=RIGHT_ERASURE").await;
    let id = hidden(&page, "data_request_id");
    let (html, status) = confirm(&bench, id, &bench.code(EMAIL).await).await;
    assert_eq!(status, 0, "{html}");
    assert!(html.contains("Nothing is erased yet"), "{html}");
    bench.until(id, State::AwaitingApproval).await;
}

#[tokio::test]
async fn a_wrong_code_gives_the_form_again_and_five_tries_are_all() {
    let bench = Bench::start().await;
    let (page, _) = ask(&bench, "email=ada%40example.com&right=RIGHT_ACCESS").await;
    let id = hidden(&page, "data_request_id");
    let code = bench.code(EMAIL).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let (html, status) = confirm(&bench, id, "abc").await;
    assert_eq!(status, 400, "no try: {html}");
    assert_eq!(confirm(&bench, NOBODYS, wrong).await.1, 403, "the same as for a request that exists");
    for _ in 0..5 {
        let (html, status) = confirm(&bench, id, wrong).await;
        assert_eq!((status, hidden(&html, "data_request_id")), (403, id), "{html}");
        assert!(html.contains("role=\"alert\""), "{html}");
    }
    assert_eq!(confirm(&bench, id, &code).await.1, 403, "the right code is too late");
}
