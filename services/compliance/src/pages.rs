//! The privacy pages, and the record of processing activities for people: HTML without scripts, from the files of `pages/`.

mod mistake;
mod record;

use chrono::{DateTime, TimeDelta};
use chrono_tz::Europe::London;
use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{DataRequest, GetProcessingRecordResponse, Right};
use levqor_runtime::{error::Invalid, wire_enum::WireEnum};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};

pub(crate) use self::mistake::Mistake;
use crate::{
    bodies,
    config::Config,
    domain::{asked::Declared, consent::Purpose, export::LinkToken, objection::Objected},
    error::Error,
    forms::Entered,
};

/// The version of the forms for objections and withdrawals. The ledger keeps it with the hash of the form: raise it after a change of what
/// a form says.
const FORMS: &str = "privacy-page:1";

const SOURCES: &[(&str, &str)] = &[
    ("layout", include_str!("../pages/layout.html")),
    ("privacy", include_str!("../pages/privacy.html")),
    ("objecting", include_str!("../pages/objecting.html")),
    ("withdrawing", include_str!("../pages/withdrawing.html")),
    ("code", include_str!("../pages/code.html")),
    ("confirmed", include_str!("../pages/confirmed.html")),
    ("copy", include_str!("../pages/copy.html")),
    ("download", include_str!("../pages/download.html")),
    ("record", include_str!("../pages/record.html")),
];

