//! The templates. One source gives the HTML, the text and the subject of a message.
//!
//! A template is a proto message and a file in `templates/`. The options of the message describe the template and its fields. The
//! file composes the mail from parts such as `paragraph(…)` and `button(…)`. Two environments run the file. The HTML environment
//! has the parts and the layout of `templates/html/`, compiled from MJML, and escapes everything that it prints. The text
//! environment has those of `templates/text/`. Neither environment runs text that a person wrote: data is only printed.

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
    /// The field of the request that holds the data of the template.
    descriptor: FieldDescriptor,
    version: i32,
    class: &'static str,
    fields: Vec<Field>,
}

impl Template {
    /// The name of the template: stored in each message for good, and the name of the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.descriptor.name()
    }

    /// The version of the wording.
    #[must_use]
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The template whose data is in this field of a request.
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
    /// The descriptors cannot be read.
    #[error("decode the protos of mail")]
    Protos(#[from] prost_reflect::DescriptorError),
    /// The request has no field for a template.
    #[error("a request has no oneof `content`")]
    NoTemplates,
    /// The options of the template's message are incomplete.
    #[error("the message of {0} has no option `template` with a version, class, sender and category")]
    Options(String),
    /// The options of a field are incomplete.
    #[error("{0} has no option `kind`, or is not of the type that its kind takes")]
    Field(String),
    /// The template has no file.
    #[error("there is no templates/{0}.j2")]
    NoFile(String),
    /// The template has no message, so nobody can send it.
    #[error("templates/{0}.j2 is of no template of the protos")]
    NoMessage(String),
    /// The file does not compile.
    #[error("a template does not compile")]
    File(#[from] Error),
}

/// A template with the data of one message.
pub struct Content<'a> {
    /// The template.
    pub template: &'a Template,
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
    html: Environment<'static>,
    text: Environment<'static>,
}

impl Templates {
    /// Reads and compiles every template that a request can hold. A broken template fails here, at the start, and not in a
    /// customer's mail.
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

    /// The names of the templates.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(Template::name)
    }

    /// Reads the template and its data from a request, and reports all violations.
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

    /// Checks and formats the data of a template.
    fn content<'a>(
        template: &'a Template,
        data: &DynamicMessage,
        violations: &mut Violations,
    ) -> Option<Content<'a>> {
        let mut values = vec![Some(("class".to_owned(), Value::from(template.class)))];
        // The loop reads all fields before it fails, so that it reports all violations at once.
        for field in &template.fields {
            let value = field.read(data, template.name(), violations);
            values.push(value.map(|value| (field.name().to_owned(), value)));
        }
        let values = values.into_iter().collect::<Option<BTreeMap<_, _>>>()?;
        Some(Content { template, data: Value::from(values) })
    }

    /// Renders a message. A missing value that the template uses is an error.
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
    // In a debug build the text of an error would otherwise contain the data, and with it a person's name.
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

/// The filter for links. The default escaping turns each slash into `&#x2f;`, and mail filters take that for a hidden link. So
/// this filter escapes only the characters that have a meaning in an attribute. It accepts only http(s).
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

/// Removes the white space that templates leave: spaces at the ends of lines, and repeated empty lines.
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
