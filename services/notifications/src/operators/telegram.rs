//! Telegram's Bot API: `sendMessage` into one chat. <https://core.telegram.org/bots/api#sendmessage>

use std::time::Duration;

use levqor_runtime::client::vendor_client;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, Answer, Received, TIMEOUT};
use crate::{config::operators::TelegramConfig, domain::operator_notice::Told};

/// A client of the Bot API.
pub(crate) struct Telegram {
    client: reqwest::Client,
    config: TelegramConfig,
}

/// An answer: <https://core.telegram.org/bots/api#making-requests>. The description is not read, because it may quote the request.
#[derive(Deserialize)]
struct Response<T> {
    result: Option<T>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

#[derive(Deserialize)]
struct Message {
    message_id: i64,
}

impl Telegram {
    /// Creates a client.
    pub(crate) fn try_new(config: TelegramConfig) -> Result<Self, reqwest::Error> {
        Ok(Self { client: vendor_client(&config.base, TIMEOUT, true)?, config })
    }

    pub(super) async fn deliver(&self, told: &Told) -> Answer {
        let message = json!({
            "chat_id": self.config.chat_id,
            "text": told.telegram_html(),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
        });
        let request = self.client.post(self.url("sendMessage")).json(&message);
        match answer::send(request, "/bot/sendMessage").await {
            Ok(received) => read(&received),
            Err(answer) => answer,
        }
    }

    /// Calls a method that only reads, such as `getMe`. Returns the status.
    pub(crate) async fn status_of(&self, method: &str) -> Result<u16, Answer> {
        let request = self.client.post(self.url(method)).json(&json!({"chat_id": self.config.chat_id}));
        answer::send(request, "/bot/get").await.map(|received| received.status.as_u16())
    }

    /// The bot's token is part of the path, so an address of this API is never logged.
    fn url(&self, method: &str) -> String {
        format!("{}bot{}/{method}", self.config.base, self.config.token.expose_secret())
    }
}

fn read(received: &Received) -> Answer {
    let body: Option<Response<Message>> = serde_json::from_slice(&received.body).ok();
    if received.status.is_success() {
        return match body.and_then(|body| body.result) {
            Some(Message { message_id }) => Answer::Taken(message_id.to_string()),
            None => Answer::Unknown(format!("{} without a message id", received.status.as_u16())),
        };
    }
    let retry_after = body.and_then(|body| body.parameters?.retry_after).map(Duration::from_secs);
    received.failure(None, retry_after)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn only_a_message_id_is_evidence() {
        let refused =
            |what: &str| Answer::NotTaken { what: what.to_owned(), retry_after: None, refused: true };
        for (status, body, expected) in [
            (200, r#"{"ok": true, "result": {"message_id": 7}}"#, Answer::Taken("7".to_owned())),
            (200, "<html>", Answer::Unknown("200 without a message id".to_owned())),
            (400, r#"{"ok": false, "description": "Bad Request: chat not found"}"#, refused("400")),
            (401, r#"{"ok": false, "description": "Unauthorized"}"#, refused("401")),
            (
                429,
                r#"{"ok": false, "parameters": {"retry_after": 12}}"#,
                Answer::NotTaken {
                    what: "429".to_owned(),
                    retry_after: Some(Duration::from_secs(12)),
                    refused: false,
                },
            ),
            (502, "", Answer::Unknown("502".to_owned())),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let received = Received { status, headers: HeaderMap::new(), body: body.into() };
            assert_eq!(read(&received), expected, "{status} {body}");
        }
    }
}
