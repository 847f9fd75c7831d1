//! What may leave the process: messages without what is personal by the proto's own word, errors by their kind, texts
//! without what looks like an address, a card or a key.

mod error;
mod text;

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, ReflectMessage, Value,
};
use serde_json::{Map, Value as Json};

pub use error::error;
pub use text::text;

use crate::access::methods;

/// The redacted text of a field that holds something personal.
const REDACTED: &str = "[personal]";

/// An encoded message of the mesh as JSON without anything personal: fields with `personal_data` show that there is
/// something, not what. A field that says nothing is treated as personal.
#[must_use]
pub fn message(full_name: &str, encoded: &[u8]) -> Json {
    let pool = methods().pool();
    let (Some(descriptor), Some(options)) = (pool.get_message_by_name(full_name), Options::of(pool)) else {
        return Json::Null;
    };
    DynamicMessage::decode(descriptor, encoded).map_or(Json::Null, |message| options.redact(&message))
}

/// Whether a field says, itself or by its message, that it holds nothing personal.
pub(crate) fn is_open(field: &FieldDescriptor) -> bool {
    Options::of(field.parent_pool()).is_some_and(|options| options.is_open(field))
}

struct Options {
    not_personal: ExtensionDescriptor,
    fields_not_personal: ExtensionDescriptor,
}

impl Options {
    fn of(pool: &DescriptorPool) -> Option<Self> {
        let find = |name: &str| pool.get_extension_by_name(&format!("levqor.options.v1.{name}"));
        let (not_personal, fields_not_personal) = (find("not_personal")?, find("fields_not_personal")?);
        Some(Self { not_personal, fields_not_personal })
    }

    fn is_open(&self, field: &FieldDescriptor) -> bool {
        let is_true = |options: DynamicMessage, extension: &ExtensionDescriptor| {
            options.has_extension(extension) && options.get_extension(extension).as_bool() == Some(true)
        };
        is_true(field.options(), &self.not_personal)
            || is_true(field.parent_message().options(), &self.fields_not_personal)
    }

    fn redact(&self, message: &DynamicMessage) -> Json {
        let fields =
            message.fields().map(|(field, value)| (field.name().to_owned(), self.field(&field, value)));
        Json::Object(fields.collect::<Map<_, _>>())
    }

    fn field(&self, field: &FieldDescriptor, value: &Value) -> Json {
        self.value(value, self.is_open(field))
    }

    fn value(&self, value: &Value, open: bool) -> Json {
        match value {
            Value::Message(message) if message.descriptor().full_name().starts_with("levqor.") => {
                self.redact(message)
            }
            Value::Message(message) => Json::String(message.descriptor().full_name().to_owned()),
            Value::List(values) => values.iter().map(|value| self.value(value, open)).collect(),
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
}

#[cfg(test)]
mod tests {
    use levqor_proto::mail::v1::{OrderWelcome, SendMessageRequest, send_message_request::Content};
    use prost::{Message, Name};

    #[test]
    fn what_is_personal_is_left_out_and_the_rest_stays() {
        let request = SendMessageRequest {
            recipient: "alice@example.com".to_owned(),
            about: "order:1".to_owned(),
            content: Some(Content::OrderWelcome(OrderWelcome {
                customer_name: "Alice".to_owned(),
                tier: "Starter".to_owned(),
                revisions: 1,
                ..Default::default()
            })),
        };
        let json = super::message(&SendMessageRequest::full_name(), &request.encode_to_vec());
        let text = json.to_string();
        assert!(!text.contains("lice"), "{text}");
        assert_eq!(json.pointer("/about").and_then(|v| v.as_str()), Some("order:1"));
        assert_eq!(json.pointer("/order_welcome/tier").and_then(|v| v.as_str()), Some("Starter"));
        assert_eq!(json.pointer("/order_welcome/revisions").and_then(serde_json::Value::as_i64), Some(1));
    }
}
