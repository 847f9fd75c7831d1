//! Stripe's form encoding, in bodies and in queries: `a[b][]=1` becomes nested JSON, whose leaves are texts.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Reads a form.
pub(super) fn read(text: &str) -> Value {
    let mut root = Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (key, value) = (decode(key), decode(value));
        let path: Vec<_> = key.split('[').map(|part| part.trim_end_matches(']')).collect();
        put(&mut root, &path, value);
    }
    with_lists(Value::Object(root))
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn put(fields: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else { return };
    // `a[]` appends.
    let key = if first.is_empty() { fields.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        fields.insert(key, Value::String(value));
    } else if let Value::Object(inner) = fields.entry(key).or_insert_with(|| Map::new().into()) {
        put(inner, rest, value);
    }
}

/// What has only numbers for keys is a list.
fn with_lists(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let mut fields: Vec<_> = fields.into_iter().map(|(key, value)| (key, with_lists(value))).collect();
    let number = |(key, _): &(String, Value)| key.parse::<usize>().ok();
    if fields.is_empty() || !fields.iter().all(|field| number(field).is_some()) {
        return Value::Object(fields.into_iter().collect());
    }
    fields.sort_by_key(number);
    fields.into_iter().map(|(_, value)| value).collect()
}

/// A whole number, as a form or a test gives it.
pub(super) fn int(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// A yes or no, as a form or a test gives it.
pub(super) fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// A text that is not empty.
pub(super) fn text<'a>(params: &'a Value, name: &str) -> Option<&'a str> {
    params[name].as_str().filter(|text| !text.is_empty())
}
