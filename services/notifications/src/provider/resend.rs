//! The client of Resend. It makes one call of the HTTP API, <https://resend.com/docs/api-reference/emails/send-email>, at the
//! base URL from the settings. Other servers have the same API, and some of them do not honour idempotency keys.

mod list;
mod receiving;

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use levqor_runtime::client::{self, ApiBase, vendor_client};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    list::{Listed, NoList},
    receiving::{NotReceived, ReceivedMail},
};
use super::{Answer, Refusal, Trouble};
use crate::domain::{
    delivery::{KeyHours, KeyMemory, TIMEOUT_S},
    message::{Mail, Receipt},
    message_tag::{self, MessageTag},
};

/// The most bytes of an answer. Resend's answers have less than a kilobyte.
const MOST_BYTES: usize = 64 * 1024;

/// A client of Resend's API.
pub struct Resend {
    client: reqwest::Client,
    downloads: reqwest::Client,
    base: String,
    url: String,
    key: SecretString,
    key_hours: KeyHours,
    identity: String,
}

impl Resend {
    /// The provider name in receipts.
    pub const NAME: &str = "resend";

    /// Creates a client with this API key. The provider remembers an idempotency key for `key_hours`.
    pub fn try_new(key: SecretString, base: &ApiBase, key_hours: KeyHours) -> Result<Self, reqwest::Error> {
        // The server may close a kept connection at the moment of our request. We cannot tell that from a request that was cut
        // off, so it would put the message in doubt if the server honours no keys. Such a server gets a new connection for each
        // mail.
        let keep_connections = key_hours.get() > 0;
        let client = vendor_client(base, Duration::from_secs(TIMEOUT_S.into()), keep_connections)?;
        let account = format!("{base}\n{}", key.expose_secret());
        let digest = ring::digest::digest(&ring::digest::SHA256, account.as_bytes());
        let short = digest.as_ref().get(..4).unwrap_or_default();
        let identity = format!("{}:{}", Self::NAME, hex::encode(short));
        let downloads = receiving::download_client(base)?;
        let (url, base) = (format!("{base}emails"), base.to_string());
        Ok(Self { client, downloads, base, url, key, key_hours, identity })
    }

    pub(crate) const fn key_hours(&self) -> KeyHours {
        self.key_hours
    }

    /// The identity contains the API key's account and the address, because no other account or server knows our idempotency
    /// keys.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn key_memory(&self) -> KeyMemory {
        self.key_hours.memory()
    }

    pub(super) async fn deliver(&self, mail: &Mail) -> Answer {
        let email = Email {
            from: &mail.sender,
            to: [mail.recipient.as_str()],
            subject: &mail.subject,
            text: &mail.text,
            html: &mail.html,
            reply_to: mail.reply_to.as_ref().map(levqor_runtime::email::Email::as_str),
            headers: mail.headers.iter().collect(),
            tags: [Tag { name: message_tag::NAME, value: MessageTag::from(mail).to_string() }],
        };
        let request = self.client.post(&self.url).bearer_auth(self.key.expose_secret());
        let request = request.header("idempotency-key", &mail.key).json(&email);
        match client::send(request, "/emails").await {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                // A body that cannot be read counts as empty. For a failure the status is enough.
                read(status, &headers, &body(response).await.unwrap_or_default())
            }
            Err(error) => unanswered(error.without_url()),
        }
    }
}

#[derive(Serialize)]
struct Email<'a> {
    from: &'a str,
    to: [&'a str; 1],
    subject: &'a str,
    text: &'a str,
    html: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    tags: [Tag; 1],
}