/// The pages, compiled.
pub(crate) struct Pages(Environment<'static>);

impl Pages {
    /// Compiles the pages. A broken page fails here, at the start.
    pub(crate) fn try_new(config: &Config) -> Result<Self, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_debug(false);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_global("site_url", config.site.to_string());
        environment.add_global("contact", config.privacy_email.as_str().to_owned());
        environment.add_global("company", config.company.clone());
        for &(name, source) in SOURCES {
            environment.add_template(name, source)?;
        }
        Ok(Self(environment))
    }

    /// The privacy page.
    pub(crate) fn privacy(&self) -> Result<HttpBody, Error> {
        let entered = Entered { right: Right::Access.as_str_name().to_owned(), ..Entered::default() };
        self.render("privacy", context! { entered => &entered, wrong => Vec::<String>::new() }, None)
    }

    /// The privacy page after a form with a mistake, with the visitor's input.
    pub(crate) fn privacy_again(&self, entered: &Entered, invalid: &Invalid) -> Result<HttpBody, Error> {
        let wrong: Vec<_> = invalid.0.iter().map(|violation| violation.field.clone()).collect();
        let data = context! { entered, wrong => &wrong };
        self.render("privacy", data, Some(Mistake::Fields(wrong)))
    }

    /// The version and the text of the form for an objection or a withdrawal, before anything is entered. Empty for any other right.
    pub(crate) fn shown(&self, right: Right) -> Result<(String, String), Error> {
        let name = match right {
            Right::Objection => "objecting",
            Right::ConsentWithdrawal => "withdrawing",
            Right::Unspecified
            | Right::Access
            | Right::Portability
            | Right::Erasure
            | Right::Rectification
            | Right::Restriction => return Ok(<(String, String)>::default()),
        };
        let data = context! { entered => &Entered::default(), wrong => Vec::<String>::new(), mistake => "" };
        let template = self.0.get_template(name).map_err(Error::Render)?;
        Ok((FORMS.to_owned(), template.render(data).map_err(Error::Render)?))
    }

    /// The form for the code of a request.
    pub(crate) fn code(&self, data_request_id: &str, mistake: Option<Mistake>) -> Result<HttpBody, Error> {
        self.render("code", context! { data_request_id }, mistake)
    }

    /// The page after that form.
    pub(crate) fn confirmed(&self, request: &DataRequest) -> Result<HttpBody, Error> {
        let due = request.due_time.and_then(|time| DateTime::from_timestamp(time.seconds, 0));
        // It is due by the end of a day in London, which is the first moment of the next one.
        let last = due.map(|time| time - TimeDelta::seconds(1));
        let due = last.map(|time| time.with_timezone(&London).format("%-d %B %Y").to_string());
        let purpose = |number: &i32| Purpose::from_wire(*number).ok().flatten();
        let declared = Declared {
            objected: Objected::from_wire(request.objection_scope).ok().flatten(),
            ends: request.objection_ends,
            withdrawn: request.withdrawn.iter().filter_map(purpose).collect(),
            ..Declared::default()
        };
        let data = context! {
            data_request_id => &request.data_request_id,
            right => request.right().as_str_name(),
            due => due.unwrap_or_default(),
            changes => declared.changes(),
        };
        self.render("confirmed", data, None)
    }

    /// The page of a copy, with the button that sends a code.
    pub(crate) fn copy(&self, token: &LinkToken) -> Result<HttpBody, Error> {
        self.render("copy", context! { link_token => token.as_str() }, None)
    }

    /// The form for the code of a copy.
    pub(crate) fn download(&self, token: &LinkToken, mistake: Option<Mistake>) -> Result<HttpBody, Error> {
        self.render("download", context! { link_token => token.as_str() }, mistake)
    }

    /// The record of processing activities.
    pub(crate) fn record(&self, record: &GetProcessingRecordResponse) -> Result<HttpBody, Error> {
        let made = record.make_time.and_then(|time| DateTime::from_timestamp(time.seconds, 0));
        let made = made.map(|time| time.with_timezone(&London).format("%-d %B %Y").to_string());
        let data = context! {
            made => made.unwrap_or_default(),
            controller => &record.controller,
            unanswered => record.unanswered.iter().collect::<minijinja::Value>(),
            activities => record.activities.iter().map(record::activity).collect::<minijinja::Value>(),
            recipients => record.recipients.iter().map(record::recipient).collect::<minijinja::Value>(),
            security_measures => record.security_measures.iter().collect::<minijinja::Value>(),
        };
        self.render("record", data, None)
    }

    fn render(
        &self,
        name: &str,
        data: minijinja::Value,
        mistake: Option<Mistake>,
    ) -> Result<HttpBody, Error> {
        let text = mistake.as_ref().map(Mistake::text).unwrap_or_default();
        let data = context! { mistake => text, ..data };
        let template = self.0.get_template(name).map_err(Error::Render)?;
        let html = template.render(data).map_err(Error::Render)?;
        let extensions = mistake.map(|mistake| bodies::refusal(mistake.status())).into_iter().collect();
        Ok(HttpBody {
            content_type: "text/html; charset=utf-8".to_owned(),
            data: html.into_bytes(),
            extensions,
        })
    }
}

#[cfg(test)]
mod tests {
    use levqor_proto_compliance::v1::{
        ObjectionScope, ProcessedColumn, ProcessedTable, ProcessingActivity, Recipient, recipient::State,
    };
    use levqor_runtime::config::{Env, Reader};

    use super::*;

    fn pages() -> Pages {
        let env = Env::from_pairs([("LEVQOR_COMPANY_ADDRESS", "Levqor, 1 Main Street, London")]);
        Pages::try_new(&Config::read(&mut Reader::new(&env)).expect("a configuration")).expect("pages")
    }

    fn html(page: Result<HttpBody, Error>) -> String {
        String::from_utf8(page.expect("a page").data).expect("text")
    }

    fn request(right: Right) -> DataRequest {
        DataRequest { data_request_id: "0190".to_owned(), right: right.into(), ..DataRequest::default() }
    }

    fn objection() -> DataRequest {
        let objection_scope = ObjectionScope::Marketing.into();
        DataRequest { objection_scope, ..request(Right::Objection) }
    }

    fn entered(right: &str) -> Entered {
        Entered { right: right.to_owned(), ..Entered::default() }
    }

