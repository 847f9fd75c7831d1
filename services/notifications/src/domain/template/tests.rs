//! Tests the exact words of each template (`templates/snapshots/`), and that data of a person cannot change them. Rules for all
//! templates are tested on each of them, so a new template needs no test of its own.

use std::sync::LazyLock;

use levqor_proto_mail::v1::Kind;
use minijinja::ErrorKind;
use prost_reflect::{ReflectMessage, Value as Wire};
use serde_json::{Value as Json, json};

use super::{sample::SAMPLES, *};

mod colours;
mod parts;
mod readme;
mod strange;

/// The templates, compiled once for all tests.
fn templates() -> &'static Templates {
    static TEMPLATES: LazyLock<Templates> = LazyLock::new(compiled);
    &TEMPLATES
}

fn compiled() -> Templates {
    let sender_of = |kind: SenderKind| {
        let name = kind.as_str_name().trim_start_matches("SENDER_").to_lowercase();
        format!("Levqor <{name}@levqor.ai>").parse().expect("a sender")
    };
    let frame = Frame {
        site: "https://www.levqor.ai".parse().expect("a site"),
        sender_of: &sender_of,
        company_address: "Levqor, 1 Example Street, London, United Kingdom".parse().expect("a line"),
    };
    Templates::try_new(&frame).expect("every template is whole and compiles")
}

/// The names of all samples.
fn samples() -> impl Iterator<Item = &'static str> {
    SAMPLES.iter().map(|(name, _)| *name)
}

impl Templates {
    /// Renders a template with the data of a sample, after a change.
    fn sample(&self, name: &str, change: impl FnOnce(&mut DynamicMessage)) -> Result<Rendered, Error> {
        let template = self.of_sample(name);
        let mut data = template.sample(name).unwrap_or_else(|| panic!("{name}.json is data of its template"));
        change(&mut data);
        let mut violations = Violations::new();
        let content = Self::content(template, &data, &EN_GB, &mut violations);
        self.render(&violations.finish(content).expect(name), MarketingLinks::example().as_ref())
    }

    fn of_sample(&self, sample: &str) -> &Template {
        self.get(sample.split('.').next().expect("a name")).expect("a template")
    }
}

/// Renders a sample with other values in these fields.
fn render(name: &str, changed: &Json) -> Rendered {
    let change = |data: &mut DynamicMessage| {
        let other = DynamicMessage::deserialize(data.descriptor(), changed).expect("data of the template");
        other.fields().for_each(|(field, value)| data.set_field(&field, value.clone()));
        // `fields()` skips a field whose value in the JSON is empty, so the loop clears it.
        for name in changed.as_object().into_iter().flat_map(|changed| changed.keys()) {
            if !other.has_field_by_name(name) {
                data.clear_field_by_name(name);
            }
        }
    };
    templates().sample(name, change).expect("it renders")
}

/// The values of a field in which each text of these kinds is this text, by the name of the field that has the text. A text in a
/// record is in a record of its own.
fn with_text(field: &Field, kinds: &[Kind], text: &str) -> Vec<(String, Kind, Wire)> {
    let whole = |value| if field.descriptor.is_list() { Wire::List(vec![value]) } else { value };
    let name = field.descriptor.full_name().to_owned();
    if kinds.contains(&field.kind) {
        return vec![(name, field.kind, whole(Wire::String(text.to_owned())))];
    }
    let mut values = Vec::new();
    for inner in &field.fields {
        for (name, kind, value) in with_text(inner, kinds, text) {
            let mut record =
                DynamicMessage::new(field.descriptor.kind().as_message().expect("a record").clone());
            for other in &field.fields {
                let (.., value) = with_text(other, TEXTS, "x").pop().expect("a text");
                record.set_field(&other.descriptor, value);
            }
            record.set_field(&inner.descriptor, value);
            values.push((name, kind, whole(Wire::Message(record))));
        }
    }
    values
}

const TEXTS: &[Kind] = &[Kind::Line, Kind::Text, Kind::PersonName];

