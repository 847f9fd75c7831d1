//! A row as an export shows it: JSON that a person can read. Hashes and other bytes that are not personal are left out.

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::DynamicMessage;
use serde_json::{Map, Value};

use super::catalogue::Table;
use crate::access;

/// Makes the JSON object of a row, from PostgreSQL's `to_jsonb`.
pub(crate) fn shown(table: &Table, row: Value) -> Map<String, Value> {
    let Value::Object(mut row) = row else { return Map::new() };
    let rpc = row.get("rpc").and_then(Value::as_str).map(str::to_owned);
    for column in table.columns.iter().filter(|column| column.kind == "bytea") {
        let Some(value) = row.remove(&column.name) else { continue };
        if column.personal.is_none() {
            continue;
        }
        let bytes = value.as_str().and_then(|text| hex::decode(text.strip_prefix("\\x")?).ok());
        let value = bytes.map_or(Value::Null, |bytes| content(rpc.as_deref(), &column.name, &bytes));
        row.insert(column.name.clone(), value);
    }
    row
}

/// Shows a content: JSON and text unchanged, the messages of RPCs as JSON, other bytes as base64.
fn content(rpc: Option<&str>, column: &str, bytes: &[u8]) -> Value {
    if let Some(message) = rpc.and_then(|rpc| message(rpc, column, bytes)) {
        return message;
    }
    if let Ok(json) = serde_json::from_slice(bytes) {
        return json;
    }
    match str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from(STANDARD.encode(bytes)),
    }
}

/// The request or the response of an RPC.
fn message(rpc: &str, column: &str, bytes: &[u8]) -> Option<Value> {
    let method = access::methods().by_path(&format!("/{}", rpc.trim_start_matches('/')))?;
    let descriptor = match column {
        "request" => method.descriptor.input(),
        "response" => method.descriptor.output(),
        _ => return None,
    };
    serde_json::to_value(DynamicMessage::decode(descriptor, bytes).ok()?).ok()
}

/// The key of the row's file: the declared path, with the values of the columns in braces.
pub(crate) fn file_key(path: &str, row: &Map<String, Value>) -> Option<String> {
    let mut key = String::new();
    let mut unread = path;
    while let Some((before, after)) = unread.split_once('{') {
        let (column, after) = after.split_once('}')?;
        key.push_str(before);
        key.push_str(row.get(column)?.as_str()?);
        unread = after;
    }
    key.push_str(unread);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_shows_contents_in_a_readable_form() {
        let message =
            content(Some("levqor.mail.v1.MailService/CheckRecipient"), "request", b"\x0a\x08a@b.org");
        assert!(message.is_string(), "a message with a truncated field is not decoded");
        let message = content(Some("levqor.mail.v1.MailService/CheckRecipient"), "request", b"\x0a\x05a@b.c");
        assert_eq!(message, serde_json::json!({"recipient": "a@b.c"}));
        assert_eq!(content(None, "body", b"{\"a\": 1}"), serde_json::json!({"a": 1}));
        assert_eq!(content(None, "body", b"plain"), Value::from("plain"));
        assert_eq!(content(None, "body", &[0xff]), Value::from("/w=="));
    }

    #[test]
    fn the_key_of_a_file_contains_the_values_of_columns() {
        let row = serde_json::json!({"a": "1", "b": "2", "state": null});
        let row = row.as_object().expect("an object");
        assert_eq!(file_key("x/{a}/{b}", row).as_deref(), Some("x/1/2"));
        assert_eq!(file_key("x/{state}", row), None);
    }
}
