//! WhatsApp's Cloud API: an approved template to one phone, because free text is refused outside of 24 hours after the phone wrote
//! to us. <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates>

use levqor_runtime::client::vendor_client;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, Answer, Received, TIMEOUT};
use crate::{config::operators::WhatsappConfig, domain::operator_notice::Told};

/// A client of the Cloud API.
pub(crate) struct Whatsapp {
    client: reqwest::Client,
    config: WhatsappConfig,
}

#[derive(Deserialize)]
struct Accepted {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
}

/// <https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes>. Only the number is read.
#[derive(Deserialize)]
struct Failure {
    error: ErrorCode,
}

#[derive(Deserialize)]
struct ErrorCode {
    code: i64,
}

impl Whatsapp {
    /// Creates a client.
    pub(crate) fn try_new(config: WhatsappConfig) -> Result<Self, reqwest::Error> {
        Ok(Self { client: vendor_client(&config.api.base, TIMEOUT, true)?, config })
    }

    pub(super) async fn deliver(&self, told: &Told) -> Answer {
        let message = json!({
            "messaging_product": "whatsapp",
            "to": self.config.admin_phone.expose_secret(),
            "type": "template",
            "template": {
                "name": self.config.template,
                "language": {"code": self.config.language},
                "components": [{
                    "type": "body",
                    "parameters": [{"type": "text", "text": told.whatsapp_parameter()}],
                }],
            },
        });
        let request = self.client.post(format!("{}/messages", self.sender_url()));
        let request = request.bearer_auth(self.config.access_token.expose_secret()).json(&message);
        match answer::send(request, "/sender/messages").await {
            Ok(received) => read(&received),
            Err(answer) => answer,
        }
    }

    /// Asks for the sender without sending anything. Returns the status.
    pub(crate) async fn status_of_sender(&self) -> Result<u16, Answer> {
        let request =
            self.client.get(self.sender_url()).bearer_auth(self.config.access_token.expose_secret());
        answer::send(request, "/sender").await.map(|received| received.status.as_u16())
    }

    fn sender_url(&self) -> String {
        format!("{}/{}", self.config.api.url.expose_secret(), self.config.sender_id)
    }
}

fn read(received: &Received) -> Answer {
    if received.status.is_success() {
        let accepted: Option<Accepted> = serde_json::from_slice(&received.body).ok();
        let id = accepted.and_then(|accepted| accepted.messages.into_iter().next()).map(|message| message.id);
        return match id.filter(|id| (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()))
        {
            Some(id) => Answer::Taken(id),
            None => Answer::Unknown(format!("{} without a message id", received.status.as_u16())),
        };
    }
    let code = serde_json::from_slice(&received.body).ok().map(|Failure { error }| error.code.to_string());
    received.failure(code, None)
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
            (200, r#"{"messages": [{"id": "wamid.1="}]}"#, Answer::Taken("wamid.1=".to_owned())),
            (200, r#"{"messages": []}"#, Answer::Unknown("200 without a message id".to_owned())),
            (401, r#"{"error": {"code": 190, "message": "x"}}"#, refused("401 190")),
            (404, r#"{"error": {"code": 132001, "message": "no template"}}"#, refused("404 132001")),
            (500, r#"{"error": {"code": 131000}}"#, Answer::Unknown("500 131000".to_owned())),
        ] {
            let status = StatusCode::from_u16(status).expect("a status");
            let received = Received { status, headers: HeaderMap::new(), body: body.into() };
            assert_eq!(read(&received), expected, "{status} {body}");
        }
    }
}