/// Calls `check` for each text field of every template, with this text in that field and the sample's values in the others.
fn in_every_text(text: &str, check: impl Fn(&str, Kind, Rendered)) {
    let templates = templates();
    for template in &templates.all {
        for field in &template.fields {
            for (name, kind, value) in with_text(field, TEXTS, text) {
                let set = |data: &mut DynamicMessage| data.set_field(&field.descriptor, value);
                check(&name, kind, templates.sample(template.name(), set).expect("it renders"));
            }
        }
    }
}

/// The samples whose HTML has a snapshot too: one for each form of the frame. The words of the others are in their text part, and
/// a test compares the words of both parts.
const HTML_SNAPSHOTS: &[&str] = &["order_welcome", "order_upgrade_offer"];

/// A snapshot of each sample. The version is at the top, so that a change of the words shows the version beside it. Each HTML
/// element has its own line, so that a diff is readable.
#[test]
fn every_mail_reads_as_in_its_snapshots() {
    let templates = templates();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]");
    let bound = settings.bind_to_scope();
    for name in samples() {
        let template = templates.of_sample(name);
        let Rendered { subject, text, html } = templates.sample(name, |_| ()).expect("it renders");
        let head = format!("{} v{}\nSubject: {subject}", template.name(), template.version());
        insta::assert_snapshot!(format!("{name}.text"), format!("{head}\n\n{text}"));
        if HTML_SNAPSHOTS.contains(&name) {
            insta::assert_snapshot!(
                format!("{name}.html"),
                format!("{head}\n\n{}", html.replace("><", ">\n<"))
            );
        }
    }
    drop(bound);
}

#[test]
fn every_template_has_a_sample() {
    for template in templates().iter() {
        let name = template.name();
        assert!(template.samples().any(|sample| sample == name), "there is no templates/{name}.json");
    }
}

#[test]
fn every_message_with_the_option_of_templates_can_be_sent() {
    let templates = templates();
    let pool = templates.content.parent_pool();
    let option = pool.get_extension_by_name("levqor.mail.v1.template").expect("the option");
    for message in pool.all_messages().filter(|message| message.options().has_extension(&option)) {
        let is_it = |template: &Template| template.descriptor.kind().as_message() == Some(&message);
        assert!(templates.all.iter().any(is_it), "{} is in no request", message.full_name());
    }
}

#[test]
fn markup_and_templates_in_data_are_shown_and_not_obeyed() {
    let hostile = "<script>alert('x')</script> {{ 7 * 7 }} {% set x = 1 %} \"&amp;";
    in_every_text(hostile, |field, kind, Rendered { subject, text, html }| {
        let (shown, escaped) = match kind {
            // A name keeps no slashes within its words, and has at most 60 characters.
            Kind::PersonName => (
                "<script>alert('x')< / script> {{ 7 * 7 }} {% set x = 1 %} \"…",
                "&lt;script&gt;alert(&#x27;x&#x27;)&lt; &#x2f; script&gt; {{ 7 * 7 }} {% set x = 1 %} &quot;…",
            ),
            _ => (
                hostile,
                "&lt;script&gt;alert(&#x27;x&#x27;)&lt;&#x2f;script&gt; {{ 7 * 7 }} {% set x = 1 %} &quot;&amp;amp;",
            ),
        };
        assert!(html.contains(escaped), "{field}: {html}");
        assert!(!html.contains("<script") && !html.contains("</script"), "{field}: {html}");
        assert!(text.contains(shown), "the text shows {field} as it is: {text}");
        assert!(!subject.contains("&lt;"), "a subject is text: {field}: {subject}");
    });
}

