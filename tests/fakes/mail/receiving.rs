//! The mails that the fake provider received: its receiving API, in Resend's form,
//! <https://resend.com/docs/api-reference/emails/retrieve-received-email>.

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{Answer, FakeMail, Shared, error, json_answer, webhooks::Webhook};

/// Where files are downloaded, without a key.
pub(super) const FILES: &str = "/files/";

/// A mail that the provider received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbound {
    /// The sender, as the mail says it.
    pub(crate) from: String,
    /// The recipient.
    pub(crate) to: String,
    /// The subject.
    pub(crate) subject: String,
    /// The text part.
    pub(crate) text: Option<String>,
    /// The HTML part.
    pub(crate) html: Option<String>,
    /// Header lines.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The mail as it arrived, for requests that want it.
    pub(crate) raw: Vec<u8>,
    /// The files: name and content.
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
}

impl Inbound {
    /// A mail with a text.
    pub(crate) fn new(from: &str, to: &str, text: &str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            subject: "Re: your ticket".to_owned(),
            text: Some(text.to_owned()),
            ..Self::default()
        }
    }
}

impl FakeMail {
    /// Receives a mail. Returns the webhook about it.
    pub(crate) fn receive(&self, mail: Inbound) -> Webhook {
        let id = levqor_runtime::id::request_id();
        let event = json!({
            "type": "email.received",
            "created_at": "2026-11-24T12:00:00.126Z",
            "data": {
                "email_id": id, "created_at": "2026-11-24T11:59:59.894719+00:00", "from": mail.from, "to": [mail.to],
                "bcc": [], "cc": [], "message_id": "<example+123>", "subject": mail.subject, "attachments": [],
            },
        });
        self.shared.state().received.push((id, mail));
        Webhook::of(&event.to_string())
    }
}

impl Shared {
    /// Answers a request about received mails.
    pub(super) fn received(&self, path: &str) -> Answer {
        let gone = || error(404, "not_found", "Email not found");
        let state = self.state();
        let mut parts = path.trim_start_matches(FILES).trim_start_matches("/emails/receiving/").split('/');
        let id = parts.next().unwrap_or_default();
        let Some((_, mail)) = state.received.iter().find(|(of, _)| of == id) else { return gone() };
        match (path.starts_with(FILES), parts.next()) {
            (true, Some("raw")) => Answer::new(Full::from(Bytes::from(mail.raw.clone()))),
            (true, place) => {
                let place: Option<usize> = place.and_then(|place| place.parse().ok());
                let file = place.and_then(|place| mail.files.get(place));
                file.map_or_else(gone, |(_, content)| Answer::new(Full::from(Bytes::from(content.clone()))))
            }
            (false, None) => json_answer(200, &self.shown(id, mail)),
            (false, Some(_)) => {
                json_answer(200, &json!({"object": "list", "has_more": false, "data": self.files(id, mail)}))
            }
        }
    }

    fn shown(&self, id: &str, mail: &Inbound) -> Value {
        let headers: serde_json::Map<_, _> =
            mail.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let base = self.base.get().expect("it serves");
        json!({
            "object": "email", "id": id, "from": mail.from, "to": [mail.to], "cc": [], "bcc": [], "reply_to": [],
            "created_at": "2026-11-24T11:59:59.894719+00:00", "subject": mail.subject, "text": mail.text, "html": mail.html,
            "headers": headers, "message_id": "<example+123>",
            "raw": {"download_url": format!("{base}{FILES}{id}/raw"), "expires_at": "2999-01-01T00:00:00.000Z"},
            "attachments": self.files(id, mail),
        })
    }

    fn files(&self, id: &str, mail: &Inbound) -> Vec<Value> {
        let base = self.base.get().expect("it serves");
        let file = |(place, (name, content)): (usize, &(&str, Vec<u8>))| {
            json!({"id": place.to_string(), "filename": name, "size": content.len(), "content_type": "application/x-claimed",
                   "content_disposition": "attachment", "content_id": null,
                   "download_url": format!("{base}{FILES}{id}/{place}"), "expires_at": "2999-01-01T00:00:00.000Z"})
        };
        mail.files.iter().enumerate().map(file).collect()
    }
}
