//! The files of one language, compiled for HTML and for text.

use std::collections::BTreeSet;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, context, value::Value};

use super::{Broken, Content, Frame, MarketingLinks, Rendered, SOURCES, WORDS};
use crate::domain::locale::{self, EN_GB};

/// The mail address of support, as mails name it.
const SUPPORT: &str = "support@levqor.ai";
/// The mail address for questions of data protection, as mails name it.
const PRIVACY: &str = "privacy@levqor.ai";

/// The templates in one language.
pub(super) struct Wording {
    pub(super) language: &'static str,
    pub(super) html: Environment<'static>,
    pub(super) text: Environment<'static>,
}

/// The wordings of all languages of `Locale`. Each of them has every template.
pub(super) fn all(names: &BTreeSet<&str>, frame: &Frame<'_>) -> Result<Vec<Wording>, Broken> {
    let languages: BTreeSet<_> = locale::ALL.iter().map(|locale| locale.language).collect();
    let mut wordings = Vec::new();
    for language in languages {
        let files = SOURCES.iter().filter(|(of, ..)| *of == language).map(|(_, name, _)| *name);
        let files: BTreeSet<_> = files.filter(|name| *name != WORDS).collect();
        if let Some(name) = names.difference(&files).next() {
            let folder = if language == EN_GB.language { String::new() } else { format!("{language}/") };
            return Err(Broken::NoFile(folder + name));
        }
        if let Some(name) = files.difference(names).next() {
            return Err(Broken::NoMessage((*name).to_owned()));
        }
        wordings.push(Wording::try_new(language, frame)?);
    }
    Ok(wordings)
}

impl Wording {
    fn try_new(language: &'static str, frame: &Frame<'_>) -> Result<Self, Error> {
        let mut html = environment(AutoEscape::Html, language, frame)?;
        html.add_template("layout", include_str!(concat!(env!("OUT_DIR"), "/layout.html")))?;
        html.add_template("parts", include_str!(concat!(env!("OUT_DIR"), "/parts.html")))?;
        let mut text = environment(AutoEscape::None, language, frame)?;
        text.add_template("layout", include_str!("../../../templates/text/layout.j2"))?;
        text.add_template("parts", include_str!("../../../templates/text/parts.j2"))?;
        Ok(Self { language, html, text })
    }

    pub(super) fn render(
        &self,
        content: &Content<'_>,
        links: Option<&MarketingLinks>,
    ) -> Result<Rendered, Error> {
        let class = content.template.class_name();
        let sender = &content.template.shown_sender;
        let mut data = context! { class, sender, ..content.data.clone() };
        // Without links, the layout of an advertising mail needs a value that is missing: an error.
        if let Some(MarketingLinks { preferences, unsubscribe }) = links {
            let (preferences_url, unsubscribe_url) = (preferences.as_str(), unsubscribe.as_str());
            data = context! { preferences_url, unsubscribe_url, ..data };
        }
        let name = content.template.name();
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

fn environment(
    escape: AutoEscape,
    language: &'static str,
    frame: &Frame<'_>,
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    // In a debug build the text of an error would otherwise contain the data, and with it a person's name.
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.add_filter("url", url);
    environment.add_global("site_url", frame.site.to_string());
    environment.add_global("company_address", frame.company_address.as_str().to_owned());
    environment.add_global("support", SUPPORT);
    environment.add_global("privacy", PRIVACY);
    for (_, name, source) in SOURCES.iter().filter(|(of, ..)| *of == language) {
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
