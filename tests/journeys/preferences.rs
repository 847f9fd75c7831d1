//! A recipient unsubscribes from advertising and agrees again, in a browser without JavaScript, by the links of a mail.

use levqor_proto::mail::v1::{FollowupValue, SendMessageRequest, send_message_request::Content};
use levqor_runtime::{config::Env, deferred::defer, testing::eventually};
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use serde_json::{Value, json};

use crate::{
    fakes::mail::{API_KEY, Accept, FakeMail},
    harness::{Answer, Mesh},
};

const ADA: &str = "ada@example.com";

/// Requests an advertising mail, as support does.
pub(super) async fn tip(mesh: &Mesh, recipient: &str, about: &str) {
    let request = SendMessageRequest {
        recipient: recipient.to_owned(),
        about: about.to_owned(),
        content: Some(Content::FollowupValue(FollowupValue { customer_name: "Ada".to_owned() })),
        ..SendMessageRequest::default()
    };
    let mut tx = mesh.billing().db.begin().await.expect("a transaction");
    defer(&mut tx, &request, about).await.expect("deferred");
    tx.commit().await.expect("committed");
    mesh.settle().await;
}

/// The path of a link in a text.
pub(super) fn path(text: &str, begin: &str) -> String {
    let found =
        text.split_whitespace().find_map(|word| word.find(begin).map(|place| word[place..].to_owned()));
    found.unwrap_or_else(|| panic!("no link to {begin} in {text}")).trim_end_matches('>').to_owned()
}

/// Checks the headers of a page: it runs no script, sends no referrer, and is not cached.
pub(super) fn assert_page(answer: &Answer, heading: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains(&format!("<h1>{heading}</h1>")), "{}", answer.text);
    let header = |name| answer.headers[name].to_str().expect("text").to_owned();
    let policy = header(CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none';") && policy.contains("form-action 'self'"), "{policy}");
    assert!(!policy.contains("script-src"), "{policy}");
    assert_eq!(header(REFERRER_POLICY), "no-referrer");
    assert_eq!(header(CACHE_CONTROL), "no-store");
    assert_eq!(header(CONTENT_TYPE), "text/html; charset=utf-8");
}

async fn nth(provider: &FakeMail, n: usize) -> Accept {
    eventually("the mail is sent", || async { provider.accepted().get(n).cloned() }).await
}

#[tokio::test]
async fn mail_unsubscribe_preference_centre_back_on() {
    let provider = FakeMail::start();
    let url = provider.url();
    let settings = [
        ("RESEND_API_KEY", API_KEY),
        ("RESEND_API_BASE", url.as_str()),
        ("LEVQOR_API_URL", "https://api.example.com"),
        ("LEVQOR_MARKETING_HOURS", "0-24"),
    ];
    let mesh = Mesh::start_with(&settings).await;

    // Without a permission, no mail is sent. The recipient gives the permission by the link in a mail.
    tip(&mesh, ADA, "tip:1").await;
    let body = json!({"email": ADA, "categories": ["NEWSLETTER_CATEGORY_EDUCATIONAL_CONTENT"]});
    assert_eq!(mesh.anon().post("/v1/newsletter-subscriptions", body).await.status, 200);
    let confirm = path(&nth(&provider, 0).await.text, "/newsletter/confirm/");
    assert_page(&mesh.anon().get(&confirm).await, "Confirm your subscription");
    assert_page(&mesh.anon().form(&confirm, "").await, "You are subscribed");
    tip(&mesh, ADA, "tip:2").await;
    let mail = nth(&provider, 1).await;

    // The recipient opens the page; then a mail program unsubscribes with one click, by the header of the mail.
    let unsubscribe = path(mail.headers["List-Unsubscribe"].as_str().expect("a header"), "/unsubscribe/");
    assert_page(&mesh.anon().get(&unsubscribe).await, "Unsubscribe");
    assert_page(&mesh.anon().form(&unsubscribe, "List-Unsubscribe=One-Click").await, "You are unsubscribed");
    tip(&mesh, ADA, "tip:3").await;
    let confirmation = nth(&provider, 2).await;

    // The recipient agrees again in the preference centre.
    let preferences = path(&confirmation.text, "/preferences/");
    let page = mesh.anon().get(&preferences).await;
    assert_page(&page, "Your mails from us");
    assert!(!page.text.contains(" checked"), "{}", page.text);
    let saved = mesh.anon().form(&preferences, "category=EDUCATIONAL_CONTENT").await;
    assert_page(&saved, "Your mails from us");
    assert!(saved.text.contains("value=\"EDUCATIONAL_CONTENT\" checked"), "{}", saved.text);
    tip(&mesh, ADA, "tip:4").await;
    assert_eq!(nth(&provider, 3).await.subject, mail.subject);
    assert_eq!(provider.accepted().len(), 4, "tips 1 and 3 were not wanted");
    mesh.finish().await;
}

