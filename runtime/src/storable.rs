//! Refuses a request with text that no table can store: PostgreSQL refuses the character NUL. The error names the field. So no statement
//! fails because of such text.

use prost_reflect::{DynamicMessage, MapKey, MessageDescriptor, ReflectMessage, Value};

use crate::error::{Invalid, Violation};

/// The most violations that are reported.
const MAX: usize = 32;

/// Refuses an encoded request that has a NUL in a text field. Nearly all requests have no zero byte, and are not decoded.
pub fn check(descriptor: &MessageDescriptor, encoded: &[u8]) -> Result<(), Invalid> {
    if !encoded.contains(&0) {
        return Ok(());
    }
    match DynamicMessage::decode(descriptor.clone(), encoded) {
        Ok(message) => check_message(&message),
        // The RPC decodes the request next, and refuses it.
        Err(_) => Ok(()),
    }
}

/// Refuses a request that has a NUL in a text field.
pub fn check_message(message: &DynamicMessage) -> Result<(), Invalid> {
    let mut found = Vec::new();
    in_message(message, "", &mut found);
    if found.is_empty() { Ok(()) } else { Err(Invalid(found)) }
}

fn in_message(message: &DynamicMessage, path: &str, found: &mut Vec<Violation>) {
    // The path does not name the inner fields of a well-known type, because a caller does not see them.
    let is_well_known = message.descriptor().package_name() == "google.protobuf";
    for (field, value) in message.fields() {
        match (is_well_known, path) {
            (true, path) => in_value(value, path, found),
            (false, "") => in_value(value, field.name(), found),
            (false, path) => in_value(value, &format!("{path}.{}", field.name()), found),
        }
    }
}

fn in_value(value: &Value, path: &str, found: &mut Vec<Violation>) {
    if found.len() == MAX {
        return;
    }
    match value {
        Value::String(text) => in_text(text, path, found),
        Value::Message(message) => in_message(message, path, found),
        Value::List(values) => {
            for (index, value) in values.iter().enumerate() {
                in_value(value, &format!("{path}[{index}]"), found);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                // The key is the caller's text, so the violation does not repeat it.
                if let MapKey::String(key) = key {
                    in_text(key, path, found);
                }
                in_value(value, path, found);
            }
        }
        // PostgreSQL accepts zeros in bytes.
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::Bytes(_)
        | Value::EnumNumber(_) => {}
    }
}

fn in_text(text: &str, path: &str, found: &mut Vec<Violation>) {
    if text.contains('\0') {
        let description = "expected text without the character NUL".to_owned();
        found.push(Violation { field: path.to_owned(), description });
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::Kind;

    use super::*;
    use crate::access;

    /// Yields copies of a request with a NUL in each text field, one field at a time.
    fn fields_of(descriptor: &MessageDescriptor) -> impl Iterator<Item = (String, DynamicMessage)> {
        let texts = descriptor.fields().filter(|field| field.kind() == Kind::String && !field.is_map());
        texts.map(|field| {
            let mut message = DynamicMessage::new(field.parent_message().clone());
            let text = Value::String("a\0b".to_owned());
            let (name, value) = if field.is_list() {
                (format!("{}[0]", field.name()), Value::List(vec![text]))
            } else {
                (field.name().to_owned(), text)
            };
            message.set_field(&field, value);
            (name, message)
        })
    }

    #[test]
    fn a_nul_in_any_text_field_of_any_request_is_refused_by_the_fields_name() {
        use prost::Message;
        let mut tried = 0;
        for method in access::methods().iter() {
            let input = method.descriptor.input();
            for (name, message) in fields_of(&input) {
                let Invalid(found) = check(&input, &message.encode_to_vec()).expect_err(&name);
                assert_eq!(found.iter().map(|of| of.field.as_str()).collect::<Vec<_>>(), [name]);
                tried += 1;
            }
        }
        assert!(tried > 20, "{tried}");
    }

    #[test]
    fn a_nul_byte_in_a_bytes_field_is_accepted() {
        let input = access::methods().iter().map(|method| method.descriptor.input());
        let with_bytes = input
            .flat_map(|input| input.fields().collect::<Vec<_>>())
            .find(|field| field.kind() == Kind::Bytes && !field.is_list());
        let field = with_bytes.expect("a request with bytes");
        let mut message = DynamicMessage::new(field.parent_message().clone());
        message.set_field(&field, Value::Bytes(bytes::Bytes::from_static(b"a\0b")));
        assert!(check_message(&message).is_ok());
    }
}
