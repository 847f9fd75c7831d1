//! Reads single fields of Stripe's JSON. Fields that billing does not need may be missing, new or malformed.

use std::fmt;

use chrono::{DateTime, Datelike, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::stripe_id::StripeId;

/// Stripe's own words are shorter.
const LONGEST_WORD: usize = 255;
/// Text that a person typed is cut to this length.
const LONGEST_TEXT: usize = 200;

/// The wanted fields of an object and, if a field is an object too, the wanted fields of that object.
#[derive(Clone, Copy)]
pub(super) struct Wanted(pub(super) &'static [(&'static str, Wanted)]);

impl Wanted {
    /// Reads these fields of a JSON text. It checks only the grammar of the other fields and does not store them: an event has
    /// some hundred fields, and allocating each of them would be most of the cost. Values that the grammar allows but `Value`
    /// cannot hold, such as 1e999, are found when the event is processed.
    pub(super) fn read(self, text: &str) -> serde_json::Result<Value> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = self.deserialize(&mut json)?;
        json.end()?;
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Wanted {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Wanted {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = object.next_key_seed(Name(self))? {
            match name {
                Some((name, wanted)) => drop(kept.insert(name.to_owned(), object.next_value_seed(wanted)?)),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(Vec::new()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

/// Reads a field's name: whether the field is wanted, and which of its own fields are.
struct Name(Wanted);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<(&'static str, Wanted)>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<(&'static str, Wanted)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let Self(Wanted(fields)) = self;
        Ok(fields.iter().find(|(wanted, _)| *wanted == name).copied())
    }
}

/// A field that holds one of Stripe's words, or other short text.
pub(super) fn word<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let text = object.get(field)?.as_str()?;
    let fits = !text.is_empty() && text.len() <= LONGEST_WORD && !text.contains(char::is_control);
    fits.then_some(text)
}

/// A field that is an id.
pub(super) fn id(object: &Value, field: &str) -> Option<StripeId> {
    object.get(field)?.as_str()?.parse().ok()
}

/// A field that refers to another object: the object's id, or the object itself if Stripe expanded it.
pub(super) fn reference(object: &Value, field: &str) -> Option<StripeId> {
    match object.get(field)? {
        Value::String(_) => id(object, field),
        expanded => id(expanded, "id"),
    }
}

/// A field that a person typed, cut to `LONGEST_TEXT`. Control characters are removed, since PostgreSQL refuses NUL.
pub(super) fn text(object: &Value, field: &str) -> Option<String> {
    let typed = object.get(field)?.as_str()?.trim();
    Some(typed.chars().filter(|c| !c.is_control()).take(LONGEST_TEXT).collect())
}

/// A time. Most objects give it in seconds; thin events write it as text. It is cut to PostgreSQL's microseconds. Years that
/// PostgreSQL cannot hold are refused.
pub(super) fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let instant = match value {
        Value::Number(seconds) => DateTime::from_timestamp(seconds.as_i64()?, 0)?,
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok()?.to_utc(),
        _ => return None,
    };
    DateTime::from_timestamp_micros(instant.timestamp_micros())
        .filter(|instant| (1970..=9999).contains(&instant.year()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reference_is_an_id_or_the_object_itself() {
        let object =
            json!({"bare": "cus_1", "expanded": {"id": "cus_2"}, "none": null, "odd": 7, "empty": ""});
        assert_eq!(reference(&object, "bare"), "cus_1".parse().ok());
        assert_eq!(reference(&object, "expanded"), "cus_2".parse().ok());
        for field in ["none", "odd", "empty", "missing"] {
            assert_eq!(reference(&object, field), None, "{field}");
        }
    }

    #[test]
    fn values_that_the_database_would_refuse_are_left_out_or_cleaned() {
        let object = json!({"nul": "a\u{0}b", "long": "x".repeat(300), "name": " Ada\u{0} \u{7}Lovelace "});
        assert_eq!(word(&object, "nul"), None);
        assert_eq!(word(&object, "long"), None);
        assert_eq!(text(&object, "name").as_deref(), Some("Ada Lovelace"));
        assert_eq!(text(&object, "long").map(|name| name.len()), Some(LONGEST_TEXT));
    }
}