#[test]
fn no_line_break_in_data_makes_a_second_header() {
    let templates = templates();
    let one_line = [Kind::Line, Kind::Id, Kind::Link];
    for template in &templates.all {
        for field in &template.fields {
            for (name, _, value) in with_text(field, &one_line, "Starter\r\nBcc: x@example.com") {
                let message = template.descriptor.kind().as_message().expect("a message").clone();
                let mut data = DynamicMessage::new(message);
                data.set_field(&field.descriptor, value);
                let mut violations = Violations::new();
                assert!(Templates::content(template, &data, &EN_GB, &mut violations).is_none());
                let violated = violations.finish(None::<()>).expect_err("violations").0;
                let path = format!("{}.{}", template.name(), field.name());
                assert!(violated.iter().any(|violation| violation.field.starts_with(&path)), "{name}");
            }
        }
    }
}

#[test]
fn a_name_makes_no_link_in_any_part_of_any_mail() {
    let hostile = "Claim your refund: https://evil.example/?a=b www.evil.example ada@evil.example";
    in_every_text(hostile, |field, kind, Rendered { subject, text, html }| {
        if kind == Kind::PersonName {
            assert!(text.contains("Claim your refund: https: / / evil. example / ?a=b www. evi…"), "{text}");
            for part in [subject, text, html] {
                for link in ["evil.example", "//evil", "www.evil", "ada@"] {
                    assert!(!part.contains(link), "{field}: {link}: {part}");
                }
            }
        }
    });
}

#[test]
fn every_part_of_every_mail_ends_with_who_sent_it() {
    let templates = templates();
    for name in samples() {
        let Rendered { text, html, .. } = templates.sample(name, |_| ()).expect("it renders");
        let sender = templates.of_sample(name).sender_name();
        assert!(text.contains(&format!("Sent by Levqor <{sender}@levqor.ai>, because ")), "{text}");
        assert!(html.contains(&format!("Sent by Levqor &lt;{sender}@levqor.ai&gt;, because ")), "{html}");
    }
}

#[test]
fn a_mail_of_an_order_says_why_it_came_and_leads_to_the_form() {
    for name in ["order_welcome", "order_intake_request"] {
        let Rendered { text, html, .. } = render(name, &json!({"intake_link": null}));
        let why =
            "because you placed order 0190b2c4-1111-7000-8000-000000000000 with us; it is not advertising.";
        let link = "https://www.levqor.ai/intake?order_id=0190b2c4-1111-7000-8000-000000000000";
        assert!(text.contains(why) && html.contains(why), "{text}");
        assert!(text.contains(&format!("\n{link}\n")), "{text}");
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    }
}

#[test]
fn an_order_without_anything_to_pay_is_welcomed_without_a_word_of_a_payment() {
    let Rendered { subject, text, html } = render("order_welcome.nothing_to_pay", &json!({}));
    for part in [subject, text, html] {
        for untrue in ["payment", "Paid", "0.00"] {
            assert!(!part.contains(untrue), "{untrue}: {part}");
        }
    }
}

#[test]
fn a_customer_without_a_name_is_greeted_too() {
    for name in ["order_welcome", "order_intake_request"] {
        let Rendered { text, html, .. } = render(name, &json!({"customer_name": ""}));
        assert!(text.starts_with("Hello,\n"), "{text}");
        assert!(html.contains(">Hello,</div>"), "{html}");
    }
}

#[test]
fn a_name_of_two_lines_makes_no_paragraph() {
    for name in ["order_welcome", "order_intake_request"] {
        let Rendered { text, html, .. } =
            render(name, &json!({"customer_name": "Ada\r\n\r\nYou owe us £500"}));
        assert!(text.contains("Hello Ada You owe us £500,\n"), "{text}");
        assert!(html.contains("Hello Ada You owe us £500,</div>"), "{html}");
    }
}

#[test]
fn revisions_are_counted_in_words_that_fit() {
    for (revisions, fact, promise) in [
        (0, "Revisions included: none\n", "you try it out.\n"),
        (1, "Revisions included: 1\n", "one revision is included.\n"),
        (3, "Revisions included: 3\n", "3 revisions are included.\n"),
    ] {
        let text = render("order_welcome", &json!({"revisions": revisions})).text;
        assert!(text.contains(fact) && text.contains(promise), "{text}");
    }
}