    fn again(entered: &Entered, field: &str) -> Result<HttpBody, Error> {
        pages().privacy_again(entered, &Invalid::of(field, "expected something else"))
    }

    fn recipient(name: &str, state: State, categories: &[&str]) -> Recipient {
        Recipient {
            name: name.to_owned(),
            state: state.into(),
            categories: categories.iter().map(|&it| it.to_owned()).collect(),
            services: vec!["billing".to_owned()],
            setting: "SETTING".to_owned(),
            ..Recipient::default()
        }
    }

    fn record() -> GetProcessingRecordResponse {
        let column = |keep: &str| ProcessedColumn {
            column: "email".to_owned(),
            category: "EMAIL".to_owned(),
            keep: keep.to_owned(),
            is_kept: false,
        };
        let table = ProcessedTable {
            table: "orders".to_owned(),
            description: "Orders <b>.".to_owned(),
            erasure: "PSEUDONYMISE".to_owned(),
            ground: "accounts are kept".to_owned(),
            columns: vec![column("7y"), column("90d"), column("1y"), column("transit")],
            has_files: true,
        };
        let activity = ProcessingActivity {
            service: "billing".to_owned(),
            tables: vec![table],
            ..ProcessingActivity::default()
        };
        GetProcessingRecordResponse {
            controller: "Levqor".to_owned(),
            activities: vec![activity],
            recipients: vec![
                recipient("Stripe", State::Active, &["EMAIL", "NAME"]),
                recipient("Slack", State::Off, &[]),
            ],
            unanswered: vec!["support".to_owned()],
            ..GetProcessingRecordResponse::default()
        }
    }

