//! The HTML of each mail is well-formed, and says the same words and has the same links as its text, which is without markup.

use scraper::{ElementRef, Html, Node, Selector};

use super::{Rendered, samples, strange::extremes, templates};

/// The text that a reader sees, in order. The preview beside the subject is not visible in the mail.
pub(super) fn visible(element: ElementRef<'_>, seen: &mut Vec<String>) {
    let style = element.attr("style").unwrap_or_default();
    if style.contains("display:none") || ["head", "style"].contains(&element.value().name()) {
        return;
    }
    for child in element.children() {
        match child.value() {
            Node::Text(text) => seen.push(text.to_string()),
            Node::Element(_) => visible(ElementRef::wrap(child).expect("an element"), seen),
            _ => {}
        }
    }
}

/// The words without the marks that only one of the parts has. A link is not a word.
fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let words = texts.into_iter().flat_map(str::split_whitespace);
    let words = words.map(|word| word.trim_end_matches(':').to_owned());
    words.filter(|word| !word.is_empty() && !word.starts_with("http")).collect()
}

/// The lines of a text part without the marks of lists, headings and quotes.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let is_mark = |line: &str| !line.is_empty() && line.chars().all(|c| c == '=' || c == '-');
    text.lines().filter(move |line| !is_mark(line)).map(|line| {
        let number = line.split_once(". ").filter(|(number, _)| number.parse::<u8>().is_ok());
        let line = number.map_or(line, |(_, line)| line);
        line.strip_prefix("- ").or_else(|| line.strip_prefix("> ")).unwrap_or(line)
    })
}

/// The faults in the form of an HTML part.
pub(super) fn faults(html: &str) -> Vec<String> {
    let document = Html::parse_document(html);
    let mut faults: Vec<_> = document.errors.iter().map(ToString::to_string).collect();
    // A parser closes elements that the text leaves open, so that its elements differ from the text's.
    for name in ["div", "td", "tr", "table", "a", "li", "h2"] {
        let written = html.matches(&format!("</{name}>")).count();
        let in_comments: usize =
            comments(&document).map(|text| text.matches(&format!("</{name}>")).count()).sum();
        let parsed = document.select(&Selector::parse(name).expect("a selector")).count();
        if written - in_comments != parsed {
            faults.push(format!("{parsed} elements {name}, and {} ends", written - in_comments));
        }
    }
    faults
}

/// The comments with the parts that only Outlook reads.
fn comments(document: &Html) -> impl Iterator<Item = String> {
    document.tree.values().filter_map(|node| node.as_comment().map(|comment| comment.to_string()))
}

#[test]
fn the_html_of_each_mail_is_well_formed() {
    let templates = templates();
    for name in samples() {
        let Rendered { html, .. } = templates.sample(name, |_| ()).expect("it renders");
        assert_eq!(faults(&html), Vec::<String>::new(), "{name}: {html}");
    }
}

#[test]
fn both_parts_of_each_mail_say_the_same() {
    let templates = templates();
    let links = Selector::parse("a[href]").expect("a selector");
    for name in samples() {
        let Rendered { html, text, .. } = templates.sample(name, |_| ()).expect("it renders");
        let document = Html::parse_document(&html);
        let mut seen = Vec::new();
        visible(document.root_element(), &mut seen);
        let seen = words(seen.iter().map(String::as_str));
        assert_eq!(seen[0], "Levqor", "the mail shows whose it is");
        assert_eq!(seen[1..], words(lines(&text)), "{name}");
        let linked: Vec<_> = document.select(&links).filter_map(|link| link.attr("href")).collect();
        let written: Vec<_> = text.lines().filter(|line| line.starts_with("http")).collect();
        assert_eq!(linked, written, "{name}");
    }
}

#[test]
fn the_text_of_each_mail_is_without_markup_and_gaps() {
    let templates = templates();
    for name in samples() {
        let Rendered { subject, text, .. } = templates.sample(name, |_| ()).expect("it renders");
        let sender = format!("<{}@levqor.ai>", templates.of_sample(name).sender_name());
        for part in [&subject, &text] {
            for mark in
                ["<", "&amp;", "&#", "{{", "{%", "None", "none,", "True", "False", "  ", "\n\n\n", " ."]
            {
                let part = part.replace("\n    ", "\n").replace(&sender, "");
                assert!(!part.contains(mark), "{name} has {mark:?}: {part}");
            }
        }
        assert!(!subject.is_empty() && subject.chars().count() <= 78, "{name}: {subject}");
    }
}

/// A mail has one call to action: at most one button, and only a notice of an incident has a link beside it.
#[test]
fn each_mail_has_one_action() {
    let templates = templates();
    let buttons = Selector::parse(".action a").expect("a selector");
    for name in samples() {
        let Rendered { html, .. } = templates.sample(name, |_| ()).expect("it renders");
        let count = Html::parse_document(&html).select(&buttons).count();
        assert!(count <= 1, "{name} has {count} buttons");
    }
}

/// The mails that `.ci/mail-screenshots` makes pictures of.
const PICTURED: &[&str] = &[
    "order_welcome",
    "payment_failed",
    "data_request_code",
    "ticket_replied",
    "order_upgrade_offer",
    "operator_digest",
];

/// With the variable, it writes their HTML for the script, and beside each mail one with the longest data.
#[test]
#[expect(clippy::disallowed_methods, reason = "the script says by this variable where to write")]
fn mails_are_there_for_their_pictures() {
    let folder = std::env::var("LEVQOR_PICTURES").ok();
    for &name in PICTURED {
        let template = templates().get(name).expect("a template");
        let Rendered { html, .. } = templates().sample(name, |_| ()).expect("it renders");
        for (file, html) in
            [(name.to_owned(), html), (format!("{name}.longest"), extremes(template, "W").html)]
        {
            if let Some(folder) = &folder {
                std::fs::write(format!("{folder}/{file}.html"), html).expect("written");
            }
        }
    }
}
