//! Received mails, and the parts of them that are handed over to support.

use levqor_runtime::{typed_id, wire_enum};
use mail_parser::{
    ContentType, MessageParser, MessagePart, MimeHeaders,
    decoders::{
        base64::base64_decode, charsets::map::charset_decoder, html::html_to_text,
        quoted_printable::quoted_printable_decode,
    },
};

typed_id!(pub InboundMailId, "a received mail");

wire_enum! {
    /// The outcome of a received mail.
    pub enum InboundState {
        /// The provider reported it.
        Announced = "ANNOUNCED",
        /// Support has it, or a deferred call brings it.
        Forwarded = "FORWARDED",
        /// The provider does not have it any more, or it is too large.
        Gone = "GONE",
    }
}

/// Headers that support judges a mail by. No other header leaves this service.
const HEADERS: &[&str] = &[
    "auto-submitted",
    "authentication-results",
    "list-id",
    "list-unsubscribe",
    "precedence",
    "return-path",
    "x-autoreply",
    "x-autorespond",
    "x-auto-response-suppress",
    "x-failed-recipients",
    "x-loop",
];
/// The most characters of a header's value that are handed over.
const LONGEST_VALUE: usize = 2_000;
/// The most characters of a text that are handed over.
const LONGEST_TEXT: usize = 100_000;
/// The most characters of a subject that are handed over.
const LONGEST_SUBJECT: usize = 500;

/// Whether support judges a mail by this header.
#[must_use]
pub fn is_judged(name: &str) -> bool {
    HEADERS.contains(&name)
}

/// A value of a header on one line, cut.
#[must_use]
pub fn header_value(value: &str) -> String {
    one_line(value, LONGEST_VALUE)
}

/// A subject on one line, cut.
#[must_use]
pub fn subject(subject: &str) -> String {
    one_line(subject, LONGEST_SUBJECT)
}

/// The text of a mail: its text part, or its HTML part as text. `None` if there is nothing to read.
#[must_use]
pub fn text(text: Option<&str>, html: Option<&str>) -> Option<String> {
    let plain = text.map(storable).filter(|text| !text.trim().is_empty());
    plain.or_else(|| {
        let html = html.filter(|html| !html.trim().is_empty())?;
        Some(storable(&html_to_text(html))).filter(|text| !text.trim().is_empty())
    })
}

/// The text that was read of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadText {
    /// The text.
    pub text: String,
    /// Whether its end is missing.
    pub is_cut: bool,
}

/// The text of a mail as it came, also where its MIME tree is broken or its end is missing.
#[must_use]
pub fn text_of_raw(raw: &[u8]) -> Option<ReadText> {
    let message = MessageParser::default().parse(raw)?;
    let shown = |ids: &[u32]| ids.first().and_then(|id| message.part(*id));
    // A part whose end is missing is still encoded there.
    let is_sound = |ids: &[u32]| shown(ids).is_some_and(|part| !part.is_encoding_problem);
    let plain = message.body_text(0).filter(|_| is_sound(&message.text_body));
    let html = message.body_html(0).filter(|_| is_sound(&message.html_body));
    if let Some(text) = text(plain.as_deref(), html.as_deref()) {
        let parts = [shown(&message.text_body), shown(&message.html_body)];
        let is_cut = parts.into_iter().flatten().any(|part| ends_within_a_group(raw, part));
        return Some(ReadText { text, is_cut });
    }
    let mut cut = message.parts.iter().filter(|part| part.is_encoding_problem && part.is_text());
    let text = cut.find_map(|part| text_of_cut(raw, part))?;
    Some(ReadText { text, is_cut: true })
}

/// What can be read of a part whose end is missing. `None` if it is not a text.
fn text_of_cut(raw: &[u8], part: &MessagePart<'_>) -> Option<String> {
    let kind = part.content_type();
    let is_text = |kind: &ContentType<'_>| {
        ["text", "multipart", "message"].iter().any(|text| kind.ctype().eq_ignore_ascii_case(text))
    };
    if kind.is_some_and(|kind| !is_text(kind)) {
        return None;
    }
    let body = body(raw, part);
    let encoding = part.content_transfer_encoding().unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "base64" => base64_decode(&base64_of(body).collect::<Vec<_>>()),
        "quoted-printable" => quoted_printable_decode(body),
        _ => None,
    };
    let bytes = bytes.unwrap_or_else(|| body.to_vec());
    let charset = kind.and_then(|kind| kind.attribute("charset"));
    let contents = match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) => decode(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    // The last character may be cut too.
    let contents = contents.trim_end_matches('\u{fffd}');
    let is_html = kind.and_then(ContentType::subtype).is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    if is_html { text(None, Some(contents)) } else { text(Some(contents), None) }
}

/// Whether the Base64 of a part ends within a group of four characters: then its end is missing.
fn ends_within_a_group(raw: &[u8], part: &MessagePart<'_>) -> bool {
    let encoding = part.content_transfer_encoding().unwrap_or_default();
    let body = body(raw, part);
    let padding = body.iter().copied().filter(|byte| *byte == b'=').count();
    encoding.eq_ignore_ascii_case("base64") && !(base64_of(body).count() + padding).is_multiple_of(4)
}

