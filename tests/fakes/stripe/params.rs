//! Parameters of requests: which there are, and how they change an object.

use serde_json::{Map, Value};

use super::failure::Failure;

/// Refuses parameters that are not among these.
pub(super) fn known(params: &Value, known: &[&str]) -> Result<(), Failure> {
    let mut given = params.as_object().into_iter().flatten();
    given
        .find(|(name, _)| !known.contains(&name.as_str()))
        .map_or(Ok(()), |(name, _)| Err(Failure::unknown(name)))
}

/// What these parameters make of an object's fields: an empty one clears its field, and metadata are merged.
pub(super) fn changes(object: &Value, params: &Value, fields: &[&str]) -> Value {
    let given = params.as_object().into_iter().flatten().filter(|(name, _)| fields.contains(&name.as_str()));
    let change = |(name, value): (&String, &Value)| {
        let value = match (name.as_str(), value) {
            ("metadata", Value::Object(new)) => merged(&object["metadata"], new),
            (_, Value::String(empty)) if empty.is_empty() => Value::Null,
            (_, Value::String(word)) if object[name].is_boolean() => Value::Bool(word == "true"),
            (_, value) => value.clone(),
        };
        (name.clone(), value)
    };
    given.map(change).collect::<Map<_, _>>().into()
}

fn merged(old: &Value, new: &Map<String, Value>) -> Value {
    let mut merged = old.as_object().cloned().unwrap_or_default();
    merged.extend(new.clone());
    merged.retain(|_, value| value != "");
    merged.into()
}
