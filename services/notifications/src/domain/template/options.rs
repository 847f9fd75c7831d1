//! The options of a template, read from its message.

use levqor_proto_mail::v1::{self as wire, Category, Class, Sender};
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor};

use super::{Broken, Frame, Template};
use crate::domain::field::Field;

/// The options of a template.
pub(super) struct Options {
    pub(super) version: i32,
    pub(super) class: Class,
    pub(super) sender: Sender,
    pub(super) category: Category,
    pub(super) occasion: String,
}

/// The class that mails of a category have.
const fn class_of(category: Category) -> Class {
    match category {
        Category::Unspecified => Class::Unspecified,
        Category::Orders
        | Category::Billing
        | Category::Account
        | Category::Privacy
        | Category::Support
        | Category::Status => Class::Transactional,
        Category::ProductUpdates
        | Category::OffersPromotions
        | Category::TechnicalUpdates
        | Category::EventsWebinars
        | Category::EducationalContent => Class::Marketing,
        Category::Operations => Class::Operator,
    }
}

/// None if an option is missing, or if the category belongs to another class.
fn whole(options: wire::Template) -> Option<Options> {
    let (class, sender, category) = (options.class(), options.sender(), options.category());
    let is_whole = options.version > 0
        && class != Class::Unspecified
        && class == class_of(category)
        && sender != Sender::Unspecified
        && !options.occasion.is_empty();
    is_whole.then_some(Options {
        version: options.version,
        class,
        sender,
        category,
        occasion: options.occasion,
    })
}

/// The name of an enum's value without the prefix that all of its values have, in lower case: `offers promotions`.
pub(super) fn in_words(value: &str, unspecified: &str) -> String {
    let prefix = unspecified.trim_end_matches("UNSPECIFIED");
    value.strip_prefix(prefix).unwrap_or(value).to_lowercase().replace('_', " ")
}

/// The template whose data is in this field of a request.
pub(super) fn template(descriptor: FieldDescriptor, frame: &Frame<'_>) -> Result<Template, Broken> {
    let no_options = || Broken::Options(descriptor.full_name().to_owned());
    let option = |name: &str| -> Option<ExtensionDescriptor> {
        descriptor.parent_pool().get_extension_by_name(&format!("levqor.mail.v1.{name}"))
    };
    let kind = descriptor.kind();
    let message = kind.as_message().ok_or_else(no_options)?;
    let (template, kind) = option("template").zip(option("kind")).ok_or_else(no_options)?;
    let options = message.options().get_extension(&template).as_message().map(DynamicMessage::transcode_to);
    let options = options.and_then(Result::ok).and_then(whole).ok_or_else(no_options)?;
    let field = |field: FieldDescriptor| {
        let name = field.full_name().to_owned();
        Field::of(field, &kind).ok_or(Broken::Field(name))
    };
    let fields = message.fields().map(field).collect::<Result<_, _>>()?;
    let shown_sender = (frame.sender_of)(options.sender).to_string();
    Ok(Template { descriptor, options, shown_sender, fields })
}
