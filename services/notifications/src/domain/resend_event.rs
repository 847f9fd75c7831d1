//! Parses Resend's events, <https://resend.com/docs/webhooks/event-types>. It reads only the fields that say the outcome of a
//! mail. It does not read texts, since they may quote an address.

use chrono::{DateTime, Datelike, Utc};
use levqor_runtime::error::{Invalid, Violations};
use serde_json::Value;

use super::{
    message_tag::{self, MessageTag},
    reply::{self, ReplyClass},
    report::{DeliveryOutcome, Report},
};

/// Types of events that report a delivery.
pub const DELIVERY_TYPES: &[&str] = &[
    "email.delivery_delayed",
    "email.delivered",
    "email.failed",
    "email.bounced",
    "email.suppressed",
    "email.complained",
];
/// Types of mail events that report no delivery. Events about domains, contacts and lists do not concern this service.
pub const OTHERS: &[&str] =
    &["email.sent", "email.scheduled", "email.opened", "email.clicked", "email.received"];

/// The type of events about a received mail.
pub const RECEIVED: &str = "email.received";

/// The content of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A report about a mail.
    Of {
        /// Resend's id for the mail.
        provider_message_id: String,
        /// Our tag of the mail, if the event has it.
        tag: Option<MessageTag>,
        /// The outcome of it.
        report: Report,
    },
    /// We received a mail.
    Received {
        /// Resend's id for the mail.
        provider_mail_id: String,
        /// The addresses that it came to.
        recipients: Vec<String>,
        /// When.
        time: DateTime<Utc>,
    },
    /// The event reports no delivery.
    Nothing,
}

/// The type of an event. None if the body has none.
#[must_use]
pub fn event_type(body: &[u8]) -> Option<String> {
    let event: Value = serde_json::from_slice(body).ok()?;
    name(&event, "/type").map(str::to_owned)
}

/// Parses an event whose signature is already verified.
pub fn read(body: &[u8]) -> Result<Heard, Invalid> {
    let mut violations = Violations::new();
    let Ok(event @ Value::Object(_)) = serde_json::from_slice(body) else {
        violations.add("body", "expected a JSON object");
        return violations.finish(None);
    };
    let Some(event_type) = name(&event, "/type") else {
        violations.add("body.type", "expected the name of a type");
        return violations.finish(None);
    };
    if event_type == RECEIVED {
        return received(&event, violations);
    }
    let bounce = || name(&event, "/data/bounce/type");
    let outcome = match event_type {
        "email.delivery_delayed" => Some(DeliveryOutcome::Delayed),
        "email.delivered" => Some(DeliveryOutcome::Delivered),
        "email.failed" => Some(DeliveryOutcome::Failed),
        "email.suppressed" => Some(DeliveryOutcome::Suppressed),
        "email.complained" => Some(DeliveryOutcome::Complained),
        "email.bounced" => bounce().map(|kind| match kind {
            "Permanent" => DeliveryOutcome::BouncedHard,
            // Transient, Temporary and Undetermined: the bounce is not said to be final.
            _ => DeliveryOutcome::BouncedSoft,
        }),
        _ => return Ok(Heard::Nothing),
    };
    if outcome.is_none() {
        violations.add("body.data.bounce.type", "expected the name of a kind of bounce");
    }
    let time = event.get("created_at").and_then(Value::as_str).and_then(instant);
    if time.is_none() {
        violations.add("body.created_at", "expected an instant in RFC 3339");
    }
    let id = event.pointer("/data/email_id").and_then(Value::as_str).filter(|id| is_id(id));
    if id.is_none() {
        violations.add("body.data.email_id", "expected the id of a mail");
    }
    let heard = || {
        let report = Report { outcome: outcome?, time: time?, detail: detail(&event), class: class(&event) };
        Some(Heard::Of { provider_message_id: id?.to_owned(), tag: tag(&event), report })
    };
    violations.finish(heard())
}

