//! The serde visitors that read JSON values. They continue after a mistake, so that all mistakes are found.

use std::{collections::HashMap, fmt};

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Expect, Got, Reading, Step};
use crate::transcode::{
    findings,
    scalar::{self, Expected},
};

/// Deeper messages are refused here, before a service's decoder does.
const DEEPEST: usize = 64;

/// Reads one value.
pub(super) struct Seed<'s, 'f> {
    pub(super) expect: Expect<'s>,
    pub(super) reading: &'s mut Reading<'f>,
}

impl Seed<'_, '_> {
    fn scalar(self, read: impl FnOnce(&Kind) -> Result<Value, Expected>) -> Got {
        let value = match self.expect {
            Expect::Single(kind) => read(kind),
            Expect::List(_) | Expect::Map(_) => Err(self.expect.words()),
        };
        value.map_or_else(
            |expected| {
                self.reading.note(expected);
                Got::Bad
            },
            Got::Value,
        )
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Got;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Got, D::Error> {
        match self.expect {
            Expect::Single(Kind::Message(descriptor)) => match descriptor.full_name() {
                "google.protobuf.Value" => free_form(descriptor, deserializer),
                "google.protobuf.Struct" | "google.protobuf.ListValue" | "google.protobuf.Any" => {
                    deserializer.deserialize_option(FreeForm(descriptor))
                }
                _ => deserializer.deserialize_any(self),
            },
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Got;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.expect.words())
    }

    fn visit_unit<E>(self) -> Result<Got, E> {
        match self.expect {
            Expect::Single(Kind::Enum(descriptor))
                if descriptor.full_name() == "google.protobuf.NullValue" =>
            {
                Ok(Got::Value(Value::EnumNumber(0)))
            }
            _ => Ok(Got::Null),
        }
    }

    fn visit_bool<E>(self, value: bool) -> Result<Got, E> {
        Ok(self.scalar(|kind| scalar::from_bool(kind, value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Got, E> {
        Ok(self.scalar(|kind| scalar::integer(kind, value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Got, E> {
        Ok(self.scalar(|kind| scalar::integer(kind, value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Got, E> {
        Ok(self.scalar(|kind| scalar::real(kind, value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Got, E> {
        Ok(self.scalar(|kind| scalar::from_json_string(kind, value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Got, A::Error> {
        let Expect::List(kind) = self.expect else {
            self.reading.note(self.expect.words());
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Got::Bad);
        };
        let mut values = Vec::new();
        for index in 0.. {
            self.reading.trail.push(Step::Index(index));
            let seed = Seed { expect: Expect::Single(kind), reading: &mut *self.reading };
            let element = seq.next_element_seed(seed)?;
            match element {
                Some(Got::Value(value)) => values.push(value),
                Some(Got::Null) => self.reading.note(scalar::expected(kind)),
                Some(Got::Bad) => {}
                None => {
                    self.reading.trail.pop();
                    break;
                }
            }
            self.reading.trail.pop();
        }
        Ok(Got::Value(Value::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Got, A::Error> {
        if self.reading.trail.len() > DEEPEST {
            self.reading.note("is nested too deeply");
        } else {
            match self.expect {
                Expect::Map(entry) => return self.reading.map(entry, map),
                Expect::Single(Kind::Message(descriptor)) if !scalar::is_text(descriptor.full_name()) => {
                    return self.reading.message(descriptor, map);
                }
                expect => self.reading.note(expect.words()),
            }
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Got::Bad)
    }
}

impl Reading<'_> {
    fn message<'de, A: MapAccess<'de>>(
        &mut self,
        descriptor: &MessageDescriptor,
        mut map: A,
    ) -> Result<Got, A::Error> {
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut given = Vec::new();
        while let Some(name) = map.next_key_seed(FieldName(descriptor))? {
            let field = match name {
                Ok(field) => field,
                Err(name) => {
                    self.trail.push(Step::Unknown(name));
                    self.note("is not a field");
                    map.next_value::<IgnoredAny>()?;
                    self.trail.pop();
                    continue;
                }
            };
            self.trail.push(Step::Field(field.clone()));
            if given.contains(&field.number()) {
                self.note("is given twice");
                map.next_value::<IgnoredAny>()?;
            } else if self.is_taken() {
                self.note("is set by the path");
                map.next_value::<IgnoredAny>()?;
            } else {
                let kind = field.kind();
                let seed = Seed { expect: Expect::of(&field, &kind), reading: &mut *self };
                if let Got::Value(value) = map.next_value_seed(seed)? {
                    match findings::other_of_oneof(&message, &field) {
                        Some(problem) => self.note(problem),
                        None => message.set_field(&field, value),
                    }
                }
            }
            given.push(field.number());
            self.trail.pop();
        }
        Ok(Got::Value(Value::Message(message)))
    }

    fn map<'de, A: MapAccess<'de>>(
        &mut self,
        entry: &MessageDescriptor,
        mut map: A,
    ) -> Result<Got, A::Error> {
        let key_kind = entry.map_entry_key_field().kind();
        let value_kind = entry.map_entry_value_field().kind();
        let mut values: HashMap<MapKey, Value> = HashMap::new();
        while let Some(text) = map.next_key::<String>()? {
            let key = scalar::from_parameter(&key_kind, &text);
            self.trail.push(Step::Key(text));
            let seed = Seed { expect: Expect::Single(&value_kind), reading: &mut *self };
            match (key.map(Value::into_map_key), map.next_value_seed(seed)?) {
                (Ok(Some(key)), Got::Value(value)) => {
                    if values.insert(key, value).is_some() {
                        self.note("is given twice");
                    }
                }
                (Ok(_), Got::Null) => self.note(scalar::expected(&value_kind)),
                (Ok(_), _) => {}
                (Err(expected), _) => self.note(expected),
            }
            self.trail.pop();
        }
        Ok(Got::Value(Value::Map(values)))
    }
}

/// Reads the name of a field: the field, or the name if there is none.
struct FieldName<'d>(&'d MessageDescriptor);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Result<FieldDescriptor, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Result<FieldDescriptor, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(findings::field_by_either_name(self.0, name).ok_or_else(|| name.to_owned()))
    }
}

/// Reads a well-known type whose JSON is any object or list, as prost-reflect does.
struct FreeForm<'d>(&'d MessageDescriptor);

impl<'de> Visitor<'de> for FreeForm<'_> {
    type Value = Got;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object or a list")
    }

    fn visit_none<E>(self) -> Result<Got, E> {
        Ok(Got::Null)
    }

    fn visit_unit<E>(self) -> Result<Got, E> {
        Ok(Got::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Got, D::Error> {
        free_form(self.0, deserializer)
    }
}

fn free_form<'de, D: Deserializer<'de>>(
    descriptor: &MessageDescriptor,
    deserializer: D,
) -> Result<Got, D::Error> {
    DynamicMessage::deserialize(descriptor.clone(), deserializer)
        .map(|message| Got::Value(Value::Message(message)))
}
