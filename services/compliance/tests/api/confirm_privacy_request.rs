//! The form for a code confirms a request, or is shown again.

use levqor_proto_compliance::v1::{
    ConfirmPrivacyRequestRequest, ConsentPurpose, GetPrivacyPageRequest, ObjectionScope, Right,
    data_request::State,
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::testing::Caller;
use ring::digest::{SHA256, digest};

use crate::{
    bench::{Bench, NOBODYS, ada},
    get_privacy_page::{form, hidden, read},
    request_privacy_code::ask,
    set_objection::set,
};

const EMAIL: &str = "ada@example.com";
const OBJECTION: &str = "email=ada%40example.com&right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE";
const WITHDRAWAL: &str = "email=ada%40example.com&right=RIGHT_CONSENT_WITHDRAWAL&withdrawn";

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

/// Asks for a declaration by this form, and confirms it. Returns the id of the request, and the page.
async fn declare(bench: &Bench, fields: &str) -> (String, String) {
    let (page, status) = ask(bench, fields).await;
    assert_eq!(status, 0, "{page}");
    let id = hidden(&page, "data_request_id").to_owned();
    let (html, status) = confirm(bench, &id, &bench.code(EMAIL).await).await;
    assert_eq!(status, 0, "{html}");
    (id, html)
}

/// The SHA-256 hash of the form between these two texts of the privacy page.
async fn hash_of_form(bench: &Bench, begin: &str, end: &str) -> String {
    let request = Caller::anonymous().request(GetPrivacyPageRequest {});
    let (html, _) = read(bench.pages().get_privacy_page(request).await.expect("a page").into_inner());
    let form = html.split(begin).nth(1).and_then(|rest| rest.split(end).next()).expect("a form");
    hex::encode(digest(&SHA256, form.as_bytes()))
}

#[tokio::test]
async fn an_objection_has_effect_at_once_and_the_ledger_has_the_shown_text() {
    let bench = Bench::start().await;
    let (id, html) = declare(&bench, &format!("{OBJECTION}_ALL")).await;
    assert!(html.contains("You object to advertising.") && html.contains(&id), "{html}");
    let done = bench.get(&Caller::staff(), &id).await.expect("a request");
    assert_eq!((done.state(), done.right()), (State::Done, Right::Objection));
    assert_eq!((done.objection_scope(), done.objection_ends), (ObjectionScope::All, false));
    assert!(done.due_time.is_some() && done.finish_time.is_some());
    let hash = hash_of_form(&bench, "Object to a use of your data</h2>\n", "\n\n<h2 id=\"withdraw\"").await;
    let proven = format!(
        "declarations WHERE kind = 'OBJECTION' AND given AND email = '{EMAIL}' AND address_hash IS NOT NULL
         AND source = 'website' AND version = 'privacy-page:1' AND text_sha256 = '{hash}'"
    );
    assert_eq!(bench.count(&proven).await, 4);
    // Three services get each of four scopes.
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyObjection'").await, 12);
    let audited = format!(
        "runtime.audit_entries WHERE action = 'data_request.declare' AND ids->>'data_request_id' = '{id}'
         AND length(ids->>'declaration_ids') = 4 * 36 + 3"
    );
    assert_eq!(bench.count(&audited).await, 1);
    let mails = bench.mails(EMAIL).await;
    let told: Vec<_> = mails
        .iter()
        .filter_map(|mail| match mail {
            Content::PrivacyPreferencesUpdated(told) => Some(told.changes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [4]);
}

#[tokio::test]
async fn the_end_of_an_objection_ends_that_of_the_account() {
    let bench = Bench::start().await;
    set(&bench, &ada(), ObjectionScope::Automation, true).await;
    let (_, html) = declare(&bench, &format!("{OBJECTION}_AUTOMATION&objection_ends=true")).await;
    assert!(html.contains("You no longer object to"), "{html}");
    let ended = "declarations WHERE kind = 'OBJECTION' AND NOT given AND owner_sub = 'ada'";
    assert_eq!(bench.count(ended).await, 1);
}

#[tokio::test]
async fn a_withdrawal_reaches_notifications_and_ends_the_consent_of_the_account() {
    let bench = Bench::start().await;
    let both = [(ConsentPurpose::MailProductUpdates, true), (ConsentPurpose::MailEventsWebinars, true)];
    bench.record(&ada(), "", &both).await.expect("recorded");
    let (id, html) = declare(&bench, &format!("{WITHDRAWAL}=CONSENT_PURPOSE_MAIL_EVENTS_WEBINARS")).await;
    assert!(html.contains("You no longer agree to mails about events and webinars."), "{html}");
    let done = bench.get(&Caller::staff(), &id).await.expect("a request");
    assert_eq!((done.state(), done.right()), (State::Done, Right::ConsentWithdrawal));
    let hash =
        hash_of_form(&bench, "Withdraw your consent to advertising</h2>\n", "\n\n<h2 id=\"cookies\"").await;
    let withdrawn = format!(
        "declarations WHERE kind = 'CONSENT' AND NOT given AND scope = 'MAIL_EVENTS_WEBINARS'
         AND email = '{EMAIL}' AND source = 'website' AND text_sha256 = '{hash}'"
    );
    assert_eq!(bench.count(&withdrawn).await, 1);
    assert_eq!(bench.count("declarations WHERE NOT given").await, 1, "the other consent stands");
    // One for each consent, and one for the withdrawal.
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyPermission'").await, 3);
}

#[tokio::test]
async fn all_advertising_is_five_withdrawals() {
    let bench = Bench::start().await;
    declare(&bench, &format!("{WITHDRAWAL}=ALL&withdrawn=CONSENT_PURPOSE_MAIL_EVENTS_WEBINARS")).await;
    assert_eq!(bench.count("declarations WHERE kind = 'CONSENT' AND NOT given").await, 5);
}

#[tokio::test]
async fn without_its_code_nothing_is_declared() {
    let bench = Bench::start().await;
    let (page, _) = ask(&bench, &format!("{OBJECTION}_MARKETING")).await;
    let id = hidden(&page, "data_request_id");
    let code = bench.code(EMAIL).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        assert_eq!(confirm(&bench, id, wrong).await.1, 403);
    }
    assert_eq!(confirm(&bench, id, &code).await.1, 403, "the right code is too late");
    assert_eq!(bench.count("declarations").await, 0);
    assert_eq!(bench.count("runtime.work WHERE rpc LIKE '%/ApplyObjection'").await, 0);
}
