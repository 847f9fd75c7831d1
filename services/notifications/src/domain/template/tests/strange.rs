//! Renders every mail with the longest and the strangest data.

use prost_reflect::DynamicMessage;
use scraper::Html;

use super::{parts::faults, *};

/// A value of this kind that is as long or as large as the kind allows, with this text where it takes any.
fn extreme(field: &Field, text: &str) -> Option<Wire> {
    let cut = |longest: usize| text.chars().cycle().take(longest).collect::<String>();
    let message = |json: Json| {
        let descriptor = field.descriptor.kind().as_message().expect("a message").clone();
        Wire::Message(DynamicMessage::deserialize(descriptor, json).expect("a value"))
    };
    let value = match field.kind {
        Kind::Line => Wire::String(cut(256)),
        Kind::Text => Wire::String(cut(5_000)),
        Kind::PersonName => Wire::String(cut(300)),
        Kind::Id => Wire::String("A".repeat(100)),
        Kind::Link => Wire::String(format!("https://a.example/{}", "a".repeat(1_980))),
        Kind::Money => message(json!({"currency_code": "KWD", "minor_units": i64::MAX})),
        Kind::Count => Wire::I32(i32::MAX),
        Kind::Date | Kind::DateTime => message(json!("9999-12-31T23:59:59Z")),
        Kind::Duration => message(json!("315576000000s")),
        Kind::Flag | Kind::Unspecified => return None,
        Kind::Record => {
            let mut record =
                DynamicMessage::new(field.descriptor.kind().as_message().expect("a record").clone());
            for inner in &field.fields {
                record.set_field(&inner.descriptor, extreme(inner, text)?);
            }
            Wire::Message(record)
        }
    };
    Some(if field.descriptor.is_list() { Wire::List(vec![value; 3]) } else { value })
}

/// Renders a template with extreme values in all of its fields at once.
pub(super) fn extremes(template: &Template, text: &str) -> Rendered {
    let change = |data: &mut DynamicMessage| {
        for field in &template.fields {
            if let Some(value) = extreme(field, text) {
                data.set_field(&field.descriptor, value);
            }
        }
    };
    templates().sample(template.name(), change).expect("it renders")
}

fn is_one_line(subject: &str) -> bool {
    !subject.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

#[test]
fn the_longest_and_strangest_data_leaves_a_mail_well_formed() {
    for text in [
        "W",
        "👩‍👩‍👧‍👦🏳️‍🌈 é́́́ שלום עולם مرحبا بالعالم 李小龍 नमस्ते Ольга ",
        "<b>x</b><!-- --><script>alert(1)</script>]]>&lt;\"'`{{ 7*7 }}{% raw %}",
        "</td></tr></table></div></body></html>",
    ] {
        for template in templates().iter() {
            let (name, Rendered { subject, text: part, html }) = (template.name(), extremes(template, text));
            assert_eq!(faults(&html), Vec::<String>::new(), "{name} with {text:?}");
            let all = Html::parse_document(&html)
                .tree
                .values()
                .filter_map(|node| node.as_element().map(|e| e.name().to_owned()))
                .collect::<Vec<_>>();
            assert!(
                !all.iter().any(|element| ["script", "b"].contains(&element.as_str())),
                "{name} with {text:?}"
            );
            assert!(is_one_line(&subject), "{name} with {text:?}: {subject}");
            assert!(
                !part.contains("&lt;b") && !part.contains("<td") && !part.contains("<div"),
                "{name}: {part}"
            );
        }
    }
}
