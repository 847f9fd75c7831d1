//! Collects all mistakes of a request. Each has the full path of its field.

use std::borrow::Cow;

use levqor_runtime::error::Violation;
use prost_reflect::{DynamicMessage, FieldDescriptor};

/// The most mistakes that a response names.
const MAX: usize = 32;
/// The most bytes of a field name that the response repeats from the request.
const LONGEST_NAME: usize = 128;

/// The mistakes that were found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Violation>);

impl Findings {
    /// Adds a mistake in a field.
    pub(crate) fn add(&mut self, field: impl Into<String>, description: impl Into<Cow<'static, str>>) {
        if self.0.len() < MAX {
            let mut field = field.into();
            if field.len() > LONGEST_NAME {
                let end =
                    (0..=LONGEST_NAME).rev().find(|end| field.is_char_boundary(*end)).unwrap_or_default();
                field.truncate(end);
                field.push('…');
            }
            self.0.push(Violation { field, description: description.into().into_owned() });
        }
    }

    /// Whether further mistakes would be left out.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MAX
    }

    /// Returns all mistakes as the error, if there are any.
    pub(crate) fn finish(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

/// The field by either of its spellings, `order_id` or `orderId`.
pub(crate) fn field_by_either_name(
    message: &prost_reflect::MessageDescriptor,
    name: &str,
) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// The mistake if another field of the same `oneof` is already set: setting this field would silently clear the other one.
pub(crate) fn other_of_oneof(message: &DynamicMessage, field: &FieldDescriptor) -> Option<String> {
    let oneof = field.containing_oneof()?;
    let other_field =
        oneof.fields().find(|other| other.number() != field.number() && message.has_field(other))?;
    Some(format!("cannot be given together with {}", other_field.name()))
}