/// Parses the event of a received mail, <https://resend.com/docs/webhooks/emails/received>.
fn received(event: &Value, mut violations: Violations) -> Result<Heard, Invalid> {
    let time = event.get("created_at").and_then(Value::as_str).and_then(instant);
    if time.is_none() {
        violations.add("body.created_at", "expected an instant in RFC 3339");
    }
    // It becomes a part of a URL.
    let is_plain = |id: &&str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let id = event.pointer("/data/email_id").and_then(Value::as_str);
    let id = id.filter(|id| is_id(id)).filter(is_plain);
    if id.is_none() {
        violations.add("body.data.email_id", "expected the id of a mail");
    }
    let lists = ["/data/to", "/data/cc", "/data/bcc", "/data/received_for"];
    let lists = lists.iter().filter_map(|list| event.pointer(list)?.as_array());
    let recipients = lists.flatten().filter_map(|address| address.as_str().map(str::to_owned)).collect();
    violations.finish(id.zip(time).map(|(id, time)| Heard::Received {
        provider_mail_id: id.to_owned(),
        recipients,
        time,
    }))
}

/// Our tag of the mail. Resend's examples show tags as an object, its reference as a list of names and values.
fn tag(event: &Value) -> Option<MessageTag> {
    let value = match event.pointer("/data/tags")? {
        Value::Array(tags) => {
            tags.iter().find(|tag| tag["name"].as_str() == Some(message_tag::NAME))?.get("value")?
        }
        tags => tags.get(message_tag::NAME)?,
    };
    value.as_str()?.parse().ok()
}

/// Resend's names for what happened.
fn detail(event: &Value) -> String {
    let pointers =
        ["/data/bounce/type", "/data/bounce/subType", "/data/failed/reason", "/data/suppressed/type"];
    pointers.into_iter().filter_map(|pointer| name(event, pointer)).collect::<Vec<_>>().join("/")
}

/// The reply of the recipient's server in a bounce. Resend quotes the reply in `diagnosticCode` or in `message`. The
/// text itself is not kept.
fn class(event: &Value) -> Option<ReplyClass> {
    let bounce = event.pointer("/data/bounce")?;
    let codes = bounce.get("diagnosticCode").into_iter().flat_map(|codes| match codes {
        Value::Array(codes) => codes.iter().filter_map(Value::as_str).collect(),
        code => code.as_str().into_iter().collect::<Vec<_>>(),
    });
    let texts = codes.chain(bounce.get("message").and_then(Value::as_str));
    let mut classes = texts.map(reply::class);
    classes.find(|class| *class != ReplyClass::Unknown)
}

/// The value, if it is a name. A longer text could quote a person.
fn name<'a>(event: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = event.pointer(pointer)?.as_str()?;
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    fits.then_some(text)
}

