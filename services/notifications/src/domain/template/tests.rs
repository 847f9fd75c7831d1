//! What each template says, word by word (`templates/snapshots/`), and that nobody's data can say anything else.

use super::*;
use crate::domain::{
    content::{OrderIntakeRequest, OrderWelcome},
    money::Amount,
    person_name::PersonName,
    text::Line,
};

fn templates() -> Templates {
    let site = "https://www.levqor.ai".parse().expect("a site");
    let sender = "Levqor <orders@levqor.ai>".parse().expect("a sender");
    Templates::try_new(&site, &sender).expect("every template compiles")
}

fn line(text: &str) -> Line {
    text.parse().expect("a line")
}

fn welcome(name: Option<&str>, tier: &str, revisions: u32) -> Content {
    Content::OrderWelcome(OrderWelcome {
        customer_name: name.and_then(PersonName::of),
        order_id: "0190b2c4-1111-7000-8000-000000000000".parse().expect("an order's id"),
        tier: line(tier),
        amount: Some(Amount { currency: "GBP".parse().expect("a currency"), minor_units: 9_900 }),
        delivery_time: line("48 hours"),
        revisions,
    })
}

fn intake_request(name: Option<&str>) -> Content {
    Content::OrderIntakeRequest(OrderIntakeRequest {
        customer_name: name.and_then(PersonName::of),
        order_id: "0190b2c4-1111-7000-8000-000000000000".parse().expect("an order's id"),
        tier: line("Starter"),
    })
}

fn render(content: &Content) -> Rendered {
    templates().render(content).expect("it renders")
}

/// One file per template, case and part, with the version on top: whoever changes the words sees the number beside them.
fn assert_snapshots(file: &str, content: &Content) {
    let Rendered { subject, text, html } = render(content);
    let template = content.template();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../templates/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]");
    settings.bind(|| {
        let head = format!("{} v{}\nSubject: {subject}", template.name(), template.version());
        insta::assert_snapshot!(format!("{file}.text"), format!("{head}\n\n{text}"));
        insta::assert_snapshot!(format!("{file}.html"), format!("{head}\n\n{html}"));
    });
}

#[test]
fn the_welcome_says_what_was_bought_and_what_happens_next() {
    assert_snapshots("order_welcome", &welcome(Some("Ada Lovelace"), "Starter", 1));
}

#[test]
fn an_order_without_anything_to_pay_is_welcomed_without_a_word_of_a_payment() {
    let Content::OrderWelcome(welcome) = welcome(Some("Ada Lovelace"), "Starter", 1) else {
        unreachable!("it is a welcome")
    };
    let free = Content::OrderWelcome(OrderWelcome { amount: None, ..welcome });
    assert_snapshots("order_welcome_nothing_to_pay", &free);
    let Rendered { subject, text, html } = render(&free);
    for part in [subject, text, html] {
        for untrue in ["payment", "Paid", "0.00"] {
            assert!(!part.contains(untrue), "{untrue}: {part}");
        }
    }
}

#[test]
fn the_intake_request_leads_to_the_form() {
    assert_snapshots("order_intake_request", &intake_request(Some("Ada Lovelace")));
}

#[test]
fn a_customer_without_a_name_is_greeted_too() {
    for content in [welcome(None, "Starter", 1), intake_request(None)] {
        let Rendered { text, html, .. } = render(&content);
        assert!(text.starts_with("Hello,\n"), "{text}");
        assert!(html.contains(">Hello,</p>"), "{html}");
    }
}

#[test]
fn revisions_are_counted_in_words_that_fit() {
    for (revisions, fact, promise) in [
        (0, "Revisions included: none\n", "you try it out.\n"),
        (1, "Revisions included: 1\n", "one revision is included.\n"),
        (3, "Revisions included: 3\n", "3 revisions are included.\n"),
    ] {
        let text = render(&welcome(None, "Starter", revisions)).text;
        assert!(text.contains(fact) && text.contains(promise), "{text}");
    }
}

