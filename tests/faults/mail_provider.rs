//! A mail provider that keeps the mails that it accepts, and the checks that compare these mails with our messages at the end.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::testing::{Caller, eventually};
use serde_json::Value;

use super::{get, processes::Mesh};
use crate::fakes::mail::{
    API_KEY, Accept, Behaviour, FakeMail,
    webhooks::{WEBHOOK_SECRET, Webhook},
};

/// The provider.
pub(crate) struct MailProvider {
    fake: FakeMail,
    honours_keys: bool,
}

impl MailProvider {
    /// Opens it.
    pub(crate) fn open(honours_keys: bool) -> Self {
        let fake = if honours_keys { FakeMail::start() } else { FakeMail::start_ignoring_keys() };
        Self { fake, honours_keys }
    }

    /// Whether it honours idempotency keys: it accepts a mail with a known key only once.
    pub(crate) fn honours_keys(&self) -> bool {
        self.honours_keys
    }

    /// The settings of notifications for this provider.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let hours = if self.honours_keys { "24" } else { "0" };
        vec![
            ("RESEND_API_KEY", API_KEY.to_owned()),
            ("RESEND_API_BASE", self.fake.url()),
            ("RESEND_KEY_HOURS", hours.to_owned()),
            ("RESEND_RATE", "0".to_owned()),
            ("RESEND_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
        ]
    }

    /// The mails that it has.
    pub(crate) fn accepted(&self) -> Vec<Accept> {
        self.fake.accepted()
    }

    /// Its reactions to the next mails.
    pub(crate) fn next(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.fake.next(behaviours);
    }

    /// It behaves again.
    pub(crate) fn heal(&self) {
        self.fake.heal();
    }

    /// Its webhook about the `n`th mail that it accepted, counted from 0.
    pub(crate) fn tell(&self, n: usize, event_type: &str, more: &Value) -> Webhook {
        self.fake.tell(n, event_type, 1, more)
    }

    /// The provider's id of a mail, if it has the mail.
    pub(crate) fn id_of(&self, recipient: &str, subject: &str) -> Option<String> {
        let mails = self.fake.accepted().into_iter();
        mails.filter(|mail| mail.to == recipient && mail.subject == subject).map(|mail| mail.id).next()
    }

    /// The webhook that reports the delivery of the `n`th accepted mail, from 0, and the provider's id of that mail.
    pub(crate) fn delivered(&self, n: usize) -> (Webhook, String) {
        (self.fake.tell(n, "email.delivered", 1, &Value::Null), self.fake.accepted()[n].id.clone())
    }

    /// Checks the provider's mails. Each is one of our messages, word for word, and it has no message twice. It has every message
    /// that is SENT, under the id that we stored. A message that it may have is `IN_DOUBT`, which happens only if it honours no
    /// keys. Returns the number of messages in doubt.
    pub(crate) async fn assert_told(&self, mesh: &Mesh) -> usize {
        // The key is the message's id, in later rounds with a number. Two reminders may be the same word for word.
        let mut accepted = BTreeMap::<_, Vec<_>>::new();
        for mail in self.fake.accepted() {
            let key = mail.key.unwrap_or_default();
            let id = key.split('/').next().unwrap_or_default().to_owned();
            let parts = [id, mail.to, mail.from, mail.subject, mail.text, mail.html];
            accepted.entry(parts).or_default().push(mail.id);
        }
        let messages: Vec<([String; 6], String, Option<String>)> = sqlx::query_as(
            "SELECT ARRAY[message_id::text, recipient, sender, subject, body_text, body_html], state, provider_message_id
             FROM messages",
        )
        .fetch_all(mesh.notifications().pool())
        .await
        .expect("rows");
        let mut doubts = BTreeSet::new();
        for (parts, state, named) in messages {
            let mails = accepted.remove(&parts).unwrap_or_default();
            let [_, recipient, _, subject, ..] = &parts;
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
        assert!(accepted.is_empty(), "the provider has mails that are not messages of ours: {accepted:?}");
        assert_eq!(shown_in_doubt(mesh).await, doubts, "staff see other messages than those in doubt");
        doubts.len()
    }
}

/// Messages in doubt as staff see them: subject and recipient of each.
pub(super) async fn shown_in_doubt(mesh: &Mesh) -> BTreeSet<String> {
    let (mut shown, mut page) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/messages?state=STATE_IN_DOUBT&page_size=200&page_token={page}");
        // Just after a kill, the gateway may not have found notifications again.
        let answer = eventually("staff get the list", || async {
            get(mesh.door, &Caller::staff(), &path).await.filter(|answer| answer.status == 200)
        });
        let answer = answer.await;
        let text = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
        let listed = answer.list("messages").iter();
        shown.extend(listed.map(|message| text(message, "subject") + &text(message, "recipient")));
        page = text(&answer.json, "next_page_token");
        if page.is_empty() {
            return shown;
        }
    }
}
