//! The list of the mails that the fake provider accepted, <https://resend.com/docs/api-reference/emails/list-emails>.

use serde_json::{Value, json};

use super::{Accept, Answer, FakeMail, Shared, failure, json_answer};

/// The most mails of a page: it refuses a request for more.
const MAX: usize = 100;

impl FakeMail {
    /// The outcome of the `n`th accepted mail, counted from 0, as the list of mails says: `delivered`, `bounced`.
    pub(crate) fn becomes(&self, n: usize, last_event: &str) {
        let mut state = self.shared.state();
        let id = state.accepted[n].id.clone();
        state.last_events.insert(id, last_event.to_owned());
    }

    /// Lists this number of further mails from now on, which other systems with the same account sent.
    pub(crate) fn lists_others(&self, mails: usize) {
        let other = |n: usize| Accept {
            id: format!("other-{n}"),
            key: None,
            from: "Others <others@example.com>".to_owned(),
            to: "eve@example.com".to_owned(),
            subject: "Hello".to_owned(),
            reply_to: None,
            headers: Value::Null,
            tags: Value::Null,
            text: String::new(),
            html: String::new(),
        };
        self.shared.state().accepted.extend((0..mails).map(other));
    }

    /// Refuses the list of mails with this status from now on.
    pub(crate) fn refuse_list(&self, status: u16) {
        self.shared.state().list_fails_with = Some(status);
    }
}

impl Shared {
    /// The mails that it accepted, newest first, as Resend lists them.
    pub(super) fn listed(&self, query: &str) -> Answer {
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let state = self.state();
        if let Some(status) = state.list_fails_with {
            return failure(status, b"");
        }
        let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20);
        if limit > MAX {
            return failure(422, b"");
        }
        let newest = state.accepted.iter().rev();
        let mut rest =
            newest.skip_while(|mail| value("after").is_some_and(|after| after != mail.id)).peekable();
        if value("after").is_some() {
            rest.next();
        }
        let page: Vec<_> = rest
            .by_ref()
            .take(limit)
            .map(|mail| {
                let event = state.last_events.get(&mail.id).map_or("sent", String::as_str);
                json!({"id": mail.id, "to": [mail.to], "from": mail.from, "subject": mail.subject,
                       "created_at": "2999-01-01 00:00:00.000000+00", "last_event": event})
            })
            .collect();
        json_answer(200, &json!({"object": "list", "has_more": rest.peek().is_some(), "data": page}))
    }
}
