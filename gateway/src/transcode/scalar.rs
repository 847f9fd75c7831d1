//! Reads values from text: path variables, query parameters and JSON strings. An error names the expected form.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MessageDescriptor, Value};
use serde::de::value::{Error as TextError, StrDeserializer};

/// Beyond this, a JSON number is no longer the integer that was written (RFC 8259, section 6).
pub(crate) const MAX_SAFE_INTEGER: u64 = 1 << 53;
const MAX_SAFE_REAL: f64 = 9_007_199_254_740_992.0;

/// The expected form of a value.
pub(crate) type Expected = Cow<'static, str>;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A value from the text of a path variable or a query parameter.
pub(crate) fn from_parameter(kind: &Kind, text: &str) -> Result<Value, Expected> {
    match kind {
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| expected(kind)),
        Kind::Enum(descriptor) => match text.parse::<i32>() {
            Ok(number) => enum_number(descriptor, number.into()),
            Err(_) => enum_name(descriptor, text),
        },
        Kind::Message(descriptor) => message_from_text(descriptor, text, from_parameter),
        _ => from_json_string(kind, text),
    }
}

/// A value from a JSON string. Numbers may be strings in JSON, booleans and enum numbers may not.
pub(crate) fn from_json_string(kind: &Kind, text: &str) -> Result<Value, Expected> {
    match kind {
        Kind::String if text.contains('\0') => Err("must not contain the character U+0000".into()),
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bytes => {
            let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
            decoded.map(|bytes| Value::Bytes(Bytes::from(bytes))).map_err(|_| expected(kind))
        }
        Kind::Bool => Err(expected(kind)),
        Kind::Enum(descriptor) => enum_name(descriptor, text),
        Kind::Float | Kind::Double => real_from_text(kind, text),
        Kind::Message(descriptor) => message_from_text(descriptor, text, from_json_string),
        _ if text.starts_with('+') => Err(expected(kind)),
        _ => text.parse().map_err(|_| expected(kind)).and_then(|number| integer(kind, number)),
    }
}

/// A value from a whole number.
pub(crate) fn integer(kind: &Kind, number: i128) -> Result<Value, Expected> {
    let safe = number.unsigned_abs() <= u128::from(MAX_SAFE_INTEGER);
    let value = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i32::try_from(number).ok().map(Value::I32),
        Kind::Uint32 | Kind::Fixed32 => u32::try_from(number).ok().map(Value::U32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if safe => i64::try_from(number).ok().map(Value::I64),
        Kind::Uint64 | Kind::Fixed64 if safe => u64::try_from(number).ok().map(Value::U64),
        Kind::Enum(descriptor) => return enum_number(descriptor, number),
        Kind::Message(descriptor) => return wrapper(descriptor, |kind| integer(kind, number)),
        #[expect(clippy::cast_precision_loss, reason = "a double is what was asked for")]
        Kind::Float | Kind::Double => return real(kind, number as f64),
        _ => None,
    };
    value.ok_or_else(|| expected(kind))
}

/// A value from a number that is written with a fraction or an exponent. An integer field accepts `3.0`, but not `3.5`.
#[expect(clippy::cast_possible_truncation, reason = "each cast is behind a check of the range")]
pub(crate) fn real(kind: &Kind, number: f64) -> Result<Value, Expected> {
    match kind {
        Kind::Double => Ok(Value::F64(number)),
        Kind::Float if !number.is_finite() || number.abs() <= f64::from(f32::MAX) => {
            Ok(Value::F32(number as f32))
        }
        Kind::Float => Err("expected a number that fits 32 bits".into()),
        Kind::String | Kind::Bytes | Kind::Bool => Err(expected(kind)),
        Kind::Message(descriptor) => wrapper(descriptor, |kind| real(kind, number)),
        _ if number.fract() == 0.0 && number.abs() < MAX_SAFE_REAL => integer(kind, number as i128),
        _ => Err(expected(kind)),
    }
}

