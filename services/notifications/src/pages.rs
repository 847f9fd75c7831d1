//! The pages of the recipients: HTML without scripts, from the files of `pages/`. They show no address, because their links are all
//! that a visitor has to prove who they are.

use levqor_proto_base::google::api::HttpBody;
use levqor_runtime::site::SiteUrl;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};

use crate::domain::newsletter::Topic;

const SOURCES: &[(&str, &str)] = &[
    ("layout", include_str!("../pages/layout.html")),
    ("confirm", include_str!("../pages/confirm.html")),
    ("confirmed", include_str!("../pages/confirmed.html")),
    ("unsubscribe", include_str!("../pages/unsubscribe.html")),
    ("unsubscribed", include_str!("../pages/unsubscribed.html")),
    ("preferences", include_str!("../pages/preferences.html")),
];

/// The text beside the boxes of the preference centre. It is stored with each change, as evidence of the recipient's agreement.
pub(crate) const PREFERENCES_TEXT: &str = "Choose which mails you want from us. We send only what you switch on here, and you can change it at any time.";
/// The text beside the button that confirms.
pub(crate) const CONFIRM_TEXT: &str = "Press the button to get mails from us about these topics. You can change or end it at any time: each of these mails has a link for it.";
/// The text beside the button that unsubscribes.
pub(crate) const UNSUBSCRIBE_TEXT: &str = "Press the button, and you get no more advertising from us. Mails about your orders and payments still come.";

/// The pages, compiled.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    /// Compiles the pages. A broken page fails here, at the start.
    pub(crate) fn try_new(site: &SiteUrl) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_debug(false);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_global("site_url", site.to_string());
        for &(name, source) in SOURCES {
            environment.add_template(name, source)?;
        }
        Ok(Self(environment))
    }

    /// The page with the button that confirms a subscription to these topics.
    pub(crate) fn confirm(&self, topics: &[Topic]) -> Result<HttpBody, Error> {
        let topics: Vec<_> = topics.iter().map(|topic| topic.title()).collect();
        self.render("confirm", context! { topics, text => CONFIRM_TEXT })
    }

    /// The page after that button.
    pub(crate) fn confirmed(&self, topics: &[Topic], preferences_url: &str) -> Result<HttpBody, Error> {
        let topics: Vec<_> = topics.iter().map(|topic| topic.title()).collect();
        self.render("confirmed", context! { topics, preferences_url })
    }

    /// The page with the button that unsubscribes.
    pub(crate) fn unsubscribe(&self, preferences_url: &str) -> Result<HttpBody, Error> {
        self.render("unsubscribe", context! { preferences_url, text => UNSUBSCRIBE_TEXT })
    }

    /// The page after that button.
    pub(crate) fn unsubscribed(&self, preferences_url: &str) -> Result<HttpBody, Error> {
        self.render("unsubscribed", context! { preferences_url })
    }

    /// The preference centre, with the boxes of these topics ticked. `saved`: the boxes were just saved.
    pub(crate) fn preferences(&self, granted: &[Topic], saved: bool) -> Result<HttpBody, Error> {
        let topics: Vec<_> = Topic::ALL
            .iter()
            .map(|topic| {
                context! {
                    name => topic.as_str(),
                    title => topic.title(),
                    description => topic.description(),
                    on => granted.contains(topic),
                }
            })
            .collect();
        self.render("preferences", context! { topics, saved, text => PREFERENCES_TEXT })
    }

    fn render(&self, name: &str, data: minijinja::Value) -> Result<HttpBody, Error> {
        let html = self.0.get_template(name)?.render(data)?;
        let content_type = "text/html; charset=utf-8".to_owned();
        Ok(HttpBody { content_type, data: html.into_bytes(), extensions: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_renders_without_scripts_and_posts_only_to_itself() {
        let pages = Pages::try_new(&"https://www.levqor.ai".parse().expect("a site")).expect("pages");
        let url = "https://api.levqor.ai/preferences/x";
        let all = [
            pages.confirm(&Topic::ALL),
            pages.confirmed(&Topic::ALL, url),
            pages.unsubscribe(url),
            pages.unsubscribed(url),
            pages.preferences(&[Topic::EventsWebinars], true),
        ];
        for page in all {
            let html = String::from_utf8(page.expect("a page").data).expect("text");
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
            let lower = html.to_lowercase();
            assert!(
                !lower.contains("<script") && !lower.contains("onclick") && !lower.contains("action="),
                "{html}"
            );
        }
        let html = pages.preferences(&[Topic::EventsWebinars], false).expect("a page").data;
        let html = String::from_utf8(html).expect("text");
        assert_eq!(html.matches("checked").count(), 1, "{html}");
        assert!(html.contains(r#"value="EVENTS_WEBINARS" checked"#), "{html}");
    }
}
