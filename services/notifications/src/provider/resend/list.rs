//! Resend's list of the mails that it took, <https://resend.com/docs/api-reference/emails/list-emails>.

use chrono::{DateTime, Utc};
use levqor_runtime::client;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{Resend, body, unanswered_why};
use crate::{domain::report::DeliveryOutcome, provider::Trouble};

/// The most mails of a page that Resend allows.
const PAGE: u32 = 100;

/// A page of mails, newest first.
#[derive(Deserialize)]
pub(crate) struct ListPage {
    /// Whether there are older mails.
    #[serde(default)]
    pub(crate) has_more: bool,
    /// The mails.
    pub(crate) data: Vec<Listed>,
}

/// A mail in the list. Only these fields are read: the others are personal.
#[derive(Deserialize)]
pub(crate) struct Listed {
    /// Resend's id of the mail.
    pub(crate) id: String,
    #[serde(rename = "created_at", deserialize_with = "instant", default)]
    pub(crate) create_time: Option<DateTime<Utc>>,
    #[serde(default)]
    last_event: Option<String>,
}

/// Why there is no page.
pub(crate) enum NoList {
    /// The key or the server does not allow it.
    Never(String),
    /// Resend does not answer, or not with a page.
    NotNow(Trouble),
}

impl Listed {
    /// The outcome of the mail. `bounced` means that the recipient's server refused it for good, and `delivery_delayed` that a reason
    /// was temporary: <https://resend.com/docs/dashboard/webhooks/event-types>.
    pub(crate) fn outcome(&self) -> Option<DeliveryOutcome> {
        match self.last_event.as_deref()? {
            "delivered" | "opened" | "clicked" => Some(DeliveryOutcome::Delivered),
            "delivery_delayed" => Some(DeliveryOutcome::Delayed),
            "bounced" => Some(DeliveryOutcome::BouncedHard),
            "complained" => Some(DeliveryOutcome::Complained),
            "failed" => Some(DeliveryOutcome::Failed),
            "suppressed" => Some(DeliveryOutcome::Suppressed),
            _ => None,
        }
    }
}

impl Resend {
    /// The mails before this one, or the newest ones.
    pub(crate) async fn list(&self, after: Option<&str>) -> Result<ListPage, NoList> {
        let request = self.client.get(&self.url).bearer_auth(self.key.expose_secret());
        let request = request.query(&[("limit", PAGE.to_string())]);
        let request = match after {
            Some(after) => request.query(&[("after", after)]),
            None => request,
        };
        let response = client::send(request, "/emails").await;
        let response = response.map_err(|error| NoList::NotNow(unanswered_why(error.without_url())))?;
        let status = response.status();
        match status.as_u16() {
            401 | 403 | 404 | 405 => return Err(NoList::Never(status.as_u16().to_string())),
            _ if !status.is_success() => {
                return Err(NoList::NotNow(Trouble::new(status.as_u16().to_string())));
            }
            _ => {}
        }
        let read = body(response).await;
        let page = read.and_then(|body| serde_json::from_slice::<ListPage>(&body).ok());
        page.ok_or_else(|| NoList::NotNow(Trouble::new("200 without a list that can be read".to_owned())))
    }
}

/// Resend writes instants in RFC 3339, and in some answers with a space and a short offset.
fn instant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    let text = text.replacen(' ', "T", 1);
    let text = if text.ends_with("+00") { format!("{text}:00") } else { text };
    Ok(DateTime::parse_from_rfc3339(&text).ok().map(|time| time.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_resend_documents_it() {
        let page: ListPage = serde_json::from_str(
            r#"{"object": "list", "has_more": true, "data": [
                {"id": "4ef9a417", "to": ["ada@example.com"], "from": "Acme <a@b.cd>", "subject": "Hello", "bcc": null,
                 "created_at": "2026-04-03 22:13:42.674981+00", "last_event": "delivered", "scheduled_at": null},
                {"id": "3a9f8c2b", "created_at": "2026-04-03T21:45:12.345678+00:00", "last_event": "sent"},
                {"id": "3a9f8c2c", "created_at": "yesterday", "last_event": null}
            ]}"#,
        )
        .expect("a page");
        let read: Vec<_> = page.data.iter().map(|it| (it.create_time.is_some(), it.outcome())).collect();
        assert_eq!(read, [(true, Some(DeliveryOutcome::Delivered)), (true, None), (false, None)]);
        assert!(page.has_more);
    }
}
