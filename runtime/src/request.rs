//! Reads the fields of a request. A field that cannot be read gives a violation that names the expected form.

use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::{
    error::{Invalid, Violations},
    wire_enum::WireEnum,
};

/// A type that requests hold as text.
pub trait Field: FromStr {
    /// The expected text, in words: "a mail address".
    const EXPECTED: &'static str;
}

/// Reads the id in a request that has no other field to read.
pub fn id<T: Field>(field: &str, text: &str) -> Result<T, Invalid> {
    let mut violations = Violations::new();
    let id = violations.field(field, text);
    violations.finish(id)
}

/// The name of an event type, as its sender spells it: text without control characters.
pub struct TypeName(String);

impl TypeName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text has control characters.
#[derive(Debug, thiserror::Error)]
#[error("not the name of a type")]
pub struct NotATypeName;

impl FromStr for TypeName {
    type Err = NotATypeName;

    fn from_str(text: &str) -> Result<Self, NotATypeName> {
        if text.contains(char::is_control) { Err(NotATypeName) } else { Ok(Self(text.to_owned())) }
    }
}

impl Field for TypeName {
    const EXPECTED: &'static str = "the name of a type";
}

impl Violations {
    /// Reads a field. Returns none and adds a violation if it cannot be read.
    pub fn field<T: Field>(&mut self, field: &str, text: &str) -> Option<T> {
        self.parse(field, text, T::EXPECTED)
    }

    /// Reads a field of a filter. Returns `None` if it is empty, or if it adds a violation.
    pub fn filter<T: Field>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() { None } else { self.field(field, text) }
    }

    /// Reads a time that must be set. Otherwise returns none and adds a violation.
    pub fn field_time(
        &mut self,
        field: &str,
        time: Option<&prost_types::Timestamp>,
    ) -> Option<DateTime<Utc>> {
        let time = time.and_then(|it| DateTime::from_timestamp(it.seconds, u32::try_from(it.nanos).ok()?));
        if time.is_none() {
            self.add(field, "expected an instant");
        }
        time
    }

    /// Reads a time of a filter. Returns `None` if it is not set, or if it adds a violation.
    pub fn filter_time(
        &mut self,
        field: &str,
        time: Option<&prost_types::Timestamp>,
    ) -> Option<DateTime<Utc>> {
        if time.is_none() { None } else { self.field_time(field, time) }
    }

    /// Reads an enum field of a filter. Returns `None` if it is `UNSPECIFIED`, or if it adds a violation that names the
    /// values.
    pub fn filter_enum<T: WireEnum>(&mut self, field: &str, number: i32) -> Option<T> {
        T::from_wire(number).unwrap_or_else(|_| self.expected_value(field))
    }

    /// Reads an enum field that must have a value. Otherwise returns none and adds a violation that names the values.
    pub fn field_enum<T: WireEnum>(&mut self, field: &str, number: i32) -> Option<T> {
        T::from_wire(number).ok().flatten().or_else(|| self.expected_value(field))
    }

    fn expected_value<T: WireEnum>(&mut self, field: &str) -> Option<T> {
        let names: Vec<_> = T::VALUES.iter().map(|value| value.wire_name()).collect();
        self.add(field, format!("expected one of {}", names.join(", ")));
        None
    }
}