#[test]
fn markup_in_data_is_shown_and_not_obeyed() {
    let hostile = "<script>alert('x')</script> \"&amp;";
    let Rendered { subject, text, html } = render(&welcome(Some(hostile), hostile, 1));
    assert!(!html.contains("<script") && !html.contains("</script"), "{html}");
    assert!(
        html.contains("&lt;script&gt;alert(&#x27;x&#x27;)&lt;&#x2f;script&gt; &quot;&amp;amp;"),
        "{html}"
    );
    assert!(
        html.contains("Hello &lt;script&gt;alert(&#x27;x&#x27;)&lt; &#x2f; script&gt; &quot;&amp;amp;,"),
        "{html}"
    );
    assert!(text.contains(&format!("Bought: {hostile},")), "the text part shows it as it is: {text}");
    assert!(!subject.contains("&lt;"), "a subject is text: {subject}");
}

#[test]
fn a_customers_name_makes_no_link_in_any_part_of_any_mail() {
    let hostile = "Claim your refund: https://evil.example/?a=b www.evil.example ada@evil.example";
    for content in [welcome(Some(hostile), "Starter", 1), intake_request(Some(hostile))] {
        let Rendered { subject, text, html } = render(&content);
        let greeting = "Hello Claim your refund: https: / / evil. example / ?a=b www. evi…,";
        assert!(text.contains(greeting), "{text}");
        for part in [subject, text, html] {
            for link in ["evil.example", "//evil", "www.evil", "ada@"] {
                assert!(!part.contains(link), "{link}: {part}");
            }
        }
    }
}

#[test]
fn templates_in_data_are_shown_and_not_run() {
    let Rendered { subject, text, html } =
        render(&welcome(Some("{{ 7 * 7 }}"), "{% set x = 1 %}{{ 7 * 7 }}", 1));
    assert_eq!(subject, "Welcome! Your {% set x = 1 %}{{ 7 * 7 }} order is confirmed");
    assert!(text.contains("Hello {{ 7 * 7 }},"), "the name is shown as it is: {text}");
    assert!(html.contains("{{ 7 * 7 }}") && !html.contains("49"), "{html}");
}

#[test]
fn line_breaks_in_data_make_no_second_header_and_no_paragraph() {
    let Rendered { subject, text, html } =
        render(&welcome(Some("Ada\r\n\r\nYou owe us £500"), "Starter\r\nBcc: x@example.com", 1));
    assert_eq!(subject, "Welcome! Your Starter Bcc: x@example.com order is confirmed");
    assert!(text.contains("Hello Ada You owe us £500,\n"), "{text}");
    assert!(html.contains("Hello Ada You owe us £500,</p>"), "{html}");
}

#[test]
fn every_part_ends_with_who_sent_it_and_why() {
    for content in [welcome(None, "Starter", 1), intake_request(None)] {
        let Rendered { text, html, .. } = render(&content);
        let why =
            "because you placed order 0190b2c4-1111-7000-8000-000000000000 with us; it is not advertising.";
        assert!(text.contains(&format!("Sent by Levqor <orders@levqor.ai>, {why}")), "{text}");
        assert!(html.contains(&format!("Sent by Levqor &lt;orders@levqor.ai&gt;, {why}")), "{html}");
    }
}

#[test]
fn a_link_is_the_same_in_both_parts() {
    for content in [welcome(None, "Starter", 1), intake_request(None)] {
        let Rendered { text, html, .. } = render(&content);
        let link = "https://www.levqor.ai/intake?order_id=0190b2c4-1111-7000-8000-000000000000";
        assert!(text.contains(&format!("\n{link}\n")), "{text}");
        assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
    }
}

#[test]
fn a_template_that_asks_for_missing_data_is_an_error() {
    let mut templates = templates();
    templates.html.add_template("order_welcome", "{{ nobody_gives_this }}").expect("it compiles");
    let error = templates.render(&welcome(None, "Starter", 1)).err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::UndefinedError);
}

#[test]
fn a_link_that_is_not_http_is_an_error() {
    let mut templates = templates();
    templates.html.add_template("order_welcome", "{{ 'javascript:alert(1)'|url }}").expect("it compiles");
    assert!(templates.render(&welcome(None, "Starter", 1)).is_err());
}

#[test]
fn an_error_of_a_template_does_not_tell_the_data() {
    let mut templates = templates();
    templates.html.add_template("order_welcome", "{{ customer_name }}{{ missing }}").expect("it compiles");
    let error = templates.render(&welcome(Some("Ada"), "Starter", 1)).err().expect("an error");
    assert!(!format!("{error} {error:?} {error:#} {error:#?}").contains("Ada"));
}
