//! The post: a mail provider that keeps what it accepts, and what must be true of it and of our messages in the end.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::testing::Caller;
use serde_json::Value;

use super::{get, processes::Mesh};
use crate::fakes::mail::{API_KEY, FakeMail};

/// The provider.
pub(crate) struct Post {
    fake: FakeMail,
    honours_keys: bool,
}

impl Post {
    /// Opens it.
    pub(crate) fn open(honours_keys: bool) -> Self {
        let fake = if honours_keys { FakeMail::start() } else { FakeMail::start_ignoring_keys() };
        Self { fake, honours_keys }
    }

    /// Whether it takes a mail once that comes twice.
    pub(crate) fn honours_keys(&self) -> bool {
        self.honours_keys
    }

    /// What notifications are told of it.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let hours = if self.honours_keys { "24" } else { "0" };
        vec![
            ("RESEND_API_KEY", API_KEY.to_owned()),
            ("RESEND_API_BASE", self.fake.url()),
            ("RESEND_KEY_HOURS", hours.to_owned()),
        ]
    }

    /// Its id for a mail, if it has it.
    pub(crate) fn id_of(&self, recipient: &str, subject: &str) -> Option<String> {
        let mails = self.fake.accepted().into_iter();
        mails.filter(|mail| mail.to == recipient && mail.subject == subject).map(|mail| mail.id).next()
    }

    /// Every mail that it has is one of our messages, and no message is there twice. What we say is sent is there; what
    /// may be there or not we say we do not know, which happens only where keys are not honoured. How many those are.
    pub(crate) async fn assert_told(&self, mesh: &Mesh) -> usize {
        let mut accepted = BTreeMap::<_, usize>::new();
        for mail in self.fake.accepted() {
            *accepted.entry((mail.to, mail.subject)).or_default() += 1;
        }
        let messages: Vec<(String, String, String)> =
            sqlx::query_as("SELECT recipient, subject, state FROM messages")
                .fetch_all(mesh.notifications().pool())
                .await
                .expect("rows");
        let mut doubts = BTreeSet::new();
        for (recipient, subject, state) in messages {
            let mails = accepted.remove(&(recipient.clone(), subject.clone())).unwrap_or_default();
            match (state.as_str(), mails) {
                ("SENT", 1) => {}
                ("IN_DOUBT", 0 | 1) if !self.honours_keys => {
                    doubts.extend([subject.clone() + &recipient]);
                }
                _ => panic!("{subject:?} to {recipient} is {state}, and the provider has it {mails} times"),
            }
        }
        assert!(accepted.is_empty(), "mails that no message of ours explains: {accepted:?}");
        assert_eq!(shown_in_doubt(mesh).await, doubts, "what staff see is not what is in doubt");
        doubts.len()
    }
}

/// Messages in doubt as staff see them: subject and recipient of each.
async fn shown_in_doubt(mesh: &Mesh) -> BTreeSet<String> {
    let (mut shown, mut page) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/messages?state=STATE_IN_DOUBT&page_size=200&page_token={page}");
        let answer = get(mesh.door, &Caller::staff(), &path).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
        let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
        let listed = answer.list("messages").iter();
        shown.extend(listed.map(|message| text(message, "subject") + &text(message, "recipient")));
        page = text(&answer.json, "next_page_token");
        if page.is_empty() {
            return shown;
        }
    }
}
