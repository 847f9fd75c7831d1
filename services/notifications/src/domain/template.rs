//! The templates: HTML, text and subject of a message from one source each.
//!
//! A template is a message of the protos, whose options say what it is and what its fields hold, and a file in
//! `templates/` that says what stands in the mail, in parts such as `paragraph(…)` and `button(…)`. Two environments run
//! the file: one has the parts and the layout of `templates/html/`, compiled from MJML, and escapes whatever is printed;
//! the other has those of `templates/text/`. Data is only ever data: neither runs what a person wrote.

use std::collections::{BTreeMap, BTreeSet};

use levqor_proto_mail::{
    FILE_DESCRIPTOR_SET,
    v1::{self as options, Category, Class, SendMessageRequest},
};
use levqor_runtime::error::Violations;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, value::Value};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, OneofDescriptor};

use super::{field::Field, sender::Sender, site::SiteUrl};

/// The files of `templates/`, by name.
const SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// One template.
pub struct Template {
    /// The field of the request that holds its data.
    descriptor: FieldDescriptor,
    version: i32,
    class: &'static str,
    fields: Vec<Field>,
}

impl Template {
    /// Its name: in messages for good, and its file's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// Which wording.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The template whose data this field of a request holds.
    fn try_new(descriptor: FieldDescriptor) -> Result<Self, Broken> {
        let no_options = || Broken::Options(descriptor.full_name().to_owned());
        let option = |name: &str| -> Option<ExtensionDescriptor> {
            descriptor.parent_pool().get_extension_by_name(&format!("levqor.mail.v1.{name}"))
        };
        let kind = descriptor.kind();
        let message = kind.as_message().ok_or_else(no_options)?;
        let (template, kind) = option("template").zip(option("kind")).ok_or_else(no_options)?;
        let options =
            message.options().get_extension(&template).as_message().map(DynamicMessage::transcode_to);
        let options: options::Template = options.and_then(Result::ok).ok_or_else(no_options)?;
        let class = match options.class() {
            Class::Unspecified => return Err(no_options()),
            Class::Transactional => "transactional",
            Class::Marketing => "marketing",
            Class::Operator => "operator",
        };
        let is_whole = options.version > 0
            && options.sender() == options::Sender::Orders
            && options.category() != Category::Unspecified;
        if !is_whole {
            return Err(no_options());
        }
        let field = |field: FieldDescriptor| {
            let name = field.full_name().to_owned();
            Field::of(field, &kind).ok_or(Broken::Field(name))
        };
        let fields = message.fields().map(field).collect::<Result<_, _>>()?;
        Ok(Self { version: options.version, class, fields, descriptor })
    }
}

/// Why the templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The protos are wrong.
    #[error("decode the protos of mail")]
    Protos(#[from] prost_reflect::DescriptorError),
    /// A request holds no template.
    #[error("a request has no oneof `content`")]
    NoTemplates,
    /// Its message says too little.
    #[error("the message of {0} has no option `template` with a version, class, sender and category")]
    Options(String),
    /// A field says too little.
    #[error("{0} has no option `kind`, or is not of the type that its kind takes")]
    Field(String),
    /// It says nothing.
    #[error("there is no templates/{0}.j2")]
    NoFile(String),
    /// Nobody can send it.
    #[error("templates/{0}.j2 is of no template of the protos")]
    NoMessage(String),
    /// Its file is wrong.
    #[error("a template does not compile")]
    File(#[from] Error),
}

/// A template with its data.
pub struct Content<'a> {
    /// The template.
    pub template: &'a Template,
    data: Value,
}

/// A message as its recipient sees it. Personal, so it has no `Debug`.
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// Every template, compiled.
pub struct Templates {
    /// A request's oneof, whose fields are the templates.
    content: OneofDescriptor,
    all: Vec<Template>,
    html: Environment<'static>,
    text: Environment<'static>,
}

