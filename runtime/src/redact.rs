//! Redacts data that leaves the process: messages without the fields that the protos mark as personal, errors by their kind, and
//! texts without addresses, cards or keys.

mod error;
mod text;

use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use serde_json::{Map, Value as Json};

pub use error::error;
pub use text::text;

use crate::access::{PersonalOptions, methods};

/// The replacement text for a personal field.
const REDACTED: &str = "[personal]";

/// Encodes a message of the mesh as JSON without personal data. A field with `personal_data` shows that it has a value, not the
/// value. A field without an option counts as personal.
#[must_use]
pub fn message(full_name: &str, encoded: &[u8]) -> Json {
    let pool = methods().pool();
    let (Some(descriptor), Some(options)) = (pool.get_message_by_name(full_name), PersonalOptions::of(pool))
    else {
        return Json::Null;
    };
    DynamicMessage::decode(descriptor, encoded).map_or(Json::Null, |message| redact(&message, &options))
}

fn redact(message: &DynamicMessage, options: &PersonalOptions) -> Json {
    let field = |(field, content): (FieldDescriptor, &Value)| {
        (field.name().to_owned(), value(content, options.is_open(&field), options))
    };
    Json::Object(message.fields().map(field).collect::<Map<_, _>>())
}

fn value(content: &Value, open: bool, options: &PersonalOptions) -> Json {
    match content {
        Value::Message(message) if message.descriptor().full_name().starts_with("levqor.") => {
            redact(message, options)
        }
        Value::Message(message) => Json::String(message.descriptor().full_name().to_owned()),
        Value::List(values) => values.iter().map(|content| value(content, open, options)).collect(),
        Value::String(text) if open => Json::String(text.clone()),
        Value::String(text) if text.is_empty() => Json::String(String::new()),
        Value::Bool(value) => Json::Bool(*value),
        Value::I32(number) | Value::EnumNumber(number) => Json::from(*number),
        Value::I64(number) => Json::from(*number),
        Value::U32(number) => Json::from(*number),
        Value::U64(number) => Json::from(*number),
        Value::F32(number) => Json::from(*number),
        Value::F64(number) => Json::from(*number),
        Value::String(_) | Value::Bytes(_) | Value::Map(_) => Json::String(REDACTED.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use levqor_proto::mail::v1::{OrderWelcome, SendMessageRequest, send_message_request::Content};
    use prost::{Message, Name};

    #[test]
    fn personal_fields_are_left_out_and_others_are_kept() {
        let request = SendMessageRequest {
            recipient: "alice@example.com".to_owned(),
            about: "order:1".to_owned(),
            content: Some(Content::OrderWelcome(OrderWelcome {
                customer_name: "Alice".to_owned(),
                tier: "Starter".to_owned(),
                revisions: 1,
                ..Default::default()
            })),
            ..Default::default()
        };
        let json = super::message(&SendMessageRequest::full_name(), &request.encode_to_vec());
        let text = json.to_string();
        assert!(!text.contains("lice"), "{text}");
        assert_eq!(json.pointer("/about").and_then(|v| v.as_str()), Some("order:1"));
        assert_eq!(json.pointer("/order_welcome/tier").and_then(|v| v.as_str()), Some("Starter"));
        assert_eq!(json.pointer("/order_welcome/revisions").and_then(serde_json::Value::as_i64), Some(1));
    }
}
