//! `UpdatePreferences`: the recipient switches categories on and off, each change with its proof, and mails follow at once.

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_mail::v1::{FollowupValue, SendMessageRequest, send_message_request::Content};
use levqor_proto_notifications::v1::{UpdatePreferencesRequest, message::State};
use levqor_runtime::testing::{Caller, eventually};
use sqlx::Row;
use tonic::{Code, Status};

use crate::{
    Notified,
    fake_mail::FakeMail,
    get_preferences::{ticked, token_of},
    refused, violated,
};

/// An advertising mail.
pub(crate) fn tip(about: &str, recipient: &str) -> SendMessageRequest {
    SendMessageRequest {
        recipient: recipient.to_owned(),
        about: about.to_owned(),
        content: Some(Content::FollowupValue(FollowupValue { customer_name: "Ada".to_owned() })),
        ..SendMessageRequest::default()
    }
}

impl Notified {
    /// Posts the form of the preference centre, as a browser does.
    pub(crate) async fn choose(&self, address: &str, form: &str) -> Result<String, Status> {
        let form = HttpBody {
            content_type: "application/x-www-form-urlencoded".to_owned(),
            data: form.as_bytes().to_vec(),
            extensions: Vec::new(),
        };
        let request = UpdatePreferencesRequest { token: token_of(address), form: Some(form) };
        let page =
            self.consent().update_preferences(Caller::anonymous().request(request)).await?.into_inner();
        Ok(String::from_utf8(page.data).expect("text"))
    }

    /// The state in which a message ends.
    pub(crate) async fn ends(&self, key: &str, request: SendMessageRequest) -> State {
        let id = self.send(key, request).await.expect("stored").message_id;
        eventually("the message is settled", || async {
            let state = self.message(&id).await.state();
            (state != State::Pending).then_some(state)
        })
        .await
    }

    /// The proofs: category, state and source, the oldest first.
    pub(crate) async fn proofs(&self) -> Vec<(String, String, String)> {
        let sql = "SELECT category, state, source FROM permission_changes ORDER BY change_time, category";
        let rows = sqlx::query(sql).fetch_all(self.service.db.pool()).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }
}

#[tokio::test]
async fn ticked_boxes_are_sent_and_others_are_not() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    assert_eq!(notified.ends("a", tip("a", "ada@example.com")).await, State::Suppressed);
    let page =
        notified.choose("ada@example.com", "category=EDUCATIONAL_CONTENT&category=EVENTS_WEBINARS").await;
    let page = page.expect("a page");
    assert!(page.contains("Saved."), "{page}");
    assert_eq!(ticked(&page), ["EVENTS_WEBINARS", "EDUCATIONAL_CONTENT"]);
    assert_eq!(notified.ends("b", tip("b", "ada@example.com")).await, State::Sent);
    assert_eq!(
        notified.ends("c", tip("c", "bob@example.com")).await,
        State::Suppressed,
        "it is Ada's choice"
    );
    notified.choose("ada@example.com", "category=EVENTS_WEBINARS").await.expect("a page");
    assert_eq!(notified.ends("d", tip("d", "ada@example.com")).await, State::Suppressed);
    assert_eq!(notified.ticked("ada@example.com").await, ["EVENTS_WEBINARS"]);
    let proof =
        |category: &str, state: &str| (category.to_owned(), state.to_owned(), "preference_centre".to_owned());
    let expected = [
        proof("EDUCATIONAL_CONTENT", "GRANTED"),
        proof("EVENTS_WEBINARS", "GRANTED"),
        proof("EDUCATIONAL_CONTENT", "WITHDRAWN"),
    ];
    assert_eq!(notified.proofs().await, expected);
}

#[tokio::test]
async fn advertising_carries_the_headers_of_rfc_8058_and_other_mail_does_not() {
    let provider = FakeMail::start();
    let notified = Notified::start_with(&provider, "24").await;
    notified.choose("ada@example.com", "category=EDUCATIONAL_CONTENT").await.expect("a page");
    assert_eq!(notified.ends("a", tip("a", "ada@example.com")).await, State::Sent);
    notified.sent("b", crate::welcome("1", "ada@example.com")).await;
    let [tip, welcome] = &provider.accepted()[..] else { panic!("two mails") };
    let token = token_of("ada@example.com");
    let url = format!("https://api.levqor.ai/unsubscribe/{token}");
    assert_eq!(tip.headers["List-Unsubscribe"], format!("<{url}>"));
    assert_eq!(tip.headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    for link in [url, format!("https://api.levqor.ai/preferences/{token}")] {
        assert!(tip.html.contains(&link) && tip.text.contains(&link), "{}", tip.text);
    }
    assert!(welcome.headers.is_null() && !welcome.text.contains(&token), "{}", welcome.text);
}

#[tokio::test]
async fn a_form_with_another_category_changes_nothing() {
    let notified = Notified::start().await;
    let status =
        refused(notified.choose("ada@example.com", "category=ORDERS&category=EVENTS_WEBINARS").await);
    assert_eq!((status.code(), violated(&status)), (Code::InvalidArgument, vec!["form.category".to_owned()]));
    assert!(notified.ticked("ada@example.com").await.is_empty());
}
