//! A person without an account uses their rights in a browser without JavaScript: by the pages of `/privacy`, and by mails.

use std::io::{Cursor, Read};

use chrono::TimeDelta;
use levqor_runtime::testing::{count, eventually};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use serde_json::json;

use super::preferences::{assert_page, path, tip};
use crate::{
    fakes::mail::{API_KEY, FakeMail},
    harness::{Answer, Mesh},
    stripe,
};

const ADA: &str = "ada@example.com";
const CODE: &str = "Your code for your data request";
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const CHANGED: &str = "Your Levqor privacy preferences have been updated";
const READY: &str = "Your Levqor data export is ready";

/// A mesh that sends its mails to this provider.
async fn mesh(provider: &FakeMail) -> Mesh {
    let url = provider.url();
    let settings = [
        ("RESEND_API_KEY", API_KEY),
        ("RESEND_API_BASE", url.as_str()),
        ("LEVQOR_API_URL", "https://api.example.com"),
        ("LEVQOR_MARKETING_HOURS", "0-24"),
    ];
    Mesh::start_with(&settings).await
}

/// The text of the `n`th mail with this subject, from 0.
async fn text_of(provider: &FakeMail, subject: &str, n: usize) -> String {
    eventually("the mail is sent", || async {
        let mails = provider.accepted().into_iter().filter(|mail| mail.subject == subject);
        mails.map(|mail| mail.text).nth(n)
    })
    .await
}

/// The `n`th code that was sent, from 0.
async fn code(provider: &FakeMail, n: usize) -> String {
    let text = text_of(provider, CODE, n).await;
    let is_code = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.split_whitespace().find(is_code).expect("a code").to_owned()
}

/// A code that is not this one.
fn other_than(code: &str) -> &'static str {
    if code == "000000" { "000001" } else { "000000" }
}

/// Checks that a form is shown again, with its faults.
fn assert_mistake(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert!(
        answer.text.contains("role=\"alert\"") && answer.text.contains("<form method=\"post\""),
        "{}",
        answer.text
    );
    assert_eq!(answer.headers[CONTENT_TYPE], HTML);
    assert!(answer.headers[CONTENT_SECURITY_POLICY].to_str().expect("text").contains("form-action 'self'"));
}

/// The value of the hidden field of a page, which names the request.
fn request_id(page: &Answer) -> &str {
    let begin = "name=\"data_request_id\" value=\"";
    page.text.split(begin).nth(1).and_then(|rest| rest.split('"').next()).expect("a hidden field")
}

#[tokio::test]
async fn request_code_confirm_link_code_download() {
    let provider = FakeMail::start();
    let mesh = mesh(&provider).await;
    assert_eq!(mesh.deliver(&stripe::paid_checkout("1", "ada")).await.status, 200);
    mesh.settle().await;

    // The page is the same for everybody, so it may be cached; it has the form.
    let page = mesh.anon().get("/privacy").await;
    assert_eq!((page.status, &page.headers[CONTENT_TYPE]), (200, &HTML));
    assert!(page.text.contains("<form method=\"post\" action=\"/privacy\">"), "{}", page.text);
    assert_mistake(&mesh.anon().form("/privacy", "email=ada&right=RIGHT_ACCESS").await, 400);

    // The request, and its code.
    let page = mesh.anon().form("/privacy", "email=ada%40example.com&right=RIGHT_ACCESS").await;
    assert_page(&page, "Enter the code");
    let id = request_id(&page);
    let first = code(&provider, 0).await;
    let confirm = async |code: &str| {
        mesh.anon().form("/privacy/confirm", &format!("data_request_id={id}&code={code}")).await
    };
    assert_mistake(&confirm(other_than(&first)).await, 403);
    assert_page(&confirm(&first).await, "We have your request");

    // The copy: its link, and a code of its own.
    let link = path(&text_of(&provider, READY, 0).await, "/privacy/copies/");
    assert_page(&mesh.anon().get(&link).await, "The copy of your data");
    let page = mesh.anon().form(&format!("{link}/code"), "").await;
    assert_page(&page, "Download the copy of your data");
    let second = code(&provider, 1).await;
    let wrong = format!("code={}", other_than(&second));
    assert_mistake(&mesh.anon().form(&format!("{link}/download"), &wrong).await, 403);
    let http = levqor_runtime::client::http_client().expect("client");
    let request = http.post(format!("{}{link}/download", mesh.url));
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = request.body(format!("code={second}")).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/zip");
    let file = "attachment; filename=\"levqor-personal-data.zip\"";
    assert_eq!(answer.headers()[CONTENT_DISPOSITION], file);
    let archive = answer.bytes().await.expect("whole").to_vec();
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).expect("a ZIP");
    let mut orders = String::new();
    zip.by_name("billing/orders.json").expect("orders").read_to_string(&mut orders).expect("text");
    assert!(orders.contains("ada@example.com"), "{orders}");

    // A code opens the copy once.
    assert_mistake(&mesh.anon().form(&format!("{link}/download"), &format!("code={second}")).await, 403);
    mesh.finish().await;
}

#[tokio::test]
async fn an_erasure_by_mail_waits_for_its_approval() {
    let provider = FakeMail::start();
    let mesh = mesh(&provider).await;
    let page = mesh.anon().form("/privacy", "email=bob%40example.com&right=RIGHT_ERASURE").await;
    let form = format!("data_request_id={}&code={}", request_id(&page), code(&provider, 0).await);
    let confirmed = mesh.anon().form("/privacy/confirm", &form).await;
    assert_page(&confirmed, "We have your request");
    assert!(confirmed.text.contains("Nothing is erased yet"), "{}", confirmed.text);
    let found = mesh.staff().get(&format!("/v1/data-requests/{}", request_id(&page))).await;
    assert_eq!(found.str("/data_request/state"), "STATE_AWAITING_APPROVAL", "{}", found.text);
    mesh.finish().await;
}

