//! The webhooks of the fake provider about the mails that it accepted. The events have Resend's form,
//! <https://resend.com/docs/webhooks/event-types>, and Svix's signature,
//! <https://docs.svix.com/receiving/verifying-payloads/how-manual>.

use base64::{Engine, engine::general_purpose::STANDARD};
use levqor_runtime::clock::Clock;
use serde_json::{Value, json};

use super::FakeMail;

/// The secret that the provider signs with.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_b2YgdGVzdHMsIGxvbmcgZW5vdWdo";
/// A second secret that is valid at the same time.
pub(crate) const OTHER_WEBHOOK_SECRET: &str = "whsec_b2YgdGVzdHMsIGFmdGVyIGEgcm9sbA==";

/// One webhook as it is posted.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// `svix-id`
    pub(crate) id: String,
    /// `svix-timestamp`
    pub(crate) timestamp: String,
    /// `svix-signature`
    pub(crate) signature: String,
    /// The body.
    pub(crate) body: String,
}

impl Webhook {
    /// Signed now with the first secret, under an id of its own.
    pub(crate) fn of(body: &str) -> Self {
        Self::signed(WEBHOOK_SECRET, 0, body)
    }

    /// Signed with this secret. The timestamp is `offset_s` seconds from now.
    pub(crate) fn signed(secret: &str, offset_s: i64, body: &str) -> Self {
        let id = format!("msg_{}", levqor_runtime::id::request_id());
        let timestamp = (Clock::default().now().timestamp() + offset_s).to_string();
        let key = STANDARD.decode(secret.trim_start_matches("whsec_")).expect("a secret");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let tag = ring::hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(tag.as_ref()));
        Self { id, timestamp, signature, body: body.to_owned() }
    }
}

/// An event of this type about the mail with this id, at this second after noon. `more` holds the fields that only its type has.
pub(crate) fn event(event_type: &str, mail: &str, second: u32, more: &Value) -> Value {
    let mut event = json!({
        "type": event_type,
        "created_at": format!("2026-11-24T12:00:{second:02}.126Z"),
        "data": {
            "created_at": "2026-11-24T11:59:59.894719+00:00",
            "email_id": mail,
            "from": "Levqor <orders@levqor.ai>",
            "to": ["ada@example.com"],
            "subject": "Welcome!",
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        event["data"][field] = value.clone();
    }
    event
}

/// The fields of `email.bounced` if the address does not exist.
pub(crate) fn no_such_address() -> Value {
    json!({"bounce": {
        "type": "Permanent",
        "subType": "General",
        "message": "550 5.1.1 ada@example.com: there is no such user",
    }})
}

impl FakeMail {
    /// The webhook about the `n`th accepted mail, counted from 0. It has the tags of the mail, by name.
    pub(crate) fn tell(&self, n: usize, event_type: &str, second: u32, more: &Value) -> Webhook {
        let mail = &self.accepted()[n];
        let mut event = event(event_type, &mail.id, second, more);
        for tag in mail.tags.as_array().into_iter().flatten() {
            event["data"]["tags"][tag["name"].as_str().expect("a name")] = tag["value"].clone();
        }
        Webhook::of(&event.to_string())
    }
}
