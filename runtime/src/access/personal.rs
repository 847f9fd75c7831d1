//! What the protos say of fields: whether they hold anything personal.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

/// Whether a field says, itself or by its message, that it holds nothing personal.
pub(crate) fn is_open(field: &FieldDescriptor) -> bool {
    PersonalOptions::of(field.parent_pool()).is_some_and(|options| options.is_open(field))
}

/// The options of fields that say whether they hold anything personal, looked up once.
pub(crate) struct PersonalOptions {
    not_personal: ExtensionDescriptor,
    fields_not_personal: ExtensionDescriptor,
}

impl PersonalOptions {
    /// Those of these descriptors; none where they do not have the options.
    pub(crate) fn of(pool: &DescriptorPool) -> Option<Self> {
        let find = |name: &str| pool.get_extension_by_name(&format!("levqor.options.v1.{name}"));
        let (not_personal, fields_not_personal) = (find("not_personal")?, find("fields_not_personal")?);
        Some(Self { not_personal, fields_not_personal })
    }

    /// Whether a field says, itself or by its message, that it holds nothing personal.
    pub(crate) fn is_open(&self, field: &FieldDescriptor) -> bool {
        let is_true = |options: DynamicMessage, extension: &ExtensionDescriptor| {
            options.has_extension(extension) && options.get_extension(extension).as_bool() == Some(true)
        };
        is_true(field.options(), &self.not_personal)
            || is_true(field.parent_message().options(), &self.fields_not_personal)
    }
}

/// Whether a message of this kind holds anything personal, itself or in a message within it. A body that is not JSON is taken
/// for personal: it has no fields that could say otherwise.
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