fn is_id(text: &str) -> bool {
    (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Parses an instant in the range and precision of PostgreSQL: microseconds, and its range of years.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    DateTime::from_timestamp_micros(instant.timestamp_micros())
        .filter(|instant| (1970..=9999).contains(&instant.year()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An event as Resend documents it, <https://resend.com/docs/webhooks/emails/bounced>.
    fn event(event_type: &str) -> Value {
        json!({
            "type": event_type,
            "created_at": "2026-11-22T23:41:12.126Z",
            "data": {
                "broadcast_id": "8b146471-e88e-4322-86af-016cd36fd216",
                "created_at": "2026-11-22T23:41:11.894719+00:00",
                "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
                "from": "Acme <onboarding@resend.dev>",
                "to": ["delivered@resend.dev"],
                "subject": "Sending this example",
                "tags": {"category": "confirm_email"},
            },
        })
    }

    fn heard(event: &Value) -> (DeliveryOutcome, String) {
        match read(event.to_string().as_bytes()).expect("understood") {
            Heard::Of { provider_message_id, tag: None, report } => {
                assert_eq!(provider_message_id, "56761188-7520-42d8-8898-ff6fc54ce618");
                assert_eq!(report.time.timestamp_millis(), 1_795_390_872_126);
                (report.outcome, report.detail)
            }
            Heard::Of { .. } | Heard::Received { .. } | Heard::Nothing => panic!("it reports a delivery"),
        }
    }

    fn violations(body: &str) -> Vec<String> {
        let invalid = read(body.as_bytes()).expect_err("not understood");
        invalid.0.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn every_type_that_tells_of_a_delivery_has_its_outcome() {
        use DeliveryOutcome::{BouncedHard, BouncedSoft, Complained, Delayed, Delivered, Failed, Suppressed};
        for (event_type, field, of_field, outcome, detail) in [
            ("email.delivered", "none", json!(null), Delivered, ""),
            ("email.delivery_delayed", "none", json!(null), Delayed, ""),
            ("email.complained", "none", json!(null), Complained, ""),
            (
                "email.bounced",
                "bounce",
                json!({"message": "ada@example.com is unknown", "subType": "Suppressed", "type": "Permanent"}),
                BouncedHard,
                "Permanent/Suppressed",
            ),
            ("email.bounced", "bounce", json!({"type": "Transient"}), BouncedSoft, "Transient"),
            ("email.bounced", "bounce", json!({"type": "Undetermined"}), BouncedSoft, "Undetermined"),
            (
                "email.failed",
                "failed",
                json!({"reason": "reached_daily_quota"}),
                Failed,
                "reached_daily_quota",
            ),
            ("email.failed", "failed", json!({"reason": "no ada@example.com"}), Failed, ""),
            (
                "email.suppressed",
                "suppressed",
                json!({"message": "…", "type": "OnAccountSuppressionList"}),
                Suppressed,
                "OnAccountSuppressionList",
            ),
        ] {
            assert!(DELIVERY_TYPES.contains(&event_type));
            let mut event = event(event_type);
            event["data"][field] = of_field;
            assert_eq!(heard(&event), (outcome, detail.to_owned()), "{event}");
        }
    }

    #[test]
    fn our_tag_is_read_in_both_forms_that_resend_documents() {
        let value = "0190b2c4-0000-7000-8000-000000000000_2";
        let tagged = |tags: Value| {
            let mut event = event("email.delivered");
            event["data"]["tags"] = tags;
            match read(event.to_string().as_bytes()).expect("understood") {
                Heard::Of { tag, .. } => tag.map(|tag| tag.to_string()),
                Heard::Received { .. } | Heard::Nothing => panic!("it reports a delivery"),
            }
        };
        let category = json!({"name": "category", "value": "confirm_email"});
        for tags in [
            json!({"levqor_message": value, "category": "confirm_email"}),
            json!([category, {"name": "levqor_message", "value": value}]),
        ] {
            assert_eq!(tagged(tags).as_deref(), Some(value));
        }
        for tags in [json!(null), json!([]), json!([category]), json!({"levqor_message": "1_2"}), json!("")] {
            assert_eq!(tagged(tags.clone()), None, "{tags}");
        }
    }

    #[test]
    fn other_types_have_no_outcome() {
        let others = OTHERS.iter().copied().filter(|event_type| *event_type != RECEIVED);
        for event_type in others.chain(["contact.created", "email.yet_unknown"]) {
            let body = json!({"type": event_type}).to_string();
            assert_eq!(read(body.as_bytes()).expect("understood"), Heard::Nothing, "{event_type}");
            assert_eq!(super::event_type(body.as_bytes()).as_deref(), Some(event_type));
        }
    }

    #[test]
    fn a_received_mail_has_its_id_and_all_addresses_that_it_came_to() {
        let mut received = event(RECEIVED);
        received["data"]["cc"] = json!(["Ticket <ticket-1@in.levqor.ai>"]);
        let Heard::Received { provider_mail_id, recipients, .. } =
            read(received.to_string().as_bytes()).expect("understood")
        else {
            panic!("a mail was received")
        };
        assert_eq!(provider_mail_id, "56761188-7520-42d8-8898-ff6fc54ce618");
        assert_eq!(recipients, ["delivered@resend.dev", "Ticket <ticket-1@in.levqor.ai>"]);
        received["data"]["email_id"] = json!("../domains");
        assert_eq!(violations(&received.to_string()), ["body.data.email_id"]);
    }

    #[test]
    fn missing_fields_are_all_named_at_once() {
        for body in ["", "{", "[]", "\"email.bounced\""] {
            assert_eq!(violations(body), ["body"], "{body}");
            assert_eq!(event_type(body.as_bytes()), None);
        }
        assert_eq!(violations("{}"), ["body.type"]);
        assert_eq!(violations(r#"{"type": "to ada@example.com"}"#), ["body.type"]);
        let bare = violations(r#"{"type": "email.bounced", "created_at": "yesterday", "data": {}}"#);
        assert_eq!(bare, ["body.data.bounce.type", "body.created_at", "body.data.email_id"]);
    }
}
