//! `Unsubscribe`: one click ends all advertising at once, whatever its body, and is confirmed by one mail. A forged link ends nothing.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use levqor_notifications::domain::{address::AddressKey, link_token::LinkKeys};
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{UnsubscribeRequest, UpdatePreferencesRequest, message::State};
use levqor_runtime::testing::{Caller, eventually};
use secrecy::SecretString;
use tonic::Status;

use crate::{
    Notified,
    fake_mail::FakeMail,
    get_preferences::{hash_of, token_of},
    reason, refused,
    update_preferences::tip,
};

/// The body of a form.
fn form(body: &str) -> HttpBody {
    HttpBody {
        content_type: "application/x-www-form-urlencoded".to_owned(),
        data: body.as_bytes().to_vec(),
        extensions: Vec::new(),
    }
}

/// A token about the recipient of one token, with the signature of another.
fn forged(recipient_of: &str, signature_of: &str) -> String {
    let bytes = |token: &str| BASE64_URL_SAFE_NO_PAD.decode(token).expect("a token");
    BASE64_URL_SAFE_NO_PAD.encode([&bytes(recipient_of)[..32], &bytes(signature_of)[32..]].concat())
}

impl Notified {
    /// One click on the link with this token, as a mail program makes it. Returns the page.
    async fn click(&self, token: &str, body: &str) -> Result<String, Status> {
        let request = UnsubscribeRequest { token: token.to_owned(), form: Some(form(body)) };
        let page = self.consent().unsubscribe(Caller::anonymous().request(request)).await?;
        Ok(String::from_utf8(page.into_inner().data).expect("text"))
    }

    /// Unsubscribes by one click.
    async fn unsubscribe(&self, address: &str, body: &str) {
        let html = self.click(&token_of(address), body).await.expect("a page");
        assert!(html.contains("You are unsubscribed"), "{html}");
    }
}

#[tokio::test]
async fn one_click_ends_all_advertising_and_is_confirmed_once() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    let all = "category=EDUCATIONAL_CONTENT&category=EVENTS_WEBINARS";
    notified.choose("ada@example.com", all).await.expect("a page");
    assert_eq!(notified.ends("a", tip("a", "ada@example.com")).await, State::Sent);
    notified.unsubscribe("ada@example.com", "List-Unsubscribe=One-Click").await;
    assert_eq!(notified.ends("b", tip("b", "ada@example.com")).await, State::Suppressed);
    assert!(notified.ticked("ada@example.com").await.is_empty());
    // Again, and with any body: nothing more follows.
    notified.unsubscribe("ada@example.com", "").await;
    eventually("the confirmation is sent", || async { (provider.accepted().len() == 2).then_some(()) }).await;
    let confirmation = &provider.accepted()[1];
    assert!(confirmation.text.contains(&format!("/preferences/{}", token_of("ada@example.com"))));
    assert_eq!(notified.count("permission_changes WHERE state = 'WITHDRAWN'").await, 2);
    assert_eq!(notified.count("messages WHERE template = 'unsubscribe_confirmation'").await, 1);
    // Other mail still arrives.
    notified.sent("c", crate::welcome("1", "ada@example.com")).await;
}

#[tokio::test]
async fn the_links_of_a_mail_open_ten_years_later() {
    let notified = Notified::start().await;
    let token = token_of("ada@example.com");
    notified.advance(TimeDelta::days(3_650)).await;
    assert!(notified.preferences(&token).await.expect("a page").contains("type=\"checkbox\""));
    notified.unsubscribe("ada@example.com", "List-Unsubscribe=One-Click").await;
}

#[tokio::test]
async fn a_person_who_objected_gets_advertising_only_after_a_new_consent() {
    let notified = Notified::start().await;
    notified.choose("ada@example.com", "category=EDUCATIONAL_CONTENT").await.expect("a page");
    let hash = hex::encode(hash_of("ada@example.com").as_bytes());
    let objection = format!(
        "INSERT INTO suppressions (suppression_id, recipient_hash, reason, create_time)
         VALUES (gen_random_uuid(), decode('{hash}', 'hex'), 'COMPLAINT', runtime.now())"
    );
    notified.execute(&objection).await;
    assert!(notified.ticked("ada@example.com").await.is_empty(), "the page tells the truth");
    assert_eq!(notified.ends("a", tip("a", "ada@example.com")).await, State::Suppressed);
    notified.choose("ada@example.com", "category=EDUCATIONAL_CONTENT").await.expect("a page");
    assert_eq!(notified.ticked("ada@example.com").await, ["EDUCATIONAL_CONTENT"]);
    assert_eq!(notified.ends("b", tip("b", "ada@example.com")).await, State::Sent);
}

#[tokio::test]
async fn a_forged_link_is_refused_and_changes_nothing() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    notified.choose("ada@example.com", "category=EVENTS_WEBINARS").await.expect("a page");
    let of_another_kind = notified.asked(&provider, "bob@example.com").await;
    let (ada, bob) = (token_of("ada@example.com"), token_of("bob@example.com"));
    let another_key = AddressKey::try_new(&SecretString::from("b".repeat(32))).expect("a key");
    let with_another_key = LinkKeys::new(&another_key).recipient(&hash_of("ada@example.com"));
    // Bob changes the recipient of his own link.
    let with_another_recipient = forged(&ada, &bob);
    for token in ["", &ada[1..], &of_another_kind, &with_another_key, &with_another_recipient] {
        let clicked = notified.click(token, "List-Unsubscribe=One-Click").await;
        assert_eq!(reason(&refused(clicked)), "LINK_NOT_VALID", "{token}");
        let request = UpdatePreferencesRequest { token: token.to_owned(), form: Some(form("")) };
        let chosen = notified.consent().update_preferences(Caller::anonymous().request(request)).await;
        assert_eq!(reason(&refused(chosen)), "LINK_NOT_VALID", "{token}");
    }
    assert_eq!(notified.ticked("ada@example.com").await, ["EVENTS_WEBINARS"]);
    assert_eq!(notified.count("permission_changes WHERE state = 'WITHDRAWN'").await, 0);
    assert_eq!(notified.count("messages WHERE template = 'unsubscribe_confirmation'").await, 0);
    // The parts are good together.
    notified.click(&forged(&ada, &ada), "").await.expect("a page");
    assert!(notified.ticked("ada@example.com").await.is_empty());
}