/// A value from a JSON boolean.
pub(crate) fn from_bool(kind: &Kind, value: bool) -> Result<Value, Expected> {
    match kind {
        Kind::Bool => Ok(Value::Bool(value)),
        Kind::Message(descriptor) => wrapper(descriptor, |kind| from_bool(kind, value)),
        _ => Err(expected(kind)),
    }
}

/// The expected form of a value of this kind.
pub(crate) fn expected(kind: &Kind) -> Expected {
    match kind {
        Kind::Double | Kind::Float => "expected a number".into(),
        Kind::Bool => "expected true or false".into(),
        Kind::String => "expected a string".into(),
        Kind::Bytes => "expected base64".into(),
        Kind::Enum(descriptor) => one_of(descriptor),
        Kind::Message(descriptor) => match descriptor.full_name() {
            "google.protobuf.Timestamp" => "expected an RFC 3339 time such as 2026-01-31T12:00:00Z".into(),
            "google.protobuf.Duration" => "expected a duration in seconds such as 1.5s".into(),
            "google.protobuf.FieldMask" => "expected field names separated by commas".into(),
            name if is_wrapper(name) => {
                expected(&descriptor.get_field(1).map_or(Kind::String, |field| field.kind()))
            }
            _ => "expected an object".into(),
        },
        Kind::Uint32 | Kind::Fixed32 => "expected a whole number from 0 to 4294967295".into(),
        Kind::Uint64 | Kind::Fixed64 => "expected a whole number from 0 to 9007199254740992".into(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            "expected a whole number from -9007199254740992 to 9007199254740992".into()
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "expected a whole number that fits 32 bits".into(),
    }
}

/// Whether values of this kind are written as objects or lists.
pub(crate) fn is_object(kind: &Kind) -> bool {
    kind.as_message().is_some_and(|message| !is_text(message.full_name()))
}

/// Whether a message is written as a text, a number or a boolean.
pub(crate) fn is_text(full_name: &str) -> bool {
    is_wrapper(full_name)
        || matches!(
            full_name,
            "google.protobuf.Timestamp" | "google.protobuf.Duration" | "google.protobuf.FieldMask"
        )
}

/// Whether a message is one of the wrapper types, such as `Int32Value`. In JSON a wrapper is written as the value that it holds.
fn is_wrapper(full_name: &str) -> bool {
    full_name.strip_prefix("google.protobuf.").is_some_and(|name| {
        matches!(
            name,
            "DoubleValue"
                | "FloatValue"
                | "Int64Value"
                | "UInt64Value"
                | "Int32Value"
                | "UInt32Value"
                | "BoolValue"
                | "StringValue"
                | "BytesValue"
        )
    })
}

fn message_from_text(
    descriptor: &MessageDescriptor,
    text: &str,
    inner: fn(&Kind, &str) -> Result<Value, Expected>,
) -> Result<Value, Expected> {
    let wrong = || expected(&Kind::Message(descriptor.clone()));
    match descriptor.full_name() {
        "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
            let read =
                DynamicMessage::deserialize(descriptor.clone(), StrDeserializer::<TextError>::new(text));
            read.map(Value::Message).map_err(|_| wrong())
        }
        "google.protobuf.FieldMask" => {
            let paths: Option<Vec<_>> = text
                .split(',')
                .filter(|path| !path.is_empty())
                .map(|path| snake_case(path).map(Value::String))
                .collect();
            let mut mask = DynamicMessage::new(descriptor.clone());
            mask.set_field_by_name("paths", Value::List(paths.ok_or_else(wrong)?));
            Ok(Value::Message(mask))
        }
        _ => wrapper(descriptor, |kind| inner(kind, text)),
    }
}

fn wrapper(
    descriptor: &MessageDescriptor,
    inner: impl FnOnce(&Kind) -> Result<Value, Expected>,
) -> Result<Value, Expected> {
    match descriptor.get_field(1).filter(|_| is_wrapper(descriptor.full_name())) {
        Some(field) => {
            let mut wrapped = DynamicMessage::new(descriptor.clone());
            wrapped.set_field(&field, inner(&field.kind())?);
            Ok(Value::Message(wrapped))
        }
        None => Err(expected(&Kind::Message(descriptor.clone()))),
    }
}

