//! Tests the exact words of each template (`templates/snapshots/`), and that data of a person cannot change them. Rules for all
//! templates are tested on each of them, so a new template needs no test of its own.

use std::{fs, path::PathBuf};

use levqor_proto_mail::v1::Kind;
use prost_reflect::{ReflectMessage, Value as Wire};
use serde_json::{Value as Json, json};

use super::*;

fn templates() -> Templates {
    let site = "https://www.levqor.ai".parse().expect("a site");
    let sender = "Levqor <orders@levqor.ai>".parse().expect("a sender");
    Templates::try_new(&site, &sender).expect("every template is whole and compiles")
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("templates")
}

/// The samples by name: `order_welcome.json`, and `order_welcome.<case>.json` for another case.
fn samples() -> Vec<(String, Json)> {
    let files = fs::read_dir(folder()).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut samples: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
            let sample = serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
            Some((name, sample))
        })
        .collect();
    samples.sort_by(|(one, _), (other, _)| one.cmp(other));
    samples
}

impl Templates {
    fn named(&self, name: &str) -> &Template {
        self.all.iter().find(|template| template.name() == name).expect("a template")
    }

    /// Renders a template with the data of a sample, after a change.
    fn sample(&self, name: &str, change: impl FnOnce(&mut DynamicMessage)) -> Result<Rendered, Error> {
        let (_, sample) = samples().into_iter().find(|(sample, _)| sample == name).expect("a sample");
        let template = self.named(name.split('.').next().expect("a name"));
        let message = template.descriptor.kind().as_message().expect("a message").clone();
        let mut data = DynamicMessage::deserialize(message, sample).expect("data of the template");
        change(&mut data);
        let mut violations = Violations::new();
        let content = Self::content(template, &data, &mut violations);
        self.render(&violations.finish(content).expect("the data is valid"))
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

/// Calls `check` for each text field of every template, with this text in that field and the sample's values in the others.
fn in_every_text(text: &str, check: impl Fn(&str, Kind, Rendered)) {
    let templates = templates();
    for template in &templates.all {
        for field in &template.fields {
            let value = Wire::String(text.to_owned());
            let value = match (field.kind, field.descriptor.is_list()) {
                (Kind::Line | Kind::Text | Kind::PersonName, true) => Wire::List(vec![value]),
                (Kind::Line | Kind::Text | Kind::PersonName, false) => value,
                _ => continue,
            };
            let set = |data: &mut DynamicMessage| data.set_field(&field.descriptor, value);
            let rendered = templates.sample(template.name(), set).expect("it renders");
            check(field.descriptor.full_name(), field.kind, rendered);
        }
    }
}

/// One snapshot for each sample and part. The version is at the top, so that a change of the words shows the version beside it.
/// Each HTML element has its own line, so that a diff is readable.
#[test]
fn every_mail_reads_as_in_its_snapshots() {
    let templates = templates();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder().join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]");
    let bound = settings.bind_to_scope();
    for (name, _) in samples() {
        let template = templates.named(name.split('.').next().expect("a name"));
        let Rendered { subject, text, html } = templates.sample(&name, |_| ()).expect("it renders");
        let head = format!("{} v{}\nSubject: {subject}", template.name(), template.version());
        insta::assert_snapshot!(format!("{name}.text"), format!("{head}\n\n{text}"));
        insta::assert_snapshot!(format!("{name}.html"), format!("{head}\n\n{}", html.replace("><", ">\n<")));
    }
    drop(bound);
}

#[test]
fn every_template_has_a_sample() {
    let samples = samples();
    for name in templates().names() {
        assert!(samples.iter().any(|(sample, _)| sample == name), "there is no templates/{name}.json");
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
    for template in &templates.all {
        for field in &template.fields {
            let mut data =
                DynamicMessage::new(template.descriptor.kind().as_message().expect("a message").clone());
            let hostile = Wire::String("Starter\r\nBcc: x@example.com".to_owned());
            let value = match (field.kind, field.descriptor.is_list()) {
                (Kind::Line | Kind::Id | Kind::Link, true) => Wire::List(vec![hostile]),
                (Kind::Line | Kind::Id | Kind::Link, false) => hostile,
                _ => continue,
            };
            data.set_field(&field.descriptor, value);
            let mut violations = Violations::new();
            assert!(Templates::content(template, &data, &mut violations).is_none());
            let violated = violations.finish(None::<()>).expect_err("violations").0;
            let path = format!("{}.{}", template.name(), field.name());
            assert!(violated.iter().any(|violation| violation.field.starts_with(&path)), "{path}");
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
    for (name, _) in samples() {
        let Rendered { text, html, .. } = templates.sample(&name, |_| ()).expect("it renders");
        assert!(text.contains("Sent by Levqor <orders@levqor.ai>, because "), "{text}");
        assert!(html.contains("Sent by Levqor &lt;orders@levqor.ai&gt;, because "), "{html}");
    }
}

#[test]
fn a_mail_of_an_order_says_why_it_came_and_leads_to_the_form() {
    for name in ["order_welcome", "order_intake_request"] {
        let Rendered { text, html, .. } = render(name, &json!({}));
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
    let mut templates = templates();
    templates.html.add_template("order_welcome", source).expect("it compiles");
    templates
}

#[test]
fn a_template_that_asks_for_missing_data_is_an_error() {
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
    templates.text.add_template("order_welcome", source).expect("it compiles");
    let Rendered { text, html, .. } = templates.sample("order_welcome", |_| ()).expect("it renders");
    assert!(text.starts_with("One <\n\ntwo\n"), "{text}");
    assert!(html.contains(">One &lt;</div>") && html.contains(">two</div>"), "{html}");
}