/// Templates with another HTML of the welcome mail.
fn with_html(source: &'static str) -> Templates {
    let mut templates = compiled();
    templates.wordings[0].html.add_template("order_welcome", source).expect("it compiles");
    templates
}

#[test]
fn a_template_that_needs_missing_data_is_an_error() {
    let error = with_html("{{ nobody_gives_this }}").sample("order_welcome", |_| ()).err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::UndefinedError);
}

#[test]
fn a_link_that_is_not_http_is_an_error() {
    assert!(with_html("{{ 'javascript:alert(1)'|url }}").sample("order_welcome", |_| ()).is_err());
}

#[test]
fn an_error_of_a_template_does_not_tell_the_data() {
    let templates = with_html("{{ customer_name }}{{ missing }}");
    let error = templates.sample("order_welcome", |_| ()).err().expect("an error");
    assert!(!format!("{error} {error:?} {error:#} {error:#?}").contains("Ada"));
}

#[test]
fn a_text_is_shown_as_paragraphs_in_both_parts() {
    let source = "{% extends 'layout' %}{% from 'parts' import paragraphs %}{% block subject %}{% endblock %}
                  {% block body %}{{ paragraphs(['One <', 'two']) }}{% endblock %}";
    let mut templates = with_html(source);
    templates.wordings[0].text.add_template("order_welcome", source).expect("it compiles");
    let Rendered { text, html, .. } = templates.sample("order_welcome", |_| ()).expect("it renders");
    assert!(text.starts_with("One <\n\ntwo\n"), "{text}");
    assert!(html.contains(">One &lt;</div>") && html.contains(">two</div>"), "{html}");
}

#[test]
fn a_mail_is_written_as_the_region_of_its_recipient_writes() {
    let template = templates().get("payment_receipt").expect("a template");
    let data = template.sample("payment_receipt").expect("a sample");
    let mut request = DynamicMessage::new(templates().content.parent_message().clone());
    request.set_field(&template.descriptor, Wire::Message(data));
    let text = |locale: &str| {
        let mut request: SendMessageRequest = request.transcode_to().expect("a request");
        request.locale = locale.to_owned();
        let mut violations = Violations::new();
        let content = templates().read(&request, &mut violations).expect("content");
        templates().render(&content, None).expect("it renders").text
    };
    assert!(text("").contains("Date: 5 December 2026\n"));
    assert!(text("en-US").contains("Date: December 5, 2026\n"));
    assert!(text("xx").contains("Date: 5 December 2026\n"), "an unknown locale is British English");
}

/// A locale that no mail has.
static DE_DE: Locale = Locale { tag: "de-DE", language: "de", ..EN_GB };

#[test]
fn a_mail_is_in_the_language_of_its_recipient_if_there_is_one() {
    let mut templates = compiled();
    let subject = |templates: &Templates| {
        let template = templates.get("order_access").expect("a template");
        templates.preview(template, "order_access", &DE_DE).expect("it renders").subject
    };
    assert_eq!(subject(&templates), "Your link to your Starter order");
    let [mut german] = compiled().wordings.try_into().unwrap_or_else(|_| panic!("one language"));
    german.language = "de";
    for environment in [&mut german.html, &mut german.text] {
        let source = "{% block subject %}Ihr Link zu Ihrer Bestellung {{ tier }}{% endblock %}";
        environment.add_template("order_access", source).expect("it compiles");
    }
    templates.wordings.push(german);
    assert_eq!(subject(&templates), "Ihr Link zu Ihrer Bestellung Starter");
}

#[test]
fn advertising_without_a_way_to_end_it_is_an_error() {
    for template in templates().iter() {
        let data = template.sample(template.name()).expect("a sample");
        let content = Templates::content(template, &data, &EN_GB, &mut Violations::new()).expect("content");
        let rendered = templates().render(&content, None);
        assert_eq!(rendered.is_err(), template.class() == Class::Marketing, "{}", template.name());
    }
}
