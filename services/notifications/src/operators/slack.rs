//! Slack's incoming webhooks: one message into one channel. <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>

use levqor_runtime::client::vendor_client;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::answer::{self, Answer, Received, TIMEOUT, code};
use crate::{config::endpoint::Endpoint, domain::operator_notice::Told};

/// A client of one webhook.
pub(crate) struct Slack {
    client: reqwest::Client,
    webhook: Endpoint,
}

impl Slack {
    /// Creates a client.
    pub(crate) fn try_new(webhook: Endpoint) -> Result<Self, reqwest::Error> {
        Ok(Self { client: vendor_client(&webhook.base, TIMEOUT, true)?, webhook })
    }

    pub(super) async fn deliver(&self, told: &Told) -> Answer {
        let message = json!({"text": told.slack_text(), "mrkdwn": false, "unfurl_links": false});
        match self.post(&message).await {
            Ok(received) => read(&received),
            Err(answer) => answer,
        }
    }

    /// Posts a message without text, which Slack refuses without showing anything. The refusal says whether the webhook exists.
    pub(crate) async fn refusal_of_nothing(&self) -> Result<(u16, Option<String>), Answer> {
        let received = self.post(&json!({})).await?;
        Ok((received.status.as_u16(), word(&received)))
    }

    async fn post(&self, message: &Value) -> Result<Received, Answer> {
        // The address is the secret, so it is never logged.
        answer::send(self.client.post(self.webhook.url.expose_secret()).json(message), "/services").await
    }
}

/// Slack answers with one word, such as `ok` or `channel_is_archived`.
fn word(received: &Received) -> Option<String> {
    std::str::from_utf8(&received.body).ok().and_then(|text| code(text.trim()))
}

fn read(received: &Received) -> Answer {
    let word = word(received);
    match (received.status.is_success(), word) {
        // Slack gives no id for the message: its word is the evidence.
        (true, Some(ok)) if ok == "ok" => Answer::Taken(ok),
        (true, _) => Answer::Unknown(format!("{} without its word", received.status.as_u16())),
        (false, word) => received.failure(word, None),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn only_slacks_own_answer_is_evidence() {
        let refused =
            |what: &str| Answer::NotTaken { what: what.to_owned(), retry_after: None, refused: true };
        for (status, body, expected) in [
            (200, "ok", Answer::Taken("ok".to_owned())),
            (200, "<html>", Answer::Unknown("200 without its word".to_owned())),
            (403, "action_prohibited", refused("403 action_prohibited")),
            (404, "no_service", refused("404 no_service")),
            (410, "channel_is_archived", refused("410 channel_is_archived")),
            (400, "what <you> sent", refused("400")),
            (500, "rollup_error", Answer::Unknown("500 rollup_error".to_owned())),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let received = Received { status, headers: HeaderMap::new(), body: body.into() };
            assert_eq!(read(&received), expected, "{status} {body}");
        }
    }
}