/// The body of a part as it came.
fn body<'r>(raw: &'r [u8], part: &MessagePart<'_>) -> &'r [u8] {
    let place = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
    raw.get(place(part.offset_body)..place(part.offset_end)).unwrap_or_default()
}

/// The characters of Base64 at the beginning of a text.
fn base64_of(text: &[u8]) -> impl Iterator<Item = u8> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take_while(is_base64)
}

/// The text without characters that the database cannot store, cut.
fn storable(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(LONGEST_TEXT).collect()
}

fn one_line(text: &str, longest: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(longest).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_has_its_text_or_the_text_of_its_html() {
        assert_eq!(text(Some("Hi\0!"), Some("<p>Other")).as_deref(), Some("Hi!"));
        let shown = text(Some(" \n"), Some("<p>Hi <b>Ada</b></p><script>x</script>")).expect("a text");
        assert!(shown.contains("Hi Ada") && !shown.contains('<'), "{shown:?}");
        assert_eq!(text(None, None), None);
        assert_eq!(text(Some(&"x".repeat(200_000)), None).map(|text| text.len()), Some(LONGEST_TEXT));
    }

    /// The readable part of a mail: its text, and whether the text is cut.
    fn read(raw: &str) -> Option<(String, bool)> {
        text_of_raw(raw.as_bytes()).map(|read| (read.text.trim().to_owned(), read.is_cut))
    }

    /// The beginning of a mail with parts.
    const HEAD: &str = "From: a@b.cd\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n";

    #[test]
    fn a_broken_mime_tree_gives_what_can_be_read_and_never_fails() {
        let cut = format!("{HEAD}--x\r\nContent-Type: text/plain\r\n\r\nIt does not work.");
        assert_eq!(read(&cut), Some(("It does not work.".to_owned(), true)));
        // The first part is whole; later parts are cut, in each encoding.
        for encoding in ["7bit", "base64", "quoted-printable"] {
            let second = format!(
                "--x\r\nContent-Type: text/plain\r\n\r\nIt does not work.\r\n--x\r\nContent-Type: image/png\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\niVBORw0KGgoAAAANSUhEU"
            );
            let read = read(&format!("{HEAD}{second}"));
            assert_eq!(read, Some(("It does not work.".to_owned(), false)), "{encoding}");
        }
        // Only an HTML part, and that is cut.
        let html = format!("{HEAD}--x\r\nContent-Type: text/html\r\n\r\n<p>It does <b>not</b> wor");
        let (text, is_cut) = read(&html).expect("a text");
        assert!(text.contains("It does not wor") && !text.contains('<') && is_cut, "{text}");
        let deep =
            format!("{HEAD}{}", "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n".repeat(5_000));
        for broken in [deep.as_bytes(), b"", b"\xff\xfe\0\0", b"--x\r\n", HEAD.as_bytes()] {
            assert_eq!(text_of_raw(broken).filter(|read| !read.text.trim().is_empty()), None);
        }
    }

    #[test]
    fn a_text_whose_end_is_missing_is_decoded_as_far_as_it_came() {
        let part = |kind: &str, encoding: &str, body: &str| {
            read(&format!(
                "{HEAD}--x\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
            ))
        };
        for (kind, encoding, body, expected) in [
            // It does not wor|k.
            ("text/plain; charset=utf-8", "base64", "SXQgZG9l\r\ncyBub3Qgd29ya", "It does not wor"),
            ("text/plain", "Base64", "SXQgZG9lcyBub3Qgd29y", "It does not wor"),
            // caf|é.
            ("text/plain", "base64", "Y2Fmw", "caf"),
            ("text/plain; charset=iso-8859-1", "base64", "Y2Fm6SBh", "café a"),
            ("text/plain; charset=utf-8", "quoted-printable", "The caf=C3=A9 does no=", "The café does no"),
            ("text/html", "base64", "PHA+SXQgZG9lcyA8Yj5ub3Q8L2I+IHdv", "It does not wo"),
        ] {
            let (text, is_cut) = part(kind, encoding, body).expect("a text");
            assert_eq!((text.as_str(), is_cut), (expected, true), "{kind} {encoding}");
        }
        assert_eq!(part("image/png", "base64", "iVBORw0KGgoAAAANSUhEU"), None, "an image is no text");
        // A mail without parts, whose Base64 breaks off.
        let head = "From: a@b.cd\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        for (body, expected) in [("SXQgZG9lcyBub3Qgd29ya", true), ("SXQgZG9lcyBub3Qgd29yay4=", false)] {
            let (text, is_cut) = read(&format!("{head}{body}")).expect("a text");
            assert!(text.starts_with("It does not wor") && is_cut == expected, "{text} {is_cut}");
        }
    }

    #[test]
    fn only_headers_that_support_needs_are_kept() {
        assert!(is_judged("auto-submitted") && !is_judged("received") && !is_judged("subject"));
        assert_eq!(subject("a\r\nBcc: b"), "a  Bcc: b");
        assert_eq!(header_value(&"v".repeat(9_000)).len(), LONGEST_VALUE);
    }
}