/// Resend repeats the tags of a mail in its events.
#[derive(Serialize)]
struct Tag {
    name: &'static str,
    value: String,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

/// The body of <https://resend.com/docs/api-reference/errors>. Its message is not read, because it may quote an address.
#[derive(Deserialize)]
struct Failure {
    name: String,
}

async fn body(response: reqwest::Response) -> Option<Vec<u8>> {
    body_up_to(response, MOST_BYTES).await.ok().flatten()
}

/// A whole body. `None` if it is longer than that; an error if it broke off.
async fn body_up_to(mut response: reqwest::Response, most: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Why a question to the provider got no answer.
fn unanswered_why(error: reqwest::Error) -> Trouble {
    let what = if error.is_connect() { "no connection could be made" } else { "no answer" };
    Trouble::because(what, error)
}

/// Classifies a failure without an answer. Only if no connection was made, the provider certainly does not have the mail.
fn unanswered(error: reqwest::Error) -> Answer {
    if error.is_connect() {
        Answer::NotAccepted(Trouble::because("no connection could be made", error))
    } else if error.is_builder() {
        Answer::NotAccepted(Trouble::because("the request could not be made", error))
    } else if error.is_timeout() {
        Answer::Ambiguous(Trouble::because("no answer in time", error))
    } else {
        Answer::Ambiguous(Trouble::because("the connection was cut before the answer", error))
    }
}

/// Classifies an answer.
fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    if status.is_success() {
        let id = serde_json::from_slice(body).ok().map(|Accepted { id }| id);
        return match id.filter(|id| is_evidence(id)) {
            Some(id) => {
                Answer::Accepted(Receipt { provider: Resend::NAME.to_owned(), provider_message_id: id })
            }
            None => Answer::Ambiguous(trouble(format!("{} without an id that can be read", status.as_u16()))),
        };
    }
    let name = serde_json::from_slice(body).ok().map(|Failure { name }| name).filter(|name| is_name(name));
    let name = name.unwrap_or_default();
    let what = format!("{} {name}", status.as_u16()).trim_end().to_owned();
    match (status.as_u16(), name.as_str()) {
        (409, "invalid_idempotent_request") => Answer::KeyTaken(trouble(what)),
        // The first request under this key is still running, or it timed out on the way. Its outcome is not known.
        (408 | 409 | 500.., _) => Answer::Ambiguous(trouble(what)),
        (429, _) => {
            let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let retry_after = seconds.map(Duration::from_secs);
            Answer::NotAccepted(Trouble { what, retry_after, source: None })
        }
        (401 | 403, _) => Answer::Unauthorised(trouble(what)),
        // A person can fix these causes: the bill, the sender's domain, the base URL. Then the mail may be accepted. A redirect
        // is not followed: mail is sent only to addresses of the settings.
        (300..=399 | 402 | 404 | 405, _) => Answer::NotAccepted(trouble(what)),
        _ => Answer::Refused(Refusal { reason: format!("the provider refused it: {what}"), class: None }),
    }
}

const fn trouble(what: String) -> Trouble {
    Trouble::new(what)
}

/// Whether the text can be an id. No other text is stored as one.
fn is_evidence(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether the text is the name of an error. Another text could quote a person.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The class of an answer, and the detail that is stored.
    fn read_as(status: u16, body: &str) -> (&'static str, String) {
        let status = StatusCode::from_u16(status).expect("a status");
        match read(status, &HeaderMap::new(), body.as_bytes()) {
            Answer::Accepted(receipt) => ("accepted", receipt.provider_message_id),
            Answer::Refused(refusal) => ("refused", refusal.reason),
            Answer::NotAccepted(trouble) => ("not accepted", trouble.what),
            Answer::Unauthorised(trouble) => ("unauthorised", trouble.what),
            Answer::Ambiguous(trouble) => ("ambiguous", trouble.what),
            Answer::KeyTaken(trouble) => ("key taken", trouble.what),
        }
    }

    #[test]
    fn every_answer_has_a_class() {
        let error =
            |name: &str| format!(r#"{{"statusCode": 0, "name": "{name}", "message": "ada@example.com"}}"#);
        for (status, body, class, kept) in [
            (200, r#"{"id": "em_1"}"#.to_owned(), "accepted", "em_1"),
            (201, r#"{"id": "em_1"}"#.to_owned(), "accepted", "em_1"),
            (200, String::new(), "ambiguous", "200 without an id that can be read"),
            (200, r#"{"id": ""}"#.to_owned(), "ambiguous", "200 without an id that can be read"),
            (200, "<html>".to_owned(), "ambiguous", "200 without an id that can be read"),
            (400, error("validation_error"), "refused", "the provider refused it: 400 validation_error"),
            (
                422,
                error("missing_required_field"),
                "refused",
                "the provider refused it: 422 missing_required_field",
            ),
            (422, error("to ada@example.com"), "refused", "the provider refused it: 422"),
            (422, "<html>".to_owned(), "refused", "the provider refused it: 422"),
            (307, String::new(), "not accepted", "307"),
            (401, error("missing_api_key"), "unauthorised", "401 missing_api_key"),
            (403, error("invalid_api_key"), "unauthorised", "403 invalid_api_key"),
            (402, String::new(), "not accepted", "402"),
            (404, error("not_found"), "not accepted", "404 not_found"),
            (429, error("daily_quota_exceeded"), "not accepted", "429 daily_quota_exceeded"),
            (408, String::new(), "ambiguous", "408"),
            (409, error("concurrent_idempotent_requests"), "ambiguous", "409 concurrent_idempotent_requests"),
            (409, error("invalid_idempotent_request"), "key taken", "409 invalid_idempotent_request"),
            (500, error("application_error"), "ambiguous", "500 application_error"),
            (503, String::new(), "ambiguous", "503"),
        ] {
            assert_eq!(read_as(status, &body), (class, kept.to_owned()), "{status} {body}");
        }
    }

    #[test]
    fn a_rate_limit_says_when() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "7".parse().expect("a value"))]);
        let answer = read(StatusCode::TOO_MANY_REQUESTS, &headers, b"");
        let Answer::NotAccepted(trouble) = answer else { panic!("not accepted") };
        assert_eq!(trouble.retry_after, Some(Duration::from_secs(7)));
    }
}
