//! The templates. One source gives the HTML, the text and the subject of a message.
//!
//! A template is a proto message and a file in `templates/`. The options of the message describe the template and its fields. The
//! file composes the mail from parts such as `paragraph(…)` and `button(…)`. Two environments run the file (`wording.rs`). The
//! HTML environment has the parts and the layout of `templates/html/`, compiled from MJML, and escapes everything that it prints.
//! The text environment has those of `templates/text/`. Neither environment runs text that a person wrote: data is only printed.

mod options;
mod sample;
mod wording;

use std::collections::BTreeSet;

use levqor_proto_mail::{
    FILE_DESCRIPTOR_SET,
    v1::{Category, Class, SendMessageRequest, Sender as SenderKind},
};
use levqor_runtime::{error::Violations, site::SiteUrl};
use minijinja::{Error, value::Value};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, OneofDescriptor};

use self::wording::Wording;
use super::{
    field::{self, Field},
    link::Link,
    locale::{EN_GB, Locale},
    sender::Sender,
    text::Line,
};

/// The files of `templates/`: language, name, source.
const SOURCES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The file of a language that holds the sentences of many mails. It is not a template.
const WORDS: &str = "words";

/// One template.
pub struct Template {
    /// The field of the request that holds the data of the template.
    descriptor: FieldDescriptor,
    options: options::Options,
    /// The sender as the mail shows it: `Levqor <orders@levqor.ai>`.
    shown_sender: String,
    fields: Vec<Field>,
}

impl Template {
    /// The name of the template: stored in each message for good, and the name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The number of the template's field in the request.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.descriptor.number()
    }

    /// The version of the wording.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.options.version
    }

    /// Why the mail may be sent.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.options.class
    }

    /// The sender of the mail.
    #[must_use]
    pub const fn sender(&self) -> SenderKind {
        self.options.sender
    }

    /// The reference of the mail.
    #[must_use]
    pub const fn category(&self) -> Category {
        self.options.category
    }

    /// The class in words: `transactional`.
    #[must_use]
    pub fn class_name(&self) -> String {
        options::in_words(self.class().as_str_name(), Class::Unspecified.as_str_name())
    }

    /// The sender in words: `orders`.
    #[must_use]
    pub fn sender_name(&self) -> String {
        options::in_words(self.sender().as_str_name(), SenderKind::Unspecified.as_str_name())
    }

    /// The category in words: `offers promotions`.
    #[must_use]
    pub fn category_name(&self) -> String {
        options::in_words(self.category().as_str_name(), Category::Unspecified.as_str_name())
    }

    /// Which service sends the mail, and when.
    #[must_use]
    pub fn occasion(&self) -> &str {
        &self.options.occasion
    }
}

/// Why the templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The descriptors cannot be read.
    #[error("decode the protos of mail")]
    Protos(#[from] prost_reflect::DescriptorError),
    /// The request has no field for a template.
    #[error("a request has no oneof `content`")]
    NoTemplates,
    /// The options of the template's message are incomplete.
    #[error(
        "the message of {0} has no option `template` with a version, class, sender, category and occasion, or its category \
         does not belong to its class"
    )]
    Options(String),
    /// The options of a field are incomplete.
    #[error("{0} has no option `kind`, or is not of the type that its kind takes")]
    Field(String),
    /// The template has no file in a language.
    #[error("there is no templates/{0}.j2")]
    NoFile(String),
    /// The file belongs to no template, so it cannot be sent.
    #[error("templates/{0}.j2 belongs to no template of the protos")]
    NoMessage(String),
    /// The file does not compile.
    #[error("a template does not compile")]
    File(#[from] Error),
}

/// What every mail shows.
pub struct Frame<'a> {
    /// The website.
    pub site: SiteUrl,
    /// The sender of each kind of mail.
    pub sender_of: &'a dyn Fn(SenderKind) -> Sender,
    /// The company's name and postal address, on one line.
    pub company_address: Line,
}

/// The links of an advertising mail. Each recipient has their own.
pub struct MarketingLinks {
    /// The recipient's preference centre.
    pub preferences: Link,
    /// The page that unsubscribes the recipient.
    pub unsubscribe: Link,
}

/// A template with the data of one message.
pub struct Content<'a> {
    /// The template.
    pub template: &'a Template,
    locale: &'static Locale,
    data: Value,
}

/// A rendered message. It is personal, so it has no `Debug`.
pub struct Rendered {
    /// The subject, on one line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Every template, compiled.
pub struct Templates {
    /// The oneof of the request whose fields are the templates.
    content: OneofDescriptor,
    all: Vec<Template>,
    /// One for each language of `Locale`.
    wordings: Vec<Wording>,
}

impl Templates {
    /// Reads and compiles every template that a request can hold, in each language. A broken template fails here, at the start,
    /// and not in a customer's mail.
    pub fn try_new(frame: &Frame<'_>) -> Result<Self, Broken> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        let request = pool.get_message_by_name(&SendMessageRequest::full_name());
        let content = request.and_then(|request| request.oneofs().find(|oneof| oneof.name() == "content"));
        let content = content.ok_or(Broken::NoTemplates)?;
        let of = |field| options::template(field, frame);
        let all = content.fields().map(of).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<_> = all.iter().map(Template::name).collect();
        let wordings = wording::all(&names, frame)?;
        Ok(Self { content, all, wordings })
    }

    /// The templates, in the order of the proto.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.all.iter()
    }

    /// The names of the templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(Template::name)
    }

    /// Reads the template and its data from a request, and reports all violations.
    pub fn read(&self, request: &SendMessageRequest, violations: &mut Violations) -> Option<Content<'_>> {
        let locale = Locale::of(&request.locale);
        let request = request.encode_to_vec();
        let request =
            DynamicMessage::decode(self.content.parent_message().clone(), request.as_slice()).ok()?;
        let Some(template) = self.all.iter().find(|template| request.has_field(&template.descriptor)) else {
            violations.add(self.content.name(), "expected one of the templates with its data");
            return None;
        };
        let data = request.get_field(&template.descriptor);
        Self::content(template, data.as_message()?, locale, violations)
    }

    /// Checks and formats the data of a template.
    fn content<'a>(
        template: &'a Template,
        data: &DynamicMessage,
        locale: &'static Locale,
        violations: &mut Violations,
    ) -> Option<Content<'a>> {
        let values = field::values(&template.fields, data, template.name(), locale, violations)?;
        Some(Content { template, locale, data: Value::from(values) })
    }

    /// Renders a message. A missing value that the template uses is an error, and so is an advertising mail without `links`.
    pub fn render(&self, content: &Content<'_>, links: Option<&MarketingLinks>) -> Result<Rendered, Error> {
        self.wording(content.locale).render(content, links)
    }

    /// The wording of a locale's language.
    fn wording(&self, locale: &Locale) -> &Wording {
        let of = |language| self.wordings.iter().find(|wording| wording.language == language);
        // There is a wording of each language of `Locale`; `wordings[0]` is British English.
        of(locale.language).or_else(|| of(EN_GB.language)).unwrap_or(&self.wordings[0])
    }
}

#[cfg(test)]
mod tests;
