//! The templates: HTML, text and subject of a message from one source each.
//!
//! A template in `templates/` says what stands in the mail, in parts such as `paragraph(…)` and `button(…)`. Two
//! environments run it: one has the parts and the layout of `templates/html/` and escapes whatever is printed, the
//! other has those of `templates/text/`. Data is only ever data: neither runs what a person wrote.

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior,
    value::{Serde, Value},
};

use super::{content::Content, sender::Sender, site::SiteUrl};

/// One template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// Welcome after a paid "done for you" order.
    OrderWelcome,
    /// The request to fill in the intake form of a paid order.
    OrderIntakeRequest,
}

impl Template {
    /// Every template.
    pub const ALL: [Self; 2] = [Self::OrderWelcome, Self::OrderIntakeRequest];

    /// Its name: in messages for good, and its file's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderWelcome => "order_welcome",
            Self::OrderIntakeRequest => "order_intake_request",
        }
    }

    /// Which wording. Count it up with every change, so that a message tells which one it was.
    #[must_use]
    pub const fn version(self) -> i32 {
        match self {
            Self::OrderWelcome => 2,
            Self::OrderIntakeRequest => 1,
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::OrderWelcome => include_str!("../../templates/order_welcome.j2"),
            Self::OrderIntakeRequest => include_str!("../../templates/order_intake_request.j2"),
        }
    }
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
    html: Environment<'static>,
    text: Environment<'static>,
}

impl Templates {
    /// Compiles every template; a broken one is an error here, not in a customer's mail.
    pub fn try_new(site: &SiteUrl, sender: &Sender) -> Result<Self, Error> {
        let mut html = environment(AutoEscape::Html, site, sender)?;
        html.add_template("layout", include_str!("../../templates/html/layout.j2"))?;
        html.add_template("parts", include_str!("../../templates/html/parts.j2"))?;
        let mut text = environment(AutoEscape::None, site, sender)?;
        text.add_template("layout", include_str!("../../templates/text/layout.j2"))?;
        text.add_template("parts", include_str!("../../templates/text/parts.j2"))?;
        Ok(Self { html, text })
    }

    /// Renders a message. Data that a template asks for and does not get is an error.
    pub fn render(&self, content: &Content) -> Result<Rendered, Error> {
        let name = content.template().name();
        let data = Value::from(Serde(content));
        let html = self.html.get_template(name)?.render(data.clone())?;
        let mut text = self.text.get_template(name)?.render_captured(data)?;
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
    for template in Template::ALL {
        environment.add_template(template.name(), template.source())?;
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
