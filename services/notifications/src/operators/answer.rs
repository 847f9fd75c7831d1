//! A channel's answer, and the one HTTP call that each channel makes.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use levqor_runtime::client;
use reqwest::RequestBuilder;

/// How long a channel may take to answer. Less than `domain::operator_delivery::UNDER_WAY`.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read. A channel's answer has at most about two kilobytes.
const MOST_BYTES: usize = 64 * 1024;

/// A channel's answer to a notice. The texts are for operators: a status and the channel's own code, never its words,
/// because those may quote the notice or a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The channel took the notice. Its id of the message, or its word for it, is the evidence.
    Taken(String),
    /// The channel certainly did not take the notice.
    NotTaken {
        /// Why.
        what: String,
        /// How long it wants us to wait, if it says so.
        retry_after: Option<Duration>,
        /// Whether it refused us. Then a person has to change a setting, or the channel.
        refused: bool,
    },
    /// The channel may have taken the notice.
    Unknown(String),
}

/// An answer with its body.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Received {
    /// Classifies a failure by its status. `code` is the channel's own code for it, if its answer has one.
    pub(super) fn failure(&self, code: Option<String>, retry_after: Option<Duration>) -> Answer {
        let what = format!("{} {}", self.status.as_u16(), code.unwrap_or_default()).trim_end().to_owned();
        match self.status.as_u16() {
            408 | 500.. => Answer::Unknown(what),
            429 => {
                let header =
                    self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
                let retry_after = retry_after.or_else(|| header.map(Duration::from_secs));
                Answer::NotTaken { what, retry_after, refused: false }
            }
            _ => Answer::NotTaken { what, retry_after: None, refused: true },
        }
    }
}

/// Sends a request once, and reads the answer. `template` is its path without ids and secrets.
pub(super) async fn send(request: RequestBuilder, template: &str) -> Result<Received, Answer> {
    let mut response = client::send(request, template).await.map_err(|error| unanswered(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    // A body that cannot be read counts as empty.
    while let Ok(Some(chunk)) = response.chunk().await {
        if body.len() + chunk.len() > MOST_BYTES {
            body.clear();
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Received { status, headers, body })
}

/// Classifies a failure without an answer. Only if no connection was made, the channel certainly does not have the notice.
fn unanswered(error: &reqwest::Error) -> Answer {
    let certain = |what: &str| Answer::NotTaken { what: what.to_owned(), retry_after: None, refused: false };
    match () {
        () if error.is_connect() => certain("no connection could be made"),
        () if error.is_builder() => certain("the request could not be made"),
        () if error.is_timeout() => Answer::Unknown("no answer in time".to_owned()),
        () => Answer::Unknown("the connection was cut before the answer".to_owned()),
    }
}

/// A channel's code for a failure, such as `channel_is_archived`: short, and of plain characters. Anything else is not kept.
pub(super) fn code(text: &str) -> Option<String> {
    let is_code =
        (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_code.then(|| text.to_owned())
}
