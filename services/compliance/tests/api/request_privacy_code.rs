//! The forms of the privacy page send a code, and their answer tells nothing about the address.

use levqor_proto_compliance::v1::{
    ConsentPurpose, ObjectionScope, RequestPrivacyCodeRequest, data_request::State,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;

use crate::{
    bench::{Bench, ada},
    get_privacy_page::{form, hidden, read},
    set_objection::set,
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
async fn a_form_with_a_mistake_is_shown_again_with_its_input() {
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

#[tokio::test]
async fn an_objection_and_a_withdrawal_send_a_code_and_do_not_reveal_whether_the_address_is_known() {
    let bench = Bench::start().await;
    bench.record(&ada(), "", &[(ConsentPurpose::MailProductUpdates, true)]).await.expect("recorded");
    set(&bench, &ada(), ObjectionScope::Profiling, true).await;
    for right in
        ["RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_ALL", "RIGHT_CONSENT_WITHDRAWAL&withdrawn=ALL"]
    {
        let mut pages = Vec::new();
        for email in ["ada%40example.com", "nobody%40example.com"] {
            let (html, status) = ask(&bench, &format!("email={email}&right={right}")).await;
            assert_eq!(status, 0, "{html}");
            let id = hidden(&html, "data_request_id").to_owned();
            pages.push(html.replace(&id, ""));
        }
        assert_eq!(pages[0], pages[1], "she is known, and nobody is not");
        for email in ["ada@example.com", "nobody@example.com"] {
            let mails = bench.mails(email).await;
            let codes = mails.iter().filter(|mail| matches!(mail, Content::DataRequestCode(_))).count();
            assert_eq!(codes, 1, "one code a day for declarations");
        }
    }
    // Nothing is declared without the code: these two are what she declared herself.
    assert_eq!(bench.count("declarations").await, 2);
}

#[tokio::test]
async fn a_copy_does_not_delay_an_objection_on_the_same_day() {
    let bench = Bench::start().await;
    ask(&bench, "email=ada%40example.com&right=RIGHT_ACCESS").await;
    ask(&bench, "email=ada%40example.com&right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_MARKETING")
        .await;
    assert_eq!(bench.mails("ada@example.com").await.len(), 2);
    ask(&bench, "email=ada%40example.com&right=RIGHT_ERASURE").await;
    ask(&bench, "email=ada%40example.com&right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_ALL").await;
    assert_eq!(bench.mails("ada@example.com").await.len(), 2, "one of each a day");
}

#[tokio::test]
async fn a_declaration_that_took_effect_does_not_delay_the_next_one() {
    let bench = Bench::start().await;
    let objection = "email=ada%40example.com&right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_ALL";
    let withdrawal = "email=ada%40example.com&right=RIGHT_CONSENT_WITHDRAWAL&withdrawn=ALL";
    for fields in [objection, withdrawal, objection] {
        let (html, _) = ask(&bench, fields).await;
        let id = hidden(&html, "data_request_id").to_owned();
        let code = bench.code("ada@example.com").await;
        let done = bench.confirm(&id, &code).await.expect("a code of its own");
        assert_eq!(done.state(), State::Done);
    }
}

#[tokio::test]
async fn a_mistake_in_an_objection_or_a_withdrawal_is_named_in_its_form() {
    let bench = Bench::start().await;
    let (objection, withdrawal) = ("right=RIGHT_OBJECTION", "right=RIGHT_CONSENT_WITHDRAWAL");
    for (fields, alert, said) in [
        (format!("email=ada&{objection}"), "objection-mistake", "choose what you object to"),
        (format!("email=ada%40example.com&{objection}"), "objection-mistake", "choose what you object to"),
        (format!("{objection}&objection_scope=x&email=ada%40example.com"), "objection-mistake", "object to"),
        (
            format!("email=ada&{objection}&objection_scope=OBJECTION_SCOPE_ALL"),
            "objection-mistake",
            "enter your mail address",
        ),
        (format!("email=ada%40example.com&{withdrawal}"), "withdrawal-mistake", "choose the mails"),
        (
            format!("email=ada%40example.com&{withdrawal}&withdrawn=CONSENT_PURPOSE_COOKIES_MARKETING"),
            "withdrawal-mistake",
            "choose the mails",
        ),
    ] {
        let (html, status) = ask(&bench, &fields).await;
        assert_eq!(status, 400, "{fields}: {html}");
        let form = html.split(&format!("role=\"alert\" id=\"{alert}\">")).nth(1).expect("its alert");
        let text = form.split("</p>").next().unwrap_or_default();
        assert!(text.contains(said), "{fields}: {text}");
    }
    let (html, _) = ask(
        &bench,
        &format!("email=ada&{objection}&objection_scope=OBJECTION_SCOPE_ALL&objection_ends=true"),
    )
    .await;
    assert!(html.contains("value=\"OBJECTION_SCOPE_ALL\" required checked"), "{html}");
    assert!(html.contains("name=\"objection_ends\" value=\"true\" checked"), "{html}");
    assert_eq!(bench.count("data_requests").await, 0);
}