    #[test]
    fn the_record_shows_periods_in_words_and_who_gave_no_answer() {
        let html = html(pages().record(&record()));
        for shown in
            ["7 years", "90 days", "1 year<", "transit", "Orders &lt;b&gt;.", "and recipients: support."]
        {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert!(html.contains("@media print") && html.contains("display: table-header-group"));
        for shown in
            ["Stripe</td><td>active: SETTING<", "Slack</td><td>off: SETTING<", ">EMAIL, NAME<", ">none<"]
        {
            assert!(html.contains(shown), "{shown}: {html}");
        }
    }

    #[test]
    fn every_page_renders_without_scripts_and_posts_only_to_the_privacy_pages() {
        let (pages, token) = (pages(), LinkToken::random());
        let all = [
            pages.privacy(),
            again(&Entered::default(), "right"),
            again(&entered("RIGHT_OBJECTION"), "objection_scope"),
            again(&entered("RIGHT_CONSENT_WITHDRAWAL"), "withdrawn"),
            pages.code("0190", None),
            pages.code("0190", Some(Mistake::CodeRefused)),
            pages.confirmed(&request(Right::Access)),
            pages.confirmed(&request(Right::Erasure)),
            pages.confirmed(&request(Right::Restriction)),
            pages.confirmed(&objection()),
            pages.copy(&token),
            pages.download(&token, None),
            pages.download(&token, Some(Mistake::NotACode)),
            pages.record(&record()),
        ];
        for page in all {
            let html = html(page);
            assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
            assert_eq!((html.matches("<h1>").count(), html.matches("<main>").count()), (1, 1), "{html}");
            let lower = html.to_lowercase();
            for banned in ["<script", " onclick", " style=", "javascript:"] {
                assert!(!lower.contains(banned), "{banned}: {html}");
            }
            for action in lower.split("action=\"").skip(1) {
                assert!(action.starts_with("/privacy"), "{html}");
            }
            // Each field that a person fills in has its label.
            for id in lower.split("<input type=\"text\" id=\"").skip(1) {
                let id = id.split('"').next().unwrap_or_default();
                assert!(lower.contains(&format!("<label for=\"{id}\">")), "{html}");
            }
        }
    }

    #[test]
    fn a_form_with_a_mistake_keeps_its_input_as_text() {
        let entered = Entered { email: "\"><b>ada".to_owned(), ..entered("RIGHT_ERASURE") };
        let page = again(&entered, "email").expect("a page");
        assert_eq!(page.extensions, [bodies::refusal(400)]);
        let html = String::from_utf8(page.data).expect("text");
        assert!(
            html.contains("Levqor, 1 Main Street, London") && html.contains("mailto:privacy@levqor.ai"),
            "{html}"
        );
        assert!(html.contains("role=\"alert\"") && html.contains("<title>Error: "), "{html}");
        assert!(!html.contains("<b>ada") && html.contains("ada"), "{html}");
        assert!(html.contains("value=\"RIGHT_ERASURE\" checked"), "{html}");
        assert_eq!(html.matches(" checked").count(), 1, "{html}");
    }

    #[test]
    fn each_form_has_its_own_mistake_and_nothing_is_ticked_in_advance() {
        let first = html(pages().privacy());
        assert_eq!(first.matches(" checked").count(), 1, "only what kind of request: {first}");
        assert_eq!(first.matches("<form method=\"post\" action=\"/privacy\">").count(), 3, "{first}");
        for (right, field, id, words) in [
            ("RIGHT_OBJECTION", "objection_scope", "objection-email", "choose what you object to"),
            ("RIGHT_CONSENT_WITHDRAWAL", "withdrawn", "withdrawal-email", "choose the mails"),
        ] {
            let shown = html(again(&Entered { email: "ada".to_owned(), ..entered(right) }, field));
            assert_eq!(shown.matches("role=\"alert\"").count(), 1, "{shown}");
            assert!(shown.contains(words) && !shown.contains(" checked"), "{shown}");
            let of_form = shown.split(&format!("id=\"{id}\"")).nth(1).expect("its form");
            assert!(of_form.starts_with(" name=\"email\" value=\"ada\""), "{of_form}");
        }
        let both = Invalid(vec![
            levqor_runtime::error::Violation { field: "email".to_owned(), description: String::new() },
            levqor_runtime::error::Violation { field: "withdrawn".to_owned(), description: String::new() },
        ]);
        let shown = html(pages().privacy_again(&entered("RIGHT_CONSENT_WITHDRAWAL"), &both));
        assert!(shown.contains("such as ada@example.com. Please choose the mails"), "{shown}");
    }

    #[test]
    fn the_shown_form_has_a_version_which_does_not_depend_on_the_input() {
        for right in [Right::Objection, Right::ConsentWithdrawal] {
            let (version, text) = pages().shown(right).expect("a form");
            assert_eq!(version, FORMS);
            assert!(text.contains("<form method=\"post\"") && !text.contains(" checked"), "{text}");
            let page = html(pages().privacy());
            assert!(page.contains(text.trim()), "the page has the form as it is in the ledger: {page}");
        }
        assert_eq!(pages().shown(Right::Erasure).expect("nothing"), (String::new(), String::new()));
    }

    #[test]
    fn the_page_after_the_code_names_the_effects() {
        let shown = html(pages().confirmed(&objection()));
        assert!(shown.contains("You object to advertising."), "{shown}");
        let ended = html(pages().confirmed(&DataRequest { objection_ends: true, ..objection() }));
        assert!(ended.contains("You no longer object to advertising."), "{ended}");
        assert!(!ended.contains("within one month"), "{ended}");
    }

    #[test]
    fn the_last_day_for_an_answer_is_the_day_before_the_midnight_of_its_end() {
        let due = "2027-02-11T00:00:00Z".parse::<DateTime<chrono::Utc>>().expect("a time");
        let due_time = Some(levqor_runtime::timestamp(due));
        let html = html(pages().confirmed(&DataRequest { due_time, ..request(Right::Access) }));
        assert!(html.contains("by 10 February 2027."), "{html}");
    }
}