fn real_from_text(kind: &Kind, text: &str) -> Result<Value, Expected> {
    // Rust reads more spellings ("inf", "nan", "+1", "1e999" as infinity) than protobuf's JSON has.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    let named = matches!(text, "NaN" | "Infinity" | "-Infinity");
    let number: Option<f64> = if plain || named { text.parse().ok() } else { None };
    match number {
        Some(number) if (named || number.is_finite()) && !text.starts_with('+') => real(kind, number),
        _ => Err(expected(kind)),
    }
}

fn enum_name(descriptor: &EnumDescriptor, name: &str) -> Result<Value, Expected> {
    let value = descriptor.get_value_by_name(name);
    value.map(|value| Value::EnumNumber(value.number())).ok_or_else(|| one_of(descriptor))
}

fn enum_number(descriptor: &EnumDescriptor, number: i128) -> Result<Value, Expected> {
    let value = i32::try_from(number).ok().and_then(|number| descriptor.get_value(number));
    value.map(|value| Value::EnumNumber(value.number())).ok_or_else(|| one_of(descriptor))
}

fn one_of(descriptor: &EnumDescriptor) -> Expected {
    let names: Vec<_> = descriptor.values().map(|value| value.name().to_owned()).collect();
    format!("expected one of {}", names.join(", ")).into()
}

/// A path of a field mask as the proto spells it (`order_id`). It may be given as `orderId` too.
fn snake_case(path: &str) -> Option<String> {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        match c {
            'A'..='Z' => snake.extend(['_', c.to_ascii_lowercase()]),
            'a'..='z' | '0'..='9' | '_' | '.' => snake.push(c),
            _ => return None,
        }
    }
    Some(snake)
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    fn well_known(name: &str) -> Kind {
        let pool = DescriptorPool::global();
        Kind::Message(pool.get_message_by_name(&format!("google.protobuf.{name}")).expect(name))
    }

    #[test]
    fn integers_have_one_spelling_and_stay_exact() {
        assert_eq!(from_parameter(&Kind::Int64, "-9007199254740992"), Ok(Value::I64(-9_007_199_254_740_992)));
        assert_eq!(real(&Kind::Uint32, 3.0), Ok(Value::U32(3)));
        for text in
            ["9007199254740993", "+1", "1.5", "", " 1", "1e3", "99999999999999999999999999999999999999999"]
        {
            assert!(from_parameter(&Kind::Int64, text).is_err(), "{text}");
        }
        assert!(from_parameter(&Kind::Uint64, "-1").is_err());
        assert!(integer(&Kind::Int32, 1 << 31).is_err());
        assert!(real(&Kind::Int32, 1.5).is_err());
    }

    #[test]
    fn reals_have_the_spellings_of_json_and_no_more() {
        assert_eq!(from_parameter(&Kind::Double, "-1.5e3"), Ok(Value::F64(-1500.0)));
        assert_eq!(from_parameter(&Kind::Float, "Infinity"), Ok(Value::F32(f32::INFINITY)));
        for text in ["inf", "nan", "+1", "1e999", "", "0x1"] {
            assert!(from_parameter(&Kind::Double, text).is_err(), "{text}");
        }
        assert!(real(&Kind::Float, 1e300).is_err());
    }

    #[test]
    fn well_known_types_are_written_as_in_json() {
        for (name, good, bad) in [
            ("Timestamp", "2026-01-31T12:00:00Z", "2026-01-31"),
            ("Duration", "1.5s", "1.5"),
            ("FieldMask", "a.b_c,dE", "a b"),
            ("Int32Value", "7", "x"),
            ("StringValue", "x", "\0"),
        ] {
            assert!(from_parameter(&well_known(name), good).is_ok(), "{name} {good}");
            assert!(from_parameter(&well_known(name), bad).is_err(), "{name} {bad}");
        }
        assert!(from_parameter(&well_known("Struct"), "{}").is_err());
    }
}