/// Ada agrees to tips by mail, and gets one. Returns its subject.
async fn agree(mesh: &Mesh, provider: &FakeMail) -> String {
    let body = json!({"email": ADA, "categories": ["NEWSLETTER_CATEGORY_EDUCATIONAL_CONTENT"]});
    assert_eq!(mesh.anon().post("/v1/newsletter-subscriptions", body).await.status, 200);
    let nth =
        |n: usize| eventually("the mail is sent", move || async move { provider.accepted().get(n).cloned() });
    let confirm = path(&nth(0).await.text, "/newsletter/confirm/");
    assert_page(&mesh.anon().form(&confirm, "").await, "You are subscribed");
    tip(mesh, ADA, "tip:1").await;
    nth(1).await.subject
}

/// Checks that Ada gets no further tip.
async fn assert_no_tip(mesh: &Mesh, provider: &FakeMail, subject: &str) {
    tip(mesh, ADA, "tip:2").await;
    assert_eq!(
        count(mesh.notifications_db(), "messages WHERE about = 'tip:2' AND state = 'SUPPRESSED'").await,
        1
    );
    assert_eq!(provider.accepted().iter().filter(|mail| mail.subject == subject).count(), 1);
}

/// Ada requests the guide of the website by its form.
async fn ask_for_guide(mesh: &Mesh) {
    let token = mesh.anon().get("/v1/form-token").await.str("/form_token").to_owned();
    mesh.advance(TimeDelta::seconds(5)).await;
    let form = json!({"form_token": token, "name": "Ada", "email": ADA, "business_type": "agency",
                      "problem": "automate", "phone": "1"});
    assert_eq!(mesh.anon().post("/api/lead-magnet", form).await.status, 200);
    mesh.settle().await;
}

/// Ada declares something by a form of the privacy page, and by the first code that she gets.
async fn declare(mesh: &Mesh, provider: &FakeMail, fields: &str) {
    let page = mesh.anon().form("/privacy", &format!("email=ada%40example.com&{fields}")).await;
    assert_page(&page, "Enter the code");
    let form = format!("data_request_id={}&code={}", request_id(&page), code(provider, 0).await);
    assert_page(&mesh.anon().form("/privacy/confirm", &form).await, "Your choice is in effect");
    mesh.settle().await;
}

#[tokio::test]
async fn an_objection_by_mail_and_code_ends_scores_and_advertising() {
    let provider = FakeMail::start();
    let mesh = mesh(&provider).await;
    let subject = agree(&mesh, &provider).await;
    ask_for_guide(&mesh).await;
    assert_eq!(count(mesh.support_db(), "leads WHERE score = 85").await, 1);
    declare(&mesh, &provider, "right=RIGHT_OBJECTION&objection_scope=OBJECTION_SCOPE_ALL").await;
    assert_eq!(count(mesh.support_db(), "leads WHERE score IS NOT NULL").await, 0, "the score is taken away");
    ask_for_guide(&mesh).await;
    assert_eq!(count(mesh.support_db(), "leads WHERE score IS NULL").await, 2, "a new lead gets no score");
    assert_no_tip(&mesh, &provider, &subject).await;
    let told = text_of(&provider, CHANGED, 0).await;
    assert!(told.contains("You object to advertising."), "{told}");
    let listed = mesh.staff().get(&format!("/v1/data-requests?email={ADA}")).await;
    let request = &listed.list("data_requests")[0];
    assert_eq!((&request["right"], &request["state"]), (&json!("RIGHT_OBJECTION"), &json!("STATE_DONE")));
    assert_eq!(count(mesh.compliance_db(), "declarations WHERE client_network = '127.0.0.0/24'").await, 4);
    mesh.finish().await;
}

#[tokio::test]
async fn a_withdrawal_by_mail_and_code_ends_advertising() {
    let provider = FakeMail::start();
    let mesh = mesh(&provider).await;
    let subject = agree(&mesh, &provider).await;
    declare(&mesh, &provider, "right=RIGHT_CONSENT_WITHDRAWAL&withdrawn=ALL").await;
    assert_no_tip(&mesh, &provider, &subject).await;
    let listed = mesh.staff().get(&format!("/v1/consents?email={ADA}")).await;
    let shown = |it: &&serde_json::Value| it["shown_version"] == "privacy-page:1" && it["given"] == false;
    assert_eq!(listed.list("consents").iter().filter(shown).count(), 5, "{}", listed.text);
    mesh.finish().await;
}

#[tokio::test]
async fn a_link_to_a_copy_that_is_not_valid_opens_a_page_that_says_so() {
    let mesh = Mesh::start().await;
    let unknown = format!("/privacy/copies/{}", "A".repeat(43));
    for answer in [
        mesh.anon().get("/privacy/copies/x").await,
        mesh.anon().get(&unknown).await,
        mesh.anon().form(&format!("{unknown}/code"), "").await,
        mesh.anon().form(&format!("{unknown}/download"), "code=123456").await,
    ] {
        assert_eq!(answer.status, 404, "{}", answer.text);
        assert!(answer.text.contains("the link is not valid"), "{}", answer.text);
        assert_eq!(answer.headers[CONTENT_TYPE], HTML);
    }
    mesh.finish().await;
}
