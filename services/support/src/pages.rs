//! The pages that mails link to: HTML without scripts, from the files of `pages/`. They show no address, because their links are all that
//! a visitor has to prove who they are.

use levqor_proto_base::google::api::HttpBody;
use levqor_runtime::{
    error::{Invalid, Violations},
    site::SiteUrl,
};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

use crate::{
    domain::{survey::Score, ticket::Number},
    error::Error,
};

const SOURCES: &[(&str, &str)] = &[
    ("layout", include_str!("../pages/layout.html")),
    ("status_confirm", include_str!("../pages/status_confirm.html")),
    ("status_confirmed", include_str!("../pages/status_confirmed.html")),
    ("status_unsubscribe", include_str!("../pages/status_unsubscribe.html")),
    ("status_unsubscribed", include_str!("../pages/status_unsubscribed.html")),
    ("survey", include_str!("../pages/survey.html")),
    ("survey_answered", include_str!("../pages/survey_answered.html")),
];

/// The pages, compiled.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    /// Compiles the pages. A broken page fails here, at the start.
    pub(crate) fn try_new(site: &SiteUrl) -> Result<Self, minijinja::Error> {
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

    /// The page with the question of a survey.
    pub(crate) fn survey(&self, ticket: Number) -> Result<HttpBody, Error> {
        let score = |score: Score| context! { number => score.number(), words => score.in_words() };
        let scores: Vec<_> = Score::ALL.into_iter().rev().map(score).collect();
        self.render("survey", context! { ticket_number => ticket.to_string(), scores })
    }

    /// The page after its answer.
    pub(crate) fn survey_answered(&self) -> Result<HttpBody, Error> {
        self.render("survey_answered", context! {})
    }

    /// The page with the button that confirms a status subscription.
    pub(crate) fn status_confirm(&self) -> Result<HttpBody, Error> {
        self.render("status_confirm", context! {})
    }

    /// The page after that button.
    pub(crate) fn status_confirmed(&self, unsubscribe_url: &str) -> Result<HttpBody, Error> {
        self.render("status_confirmed", context! { unsubscribe_url })
    }

    /// The page with the button that ends a status subscription.
    pub(crate) fn status_unsubscribe(&self) -> Result<HttpBody, Error> {
        self.render("status_unsubscribe", context! {})
    }

    /// The page after that button.
    pub(crate) fn status_unsubscribed(&self) -> Result<HttpBody, Error> {
        self.render("status_unsubscribed", context! {})
    }

    fn render(&self, name: &str, data: minijinja::Value) -> Result<HttpBody, Error> {
        let html = self.0.get_template(name).and_then(|page| page.render(data)).map_err(Error::Render)?;
        let content_type = "text/html; charset=utf-8".to_owned();
        Ok(HttpBody { content_type, data: html.into_bytes(), extensions: Vec::new() })
    }
}

/// The fields of a form that a browser sent.
pub(crate) fn fields(form: Option<&HttpBody>) -> Result<Vec<(String, String)>, Invalid> {
    let kind = form.map(|form| form.content_type.as_str()).unwrap_or_default();
    let data = form.map(|form| form.data.as_slice()).unwrap_or_default();
    let mut violations = Violations::new();
    // An empty form has no type.
    if !data.is_empty() && !kind.starts_with("application/x-www-form-urlencoded") {
        violations.add("form", "expected application/x-www-form-urlencoded");
    }
    let fields = form_urlencoded::parse(data).map(|(name, value)| (name.into_owned(), value.into_owned()));
    violations.finish(Some(fields.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_renders_without_scripts_and_posts_only_to_itself() {
        let pages = Pages::try_new(&"https://www.levqor.ai".parse().expect("a site")).expect("pages");
        let all = [
            pages.survey(Number(1001)),
            pages.survey_answered(),
            pages.status_confirm(),
            pages.status_confirmed("https://api.levqor.ai/status/unsubscribe/x"),
            pages.status_unsubscribe(),
            pages.status_unsubscribed(),
        ];
        for page in all {
            let html = String::from_utf8(page.expect("a page").data).expect("text");
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
            let lower = html.to_lowercase();
            for forbidden in ["<script", "onclick", "action="] {
                assert!(!lower.contains(forbidden), "{html}");
            }
        }
        let survey = String::from_utf8(pages.survey(Number(1001)).expect("a page").data).expect("text");
        assert!(survey.contains("LQ-1001") && survey.matches("type=\"radio\"").count() == 5, "{survey}");
    }
}
