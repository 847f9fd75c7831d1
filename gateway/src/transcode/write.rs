//! Writes messages as JSON: proto field names, enum names, 64-bit integers as numbers, times in UTC, with default values.

use std::io::{self, Write};

use bytes::{BufMut, Bytes, BytesMut};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, SerializeOptions, Value};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::ser::{CompactFormatter, Formatter};

use super::scalar::MAX_SAFE_INTEGER;

/// For the well-known types, whose JSON prost-reflect knows.
const WELL_KNOWN: SerializeOptions = SerializeOptions::new()
    .stringify_64_bit_integers(false)
    .use_proto_field_name(true)
    .skip_default_fields(false);

/// A message, or one field of it, as JSON. Fails on an integer that JSON cannot hold exactly.
pub(crate) fn to_json(
    message: &DynamicMessage,
    field: Option<&FieldDescriptor>,
) -> serde_json::Result<Bytes> {
    let mut json = BytesMut::with_capacity(512);
    append_json(message, field, &mut json)?;
    Ok(json.freeze())
}

/// The same, appended to a buffer.
pub(crate) fn append_json(
    message: &DynamicMessage,
    field: Option<&FieldDescriptor>,
    buffer: &mut BytesMut,
) -> serde_json::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(buffer.writer(), ExactIntegers);
    match field {
        None => Message(message).serialize(&mut serializer),
        Some(field) if field.supports_presence() && !message.has_field(field) => serializer.serialize_unit(),
        Some(field) => {
            let kind = field.kind();
            Field { value: &message.get_field(field), kind: &kind }.serialize(&mut serializer)
        }
    }
}

/// A message as an object. Absent fields are left out. All others are written, in the order of their numbers.
struct Message<'m>(&'m DynamicMessage);

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let descriptor = self.0.descriptor();
        if descriptor.full_name() == "google.protobuf.FieldMask" {
            return field_mask(self.0).serialize(serializer);
        }
        if descriptor.package_name() == "google.protobuf" {
            return self.0.serialize_with_options(serializer, &WELL_KNOWN);
        }
        let mut object = serializer.serialize_map(None)?;
        for field in descriptor.fields() {
            if !field.supports_presence() || self.0.has_field(&field) {
                let value = self.0.get_field(&field);
                object.serialize_entry(field.name(), &Field { value: &value, kind: &field.kind() })?;
            }
        }
        object.end()
    }
}

/// The value of a field, and its kind. For a list, the kind is that of an element; for a map, that of an entry.
struct Field<'v> {
    value: &'v Value,
    kind: &'v Kind,
}

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) if value.is_finite() => serializer.serialize_f32(*value),
            Value::F32(value) => serializer.serialize_str(not_finite(f64::from(*value))),
            Value::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::F64(value) => serializer.serialize_str(not_finite(*value)),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.collect_str(&base64::display::Base64Display::new(
                value,
                &base64::engine::general_purpose::STANDARD,
            )),
            Value::EnumNumber(number) => match self.kind.as_enum() {
                Some(descriptor) if descriptor.full_name() == "google.protobuf.NullValue" => {
                    serializer.serialize_unit()
                }
                descriptor => match descriptor.and_then(|descriptor| descriptor.get_value(*number)) {
                    Some(value) => serializer.serialize_str(value.name()),
                    // A newer service may know more names than we do.
                    None => serializer.serialize_i32(*number),
                },
            },
            Value::Message(message) => Message(message).serialize(serializer),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Field { value, kind: self.kind })?;
                }
                list.end()
            }
            Value::Map(values) => {
                let kind = self.kind.as_message().map(|entry| entry.map_entry_value_field().kind());
                let mut entries: Vec<_> = values.iter().map(|(key, value)| (key_text(key), value)).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let mut object = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    object
                        .serialize_entry(&key, &Field { value, kind: kind.as_ref().unwrap_or(self.kind) })?;
                }
                object.end()
            }
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Our field names are `snake_case` everywhere, so also in masks, where protobuf's own JSON has lowerCamelCase.
fn field_mask(mask: &DynamicMessage) -> String {
    let paths = mask.get_field_by_name("paths");
    let paths = paths.as_deref().and_then(Value::as_list).unwrap_or_default();
    paths.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

/// Compact JSON that refuses integers beyond 2^53.
struct ExactIntegers;

impl Formatter for ExactIntegers {
    fn write_i64<W: ?Sized + Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        check(value.unsigned_abs())?;
        CompactFormatter.write_i64(writer, value)
    }

    fn write_u64<W: ?Sized + Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        check(value)?;
        CompactFormatter.write_u64(writer, value)
    }
}

fn check(magnitude: u64) -> io::Result<()> {
    if magnitude <= MAX_SAFE_INTEGER {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "an integer beyond 2^53 has no exact form in JSON"))
}
