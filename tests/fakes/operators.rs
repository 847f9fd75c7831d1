//! Fakes of Telegram, Slack and WhatsApp in one server: it keeps the messages that it accepts, and refuses them on demand.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

/// The values of the settings that the fake accepts.
pub(crate) const BOT_TOKEN: &str = "123456:token_of_tests";
pub(crate) const CHAT_ID: &str = "-100200300";
pub(crate) const ACCESS_TOKEN: &str = "access-token-of-tests";
pub(crate) const SENDER_ID: &str = "44770000";
pub(crate) const ADMIN_PHONE: &str = "447700900000";

/// The channels. They serve until this is dropped.
pub(crate) struct FakeChannels {
    server: MockServer,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// All requests by path, also the refused ones.
    came: Vec<(String, Value)>,
    /// The statuses of the next answers.
    next: VecDeque<u16>,
}

impl FakeChannels {
    /// Starts them.
    pub(crate) async fn start() -> Self {
        let (server, shared) = (MockServer::start().await, Arc::default());
        Mock::given(any()).respond_with(Answers(Arc::clone(&shared))).mount(&server).await;
        Self { server, shared }
    }

    /// The settings that turn every channel on.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let url = self.server.uri();
        vec![
            ("TELEGRAM_BOT_TOKEN", BOT_TOKEN.to_owned()),
            ("TELEGRAM_CHAT_ID", CHAT_ID.to_owned()),
            ("TELEGRAM_API_BASE", url.clone()),
            ("SLACK_WEBHOOK_URL", format!("{url}/services/T0/B0/secret")),
            ("WHATSAPP_API_URL", format!("{url}/v23.0")),
            ("WHATSAPP_ACCESS_TOKEN", ACCESS_TOKEN.to_owned()),
            ("WHATSAPP_SENDER_ID", SENDER_ID.to_owned()),
            ("WHATSAPP_ADMIN_PHONE", ADMIN_PHONE.to_owned()),
            ("WHATSAPP_TEMPLATE", "operator_notice".to_owned()),
        ]
    }

    /// The messages that the Telegram chat got, in order.
    pub(crate) fn telegram(&self) -> Vec<Value> {
        self.came_to(&format!("/bot{BOT_TOKEN}/sendMessage"))
    }

    /// The messages that the Slack channel got, in order.
    pub(crate) fn slack(&self) -> Vec<Value> {
        self.came_to("/services/T0/B0/secret")
    }

    /// The messages that the phone got, in order.
    pub(crate) fn whatsapp(&self) -> Vec<Value> {
        self.came_to(&format!("/v23.0/{SENDER_ID}/messages"))
    }

    /// Answers the next requests with these statuses, whatever they ask; 200 is a good answer.
    pub(crate) fn next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.shared.lock().expect("the state").next.extend(statuses);
    }

    fn came_to(&self, path: &str) -> Vec<Value> {
        let shared = self.shared.lock().expect("the state");
        shared.came.iter().filter(|(came, _)| came == path).map(|(_, body)| body.clone()).collect()
    }
}

struct Answers(Arc<Mutex<Shared>>);

impl Respond for Answers {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut shared = self.0.lock().expect("the state");
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let path = request.url.path().to_owned();
        let status = shared.next.pop_front().unwrap_or(200);
        shared.came.push((path.clone(), body));
        if status != 200 {
            // As the real ones do, it quotes the request, which must not be logged.
            return ResponseTemplate::new(status).set_body_bytes(request.body.clone());
        }
        let number = shared.came.len();
        if path.starts_with("/services/") {
            // Slack takes no message without a text.
            return match shared.came.last() {
                Some((_, body)) if body["text"].is_string() => {
                    ResponseTemplate::new(200).set_body_string("ok")
                }
                _ => ResponseTemplate::new(400).set_body_string("no_text"),
            };
        }
        let answer = if path.starts_with("/bot") {
            json!({"ok": true, "result": {"message_id": number}})
        } else {
            json!({"messages": [{"id": format!("wamid.{number}")}]})
        };
        ResponseTemplate::new(200).set_body_json(answer)
    }
}
