//! The rules that the build enforces on every proto of the mesh: access on each RPC, a classification on each field
//! that can hold text. Part of the build script, and of the test that proves that the build fails.

use std::collections::BTreeSet;

use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};

/// The package prefix of our own protos. The rules do not apply to vendored ones.
const OURS: &str = "levqor.";

/// Every breach of the contract's rules, one sentence each; empty when the protos may be built.
#[must_use]
pub fn violations(pool: &DescriptorPool) -> Vec<String> {
    let Some(options) = Options::find(pool) else {
        return vec!["levqor/options/v1/options.proto is not among the compiled files".to_owned()];
    };
    let mut found = Vec::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        if method.full_name().starts_with(OURS) {
            options.check_access(method.full_name(), &method.options(), &mut found);
        }
    }
    for message in pool.all_messages().filter(|message| message.full_name().starts_with(OURS)) {
        if message.is_map_entry() || message.package_name() == "levqor.options.v1" {
            continue;
        }
        for field in message.fields() {
            options.check_field(&message, &field, &mut found);
        }
    }
    found
}

/// Full names of the messages that hold personal data, in a field of their own or in a message inside them.
#[must_use]
pub fn personal_messages(pool: &DescriptorPool) -> BTreeSet<String> {
    let Some(options) = Options::find(pool) else { return BTreeSet::new() };
    let messages: Vec<_> =
        pool.all_messages().filter(|message| message.full_name().starts_with(OURS)).collect();
    let mut personal = BTreeSet::new();
    loop {
        let before = personal.len();
        for message in &messages {
            let holds = message.fields().any(|field| {
                field.options().has_extension(&options.personal_data)
                    || field.kind().as_message().is_some_and(|inner| personal.contains(inner.full_name()))
            });
            if holds {
                personal.insert(message.full_name().to_owned());
            }
        }
        if personal.len() == before {
            return personal;
        }
    }
}

struct Options {
    access: ExtensionDescriptor,
    fields_not_personal: ExtensionDescriptor,
    personal_data: ExtensionDescriptor,
    not_personal: ExtensionDescriptor,
}

impl Options {
    fn find(pool: &DescriptorPool) -> Option<Self> {
        let extension = |name: &str| pool.get_extension_by_name(&format!("levqor.options.v1.{name}"));
        Some(Self {
            access: extension("access")?,
            fields_not_personal: extension("fields_not_personal")?,
            personal_data: extension("personal_data")?,
            not_personal: extension("not_personal")?,
        })
    }

    fn check_access(&self, method: &str, options: &prost_reflect::DynamicMessage, found: &mut Vec<String>) {
        if !options.has_extension(&self.access) {
            found.push(format!("{method}: option (levqor.options.v1.access) is missing"));
            return;
        }
        let value = options.get_extension(&self.access);
        let access = value.as_message();
        let role = access
            .and_then(|access| access.get_field_by_name("role"))
            .and_then(|role| role.as_enum_number())
            .unwrap_or_default();
        let callers = access
            .and_then(|access| access.get_field_by_name("callers"))
            .and_then(|callers| callers.as_list().map(<[Value]>::len))
            .unwrap_or_default();
        match (role, callers) {
            (0, _) => found.push(format!("{method}: access has no role")),
            (5, 0) => found.push(format!("{method}: access SERVICE names no callers")),
            (1..=4, 1..) => found.push(format!("{method}: access names callers without role SERVICE")),
            _ => {}
        }
    }

    fn check_field(&self, message: &MessageDescriptor, field: &FieldDescriptor, found: &mut Vec<String>) {
        let options = field.options();
        let personal = options.has_extension(&self.personal_data);
        let not_personal = options.has_extension(&self.not_personal)
            && options.get_extension(&self.not_personal).as_bool() == Some(true);
        let name = field.full_name();
        if personal && not_personal {
            found.push(format!("{name}: both personal_data and not_personal"));
            return;
        }
        if personal {
            let value = options.get_extension(&self.personal_data);
            let data = value.as_message();
            let category = data
                .and_then(|data| data.get_field_by_name("category")?.as_enum_number())
                .unwrap_or_default();
            let kept = data.is_some_and(|data| {
                data.get_field_by_name("keep")
                    .is_some_and(|keep| keep.as_str().is_some_and(|k| !k.is_empty()))
            });
            if category == 0 || !kept {
                found.push(format!("{name}: personal_data needs a category and how long it is kept"));
            }
            return;
        }
        if not_personal || !holds_text(field) {
            return;
        }
        let message_options = message.options();
        let default = message_options.has_extension(&self.fields_not_personal)
            && message_options.get_extension(&self.fields_not_personal).as_bool() == Some(true);
        if !default {
            found.push(format!("{name}: says neither personal_data nor not_personal"));
        }
    }
}

/// Whether a field, or the values of a map, are strings or bytes.
fn holds_text(field: &FieldDescriptor) -> bool {
    match field.kind() {
        Kind::String | Kind::Bytes => true,
        Kind::Message(entry) if entry.is_map_entry() => {
            entry.fields().any(|inner| matches!(inner.kind(), Kind::String | Kind::Bytes))
        }
        _ => false,
    }
}
