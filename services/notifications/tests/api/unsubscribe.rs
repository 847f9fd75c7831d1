//! `Unsubscribe`: one click ends all advertising at once, whatever its body, and is confirmed by one mail.

use chrono::TimeDelta;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{UnsubscribeRequest, message::State};
use levqor_runtime::testing::{Caller, eventually};

use crate::{
    Notified,
    fake_mail::FakeMail,
    get_preferences::{hash_of, token_of},
    update_preferences::tip,
};

impl Notified {
    /// Unsubscribes by one click, as a mail program does.
    async fn unsubscribe(&self, address: &str, body: &str) {
        let form = HttpBody {
            content_type: "application/x-www-form-urlencoded".to_owned(),
            data: body.as_bytes().to_vec(),
            extensions: Vec::new(),
        };
        let request = UnsubscribeRequest { token: token_of(address), form: Some(form) };
        let page = self.consent().unsubscribe(Caller::anonymous().request(request)).await.expect("a page");
        let html = String::from_utf8(page.into_inner().data).expect("text");
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
    // Other mail still comes.
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
async fn whoever_objected_gets_advertising_again_only_after_agreeing_again() {
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