impl Templates {
    /// Reads and compiles every template that a request can hold; a broken one is an error here, not in a customer's mail.
    pub fn try_new(site: &SiteUrl, sender: &Sender) -> Result<Self, Broken> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        let request = pool.get_message_by_name(&SendMessageRequest::full_name());
        let content = request.and_then(|request| request.oneofs().find(|oneof| oneof.name() == "content"));
        let content = content.ok_or(Broken::NoTemplates)?;
        let all = content.fields().map(Template::try_new).collect::<Result<Vec<_>, _>>()?;
        let names: BTreeSet<_> = all.iter().map(Template::name).collect();
        let files: BTreeSet<_> = SOURCES.iter().map(|(name, _)| *name).collect();
        if let Some(name) = names.difference(&files).next() {
            return Err(Broken::NoFile((*name).to_owned()));
        }
        if let Some(name) = files.difference(&names).next() {
            return Err(Broken::NoMessage((*name).to_owned()));
        }
        let mut html = environment(AutoEscape::Html, site, sender)?;
        html.add_template("layout", include_str!(concat!(env!("OUT_DIR"), "/layout.html")))?;
        html.add_template("parts", include_str!(concat!(env!("OUT_DIR"), "/parts.html")))?;
        let mut text = environment(AutoEscape::None, site, sender)?;
        text.add_template("layout", include_str!("../../templates/text/layout.j2"))?;
        text.add_template("parts", include_str!("../../templates/text/parts.j2"))?;
        Ok(Self { content, all, html, text })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(Template::name)
    }

    /// Reads which template a request is for and checks its data, or notes all that is wrong with it.
    pub fn read(&self, request: &SendMessageRequest, violations: &mut Violations) -> Option<Content<'_>> {
        let request = request.encode_to_vec();
        let request =
            DynamicMessage::decode(self.content.parent_message().clone(), request.as_slice()).ok()?;
        let Some(template) = self.all.iter().find(|template| request.has_field(&template.descriptor)) else {
            violations.add(self.content.name(), "expected one of the templates with its data");
            return None;
        };
        let data = request.get_field(&template.descriptor);
        Self::content(template, data.as_message()?, violations)
    }

    /// A template's data, checked and formatted.
    fn content<'a>(
        template: &'a Template,
        data: &DynamicMessage,
        violations: &mut Violations,
    ) -> Option<Content<'a>> {
        let mut values = vec![Some(("class".to_owned(), Value::from(template.class)))];
        // Every field is read before any is found wanting, so that all violations are named at once.
        for field in &template.fields {
            let value = field.read(data, template.name(), violations);
            values.push(value.map(|value| (field.name().to_owned(), value)));
        }
        let values = values.into_iter().collect::<Option<BTreeMap<_, _>>>()?;
        Some(Content { template, data: Value::from(values) })
    }

    /// Renders a message. Data that a template asks for and does not get is an error.
    pub fn render(&self, content: &Content<'_>) -> Result<Rendered, Error> {
        let name = content.template.name();
        let html = self.html.get_template(name)?.render(content.data.clone())?;
        let mut text = self.text.get_template(name)?.render_captured(content.data.clone())?;
        let subject = text.with_state_mut(|state| state.render_block("subject"))?;
        Ok(Rendered {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            text: without_gaps(text.output()),
            html: without_gaps(&html),
        })
    }
}

fn environment(escape: AutoEscape, site: &SiteUrl, sender: &Sender) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    // Otherwise a debug build puts the data, a person's name among it, into the text of an error.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.add_filter("url", url);
    environment.add_global("site_url", site.to_string());
    environment.add_global("sender", sender.to_string());
    for (name, source) in SOURCES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// The filter of links. The usual escaping turns each slash of an address into `&#x2f;`, which readers of mail take for
/// a hidden link. So this one escapes what has a meaning in an attribute, and takes nothing but http(s).
fn url(state: &State, link: &str) -> Result<Value, Error> {
    if !link.starts_with("https://") && !link.starts_with("http://") {
        return Err(Error::new(ErrorKind::InvalidOperation, "a link in a mail is http or https"));
    }
    Ok(match state.auto_escape() {
        AutoEscape::Html => Value::from_safe_string(
            link.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        ),
        _ => Value::from(link),
    })
}

/// The text without the white space that templates leave: no spaces at the ends of lines, never two empty lines.
fn without_gaps(text: &str) -> String {
    let mut tidy = String::with_capacity(text.len());
    let mut gap = false;
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            gap = true;
            continue;
        }
        if gap && !tidy.is_empty() {
            tidy.push('\n');
        }
        gap = false;
        tidy.push_str(line);
        tidy.push('\n');
    }
    tidy
}

#[cfg(test)]
mod tests;
