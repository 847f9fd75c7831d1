//! Text of a person, made fit for a mail.

use std::{fmt, str::FromStr};

/// One line of text. It is not empty, each run of spaces is one space, and it contains no character that turns the reading
/// direction of the text around it. Text with a line break or a control character is refused: it could begin another header. The
/// line is not escaped: the template escapes it.
///
/// It may be personal, so it has no `Debug`. A customer's name is a `PersonName`.
#[derive(Clone, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The most characters of a line. Stripe's longest names have this many.
    pub const MAX_CHARS: usize = 256;

    /// The expected form, for the violation.
    pub const EXPECTED: &str = "a line of 1 to 256 characters";

    /// The text of the line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The text is empty after cleaning, too long, or has a line break.
#[derive(Debug, thiserror::Error)]
#[error("not a line of 1 to {} characters", Line::MAX_CHARS)]
pub struct NotALine;

impl FromStr for Line {
    type Err = NotALine;

    fn from_str(text: &str) -> Result<Self, NotALine> {
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return Err(NotALine);
        }
        let line = fit(text);
        if (1..=Self::MAX_CHARS).contains(&line.chars().count()) { Ok(Self(line)) } else { Err(NotALine) }
    }
}

/// Text of several lines. Each line is a paragraph. Empty lines and invisible characters are removed.
///
/// It may be personal, so it has no `Debug`.
pub struct Paragraphs(Vec<String>);

impl Paragraphs {
    /// The most characters of the whole text.
    pub const MAX_CHARS: usize = 5_000;

    /// The expected form, for the violation.
    pub const EXPECTED: &str = "a text of 1 to 5,000 characters";

    /// The paragraphs, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The text is empty after cleaning, or too long.
#[derive(Debug, thiserror::Error)]
#[error("not a text of 1 to {} characters", Paragraphs::MAX_CHARS)]
pub struct NotAText;

impl FromStr for Paragraphs {
    type Err = NotAText;

    fn from_str(text: &str) -> Result<Self, NotAText> {
        let paragraphs: Vec<_> = text.lines().map(fit).filter(|line| !line.is_empty()).collect();
        let is_short = text.chars().count() <= Self::MAX_CHARS;
        if is_short && !paragraphs.is_empty() { Ok(Self(paragraphs)) } else { Err(NotAText) }
    }
}

/// The text on one line, without invisible characters.
pub(super) fn fit(text: &str) -> String {
    let visible: String = text.chars().filter(|&c| c.is_whitespace() || !is_invisible(c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Invisible characters that change how other characters look. Joiners (U+200C, U+200D) stay: names in Persian or Hindi need
/// them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'                    // soft hyphen
            | '\u{61c}'                 // Arabic letter mark
            | '\u{180e}'                // Mongolian vowel separator
            | '\u{200b}'                // zero width space
            | '\u{200e}' | '\u{200f}'   // left-to-right and right-to-left mark
            | '\u{202a}'..='\u{202e}'   // embeddings and overrides of the direction
            | '\u{2060}'..='\u{206f}'   // word joiner, isolates, deprecated formats
            | '\u{feff}'                // byte order mark
            | '\u{fff9}'..='\u{fffb}'   // annotations
            | '\u{e0000}'..='\u{e007f}' // tags
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<String> {
        text.parse::<Line>().ok().map(|line| line.0)
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("  Ada   Lovelace ").as_deref(), Some("Ada Lovelace"));
        for two in ["Ada\r\nBcc: x@example.com", "Ada\n", "Ada\u{2028}", "Ada\t", "Ada\0\u{1b}[31m\u{7f}"] {
            assert_eq!(line(two), None, "{two:?}");
        }
    }

    #[test]
    fn the_lines_of_a_text_are_its_paragraphs() {
        let paragraphs = |text: &str| text.parse::<Paragraphs>().ok().map(|text| text.0);
        let two = Some(vec!["One two".to_owned(), "three".to_owned()]);
        assert_eq!(paragraphs(" One\ttwo\r\n\n\u{202e}\u{1b}three\n"), two);
        assert_eq!(paragraphs(" \n\u{202e}"), None);
        assert!(paragraphs(&"é".repeat(5_000)).is_some() && paragraphs(&"é".repeat(5_001)).is_none());
    }

    #[test]
    fn a_line_cannot_reverse_the_text_around_it() {
        assert_eq!(line("Ada\u{202e}evil\u{2066}\u{200f}").as_deref(), Some("Adaevil"));
        assert_eq!(line("\u{feff}\u{200b}Ada").as_deref(), Some("Ada"));
    }

    #[test]
    fn names_of_every_script_stay_as_they_are() {
        for name in ["José Núñez", "李小龍", "نیلوفر می\u{200c}خواهد", "Ада", "O'Brien & Søn <3"]
        {
            assert_eq!(line(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_line_is_not_empty_and_has_a_greatest_length() {
        assert_eq!(line(" \u{202e}"), None);
        assert!(line(&"é".repeat(Line::MAX_CHARS)).is_some());
        assert!(line(&"é".repeat(Line::MAX_CHARS + 1)).is_none());
    }
}