#[tokio::test]
async fn a_link_that_is_not_valid_opens_a_page_that_says_so() {
    let mesh = Mesh::start().await;
    for answer in [mesh.anon().get("/preferences/x").await, mesh.anon().form("/unsubscribe/x", "a=b").await] {
        assert_eq!(answer.status, 404);
        assert!(answer.text.contains("the link is not valid"), "{}", answer.text);
        assert_eq!(answer.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    }
    let json = mesh.anon().post("/unsubscribe/x", json!({})).await;
    assert_eq!(json.status, 415, "{}", json.text);
    mesh.finish().await;
}

/// A setting of `.ci/mail`.
fn of_counterpart(name: &str) -> String {
    Env::from_process().get(name).unwrap_or_else(|| panic!("{name} is not set: run .ci/mail")).to_owned()
}

/// The mails to an address that maildev has, the oldest first.
async fn delivered(page: &str, address: &str) -> Vec<Value> {
    let client = levqor_runtime::client::local_http_client().expect("a client");
    let answer = client.get(format!("{page}/api/email")).send().await.expect("an answer");
    let mails: Vec<Value> = answer.json().await.expect("a list");
    mails.into_iter().filter(|mail| mail["to"][0]["address"] == *address).collect()
}

/// The text of the `n`th mail to an address, from 0.
async fn text_of(page: &str, address: &str, n: usize) -> String {
    eventually("the mail is delivered", || async {
        let mails = delivered(page, address).await;
        mails.get(n).and_then(|mail| mail["text"].as_str()).map(str::to_owned)
    })
    .await
}

#[tokio::test]
#[ignore = "needs maildev: .ci/mail"]
async fn the_unsubscribe_link_of_a_delivered_mail_works_without_javascript() {
    let (smtp, ca) = (of_counterpart("MAIL_COUNTERPART_SMTP"), of_counterpart("MAIL_COUNTERPART_CA"));
    let page = of_counterpart("MAIL_COUNTERPART_PAGE");
    let settings =
        [("SMTP_URL", smtp.as_str()), ("SMTP_CA_FILE", ca.as_str()), ("LEVQOR_MARKETING_HOURS", "0-24")];
    let mesh = Mesh::start_with(&settings).await;
    let grace = format!("grace-{}@example.com", levqor_runtime::id::request_id());
    let body = json!({"email": grace, "categories": ["NEWSLETTER_CATEGORY_EDUCATIONAL_CONTENT"]});
    assert_eq!(mesh.anon().post("/v1/newsletter-subscriptions", body).await.status, 200);
    let confirm = path(&text_of(&page, &grace, 0).await, "/newsletter/confirm/");
    assert_page(&mesh.anon().form(&confirm, "").await, "You are subscribed");
    tip(&mesh, &grace, "tip:1").await;

    // The link of the mail opens a page whose only active part is a form that posts to the page itself.
    let unsubscribe = path(&text_of(&page, &grace, 1).await, "/unsubscribe/");
    let shown = mesh.anon().get(&unsubscribe).await;
    assert_page(&shown, "Unsubscribe");
    assert!(shown.text.contains("<form method=\"post\"><button type=\"submit\">"), "{}", shown.text);
    assert!(!shown.text.contains("<script"), "{}", shown.text);
    assert_page(&mesh.anon().form(&unsubscribe, "").await, "You are unsubscribed");
    tip(&mesh, &grace, "tip:2").await;
    text_of(&page, &grace, 2).await;
    let subjects: Vec<_> =
        delivered(&page, &grace).await.iter().map(|mail| mail["subject"].to_string()).collect();
    assert_eq!(subjects.len(), 3, "the question, a tip and the confirmation: {subjects:?}");
    mesh.finish().await;
}
