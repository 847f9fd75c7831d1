//! The post: a mail provider that keeps what it accepts, and what must be true of it and of our messages in the end.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::testing::Caller;
use serde_json::Value;

use super::{get, processes::Mesh};
use crate::fakes::mail::{
    API_KEY, FakeMail,
    webhooks::{WEBHOOK_SECRET, Webhook},
};

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
            ("RESEND_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ]
    }

    /// Its id for a mail, if it has it.
    pub(crate) fn id_of(&self, recipient: &str, subject: &str) -> Option<String> {
        let mails = self.fake.accepted().into_iter();
        mails.filter(|mail| mail.to == recipient && mail.subject == subject).map(|mail| mail.id).next()
    }

    /// What it tells once the mail is delivered that it took as the `n`th, from 0, and its id of that mail.
    pub(crate) fn delivered(&self, n: usize) -> (Webhook, String) {
        (self.fake.tell(n, "email.delivered", 1, &Value::Null), self.fake.accepted()[n].id.clone())
    }

    /// Every mail that it has is one of our messages, word for word, and no message is there twice. What we say is sent is there
    /// under the name that we say; what may be there or not we say we do not know, which happens only where keys are not
    /// honoured. How many those are.
    pub(crate) async fn assert_told(&self, mesh: &Mesh) -> usize {
        let mut accepted = BTreeMap::<_, Vec<_>>::new();
        for mail in self.fake.accepted() {
            let parts = [mail.to, mail.from, mail.subject, mail.text, mail.html];
            accepted.entry(parts).or_default().push(mail.id);
        }
        let messages: Vec<([String; 5], String, Option<String>)> = sqlx::query_as(
            "SELECT ARRAY[recipient, sender, subject, body_text, body_html], state, provider_message_id FROM messages",
        )
        .fetch_all(mesh.notifications().pool())
        .await
        .expect("rows");
        let mut doubts = BTreeSet::new();
        for (parts, state, named) in messages {
            let mails = accepted.remove(&parts).unwrap_or_default();
            let [recipient, _, subject, ..] = &parts;
            match (state.as_str(), mails.as_slice()) {
                ("SENT", [id]) if named.as_ref() == Some(id) => {}
                ("IN_DOUBT", [] | [_]) if !self.honours_keys => {
                    doubts.extend([subject.clone() + recipient]);
                }
                _ => panic!(
                    "{subject:?} to {recipient} is {state} as {named:?}, and the provider has {mails:?}"
                ),
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
