//! The proto options of fields which say whether they hold personal data.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

/// Whether a field, or its message, is marked as not personal.
pub(crate) fn is_open(field: &FieldDescriptor) -> bool {
    PersonalOptions::of(field.parent_pool()).is_some_and(|options| options.is_open(field))
}

/// The options of fields which say whether they hold personal data, looked up once.
pub(crate) struct PersonalOptions {
    not_personal: ExtensionDescriptor,
    fields_not_personal: ExtensionDescriptor,
}

impl PersonalOptions {
    /// Looks up the options in these descriptors. `None` if the descriptors do not have them.
    pub(crate) fn of(pool: &DescriptorPool) -> Option<Self> {
        let find = |name: &str| pool.get_extension_by_name(&format!("levqor.options.v1.{name}"));
        let (not_personal, fields_not_personal) = (find("not_personal")?, find("fields_not_personal")?);
        Some(Self { not_personal, fields_not_personal })
    }

    pub(crate) fn is_open(&self, field: &FieldDescriptor) -> bool {
        let is_true = |options: DynamicMessage, extension: &ExtensionDescriptor| {
            options.has_extension(extension) && options.get_extension(extension).as_bool() == Some(true)
        };
        is_true(field.options(), &self.not_personal)
            || is_true(field.parent_message().options(), &self.fields_not_personal)
    }
}

/// Whether a message of this type, or a nested one, holds personal data. A body that is not JSON counts as personal.
pub(crate) fn is_personal(message: &MessageDescriptor) -> bool {
    let mut seen = vec![message.clone()];
    let mut next = 0;
    while let Some(message) = seen.get(next).cloned() {
        next += 1;
        if message.full_name() == "google.api.HttpBody" {
            return true;
        }
        if !message.full_name().starts_with("levqor.") {
            continue;
        }
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) if !seen.contains(&inner) => seen.push(inner),
                Kind::String | Kind::Bytes if !is_open(&field) => return true,
                _ => {}
            }
        }
    }
    false
}
