//! Hides personal data in a text before it leaves for the model, and puts it back into the answer. It hides
//! addresses, numbers, ids, links, and the customer's name.

use unicode_normalization::UnicodeNormalization;

/// The replacement of hidden text: `[MAIL_1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Mail,
    Link,
    Id,
    Number,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Mail => "MAIL",
            Self::Link => "LINK",
            Self::Id => "ID",
            Self::Number => "NUMBER",
        }
    }
}

/// A run of at least this many digits is a number of a card, an account or a telephone.
const LEAST_DIGITS: usize = 7;
/// Letters and digits without a space of at least this length are a key, a token or an id.
const LONG_ID: usize = 20;
/// So many hexadecimal digits are a part of an id.
const LEAST_HEX: usize = 8;
/// The number of a ticket begins with it.
const TICKET: &str = "lq-";

/// The hidden parts of the texts of one request.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    /// The parts of the customer's name, the longest first.
    names: Vec<String>,
    hidden: Vec<(String, String)>,
}

impl Mask {
    /// Hides this name too.
    pub(crate) fn of_name(name: &str) -> Self {
        let parts = name.split_whitespace().filter(|part| part.chars().count() > 2);
        let mut names: Vec<_> = parts.map(str::to_lowercase).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Self { names, hidden: Vec::new() }
    }

    /// The text with personal data replaced. The same text gets the same replacement.
    pub(crate) fn hide(&mut self, text: &str) -> String {
        let mut shown = String::new();
        for piece in pieces(&plain(text)) {
            // Signs at the end of a sentence belong to no address.
            let word = piece.trim_end_matches(['.', ':', '?', '-', '/', '=', '&', '#', '_']);
            match self.kind(word) {
                Some(kind) => {
                    shown.push_str(&self.marker(kind, word));
                    shown.push_str(piece.get(word.len()..).unwrap_or_default());
                }
                None => shown.push_str(piece),
            }
        }
        self.hide_numbers(&shown)
    }

    /// The text with the hidden values put back.
    pub(crate) fn restore(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, (marker, original)| text.replace(marker, original))
    }

    /// The text without the replacements, to check its other words.
    pub(crate) fn without_markers(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, (marker, _)| text.replace(marker, " "))
    }

    /// What has to be hidden about a word.
    fn kind(&self, word: &str) -> Option<Kind> {
        let lower = word.to_lowercase();
        let is_alone = |part: &str| lower == part || lower.split(['-', '/', '.', '_']).any(|of| of == part);
        if word.contains('@') {
            Some(Kind::Mail)
        } else if word.contains("://") || lower.starts_with("www.") {
            Some(Kind::Link)
        } else if is_id(&lower) {
            Some(Kind::Id)
        } else if self.names.iter().any(|name| is_alone(name)) {
            Some(Kind::Name)
        } else {
            None
        }
    }

    /// Hides long numbers, also those in groups, such as `4111 1111 1111 1111`.
    fn hide_numbers(&mut self, text: &str) -> String {
        let mut shown = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit() || c == '[') {
            let (before, from) = rest.split_at(start);
            shown.push_str(before);
            let length = if from.starts_with('[') {
                // A replacement has a number of its own.
                from.find(']').map_or(from.len(), |end| end + 1)
            } else {
                number_length(from)
            };
            let (number, after) = from.split_at(length);
            let digits = number.chars().filter(char::is_ascii_digit).count();
            if digits >= LEAST_DIGITS && !number.starts_with('[') {
                shown.push_str(&self.marker(Kind::Number, number));
            } else {
                shown.push_str(number);
            }
            rest = after;
        }
        shown.push_str(rest);
        shown
    }

    /// The replacement of a text.
    fn marker(&mut self, kind: Kind, original: &str) -> String {
        if let Some((marker, _)) = self.hidden.iter().find(|(_, known)| known == original) {
            return marker.clone();
        }
        let marker = format!("[{}_{}]", kind.as_str(), self.hidden.len() + 1);
        self.hidden.push((marker.clone(), original.to_owned()));
        marker
    }
}

/// How long the number at the beginning of a text is: digits, and single signs between groups of them.
fn number_length(text: &str) -> usize {
    let mut length = 0;
    let mut gap = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            (length, gap) = (at + 1, 0);
        } else if " -./()".contains(c) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
    }
    length
}

/// Whether a word in small letters is an id, a key or a token.
fn is_id(word: &str) -> bool {
    let of_id = |c: char| c.is_ascii_alphanumeric() || "-_.+/=".contains(c);
    let has_digit = word.contains(|c: char| c.is_ascii_digit());
    let prefixed = word.split_once('_').is_some_and(|(prefix, rest)| {
        (2..=6).contains(&prefix.len()) && rest.len() >= 6 && has_digit && word.chars().all(of_id)
    });
    let ticket =
        word.strip_prefix(TICKET).is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()));
    let part = word.len() >= LEAST_HEX && has_digit && word.chars().all(|c| c.is_ascii_hexdigit());
    prefixed || ticket || part || (word.len() >= LONG_ID && has_digit && word.chars().all(of_id))
}

/// The text in plain characters: no invisible ones, no look-alikes that only a machine reads as letters, and no square brackets,
/// which are kept for the replacements.
fn plain(text: &str) -> String {
    let invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e01ef}')
    };
    let plain = text.nfkc().filter(|c| !invisible(*c) && (!c.is_control() || *c == '\n'));
    plain
        .map(|c| {
            if c == '[' {
                '('
            } else if c == ']' {
                ')'
            } else {
                c
            }
        })
        .collect()
}

/// Cuts a text into words, which may be addresses, and the separators between them.
fn pieces(text: &str) -> Vec<&str> {
    let of_word = |c: char| c.is_alphanumeric() || "@._%+-/:~?&=#".contains(c);
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = of_word(first);
        let end = rest.find(|c: char| of_word(c) != is_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn personal_data_is_replaced_and_put_back() {
        for (text, hidden) in [
            ("I am ada@example.com, not <bob@example.com>.", "I am [MAIL_1], not <[MAIL_2]>."),
            ("Ada Lovelace's order", "[NAME_1] [NAME_2]'s order"),
            ("my card is 4111 1111-1111 1111!", "my card is [NUMBER_1]!"),
            ("call +44 (0)20 7946 0958 at 9:00", "call +[NUMBER_1] at 9:00"),
            ("order 0192f3a1-7c4e-7b2a-9d31-5e8f0a6b4c12 and LQ-1043", "order [ID_1] and [ID_2]"),
            ("customer cus_R8kQ2mVwT5xYzA?", "customer [ID_1]?"),
            ("does it begin with 0192f3a1?", "does it begin with [ID_1]?"),
            ("see https://a.example/?token=1", "see [LINK_1]"),
            ("b\u{200b}ob@exam\u{200b}ple.com", "[MAIL_1]"),
            ("ｂｏｂ＠ｅｘａｍｐｌｅ．ｃｏｍ", "[MAIL_1]"),
            ("[MAIL_9] is mine", "(MAIL_9) is mine"),
            ("two of 14 days, £1,299.00", "two of 14 days, £1,299.00"),
        ] {
            let mut mask = Mask::of_name("Ada Lovelace");
            assert_eq!(mask.hide(text), hidden, "{text}");
            assert_eq!(mask.restore(hidden), plain(text), "{text}");
        }
    }

    #[test]
    fn the_same_text_has_the_same_replacement() {
        let mut mask = Mask::default();
        assert_eq!(mask.hide("a@b.c and a@b.c"), "[MAIL_1] and [MAIL_1]");
        assert_eq!(mask.hide("a@b.c"), "[MAIL_1]");
        assert_eq!(mask.without_markers("write to [MAIL_1]").trim(), "write to");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_address_or_long_number_is_left(text in "[a-z@. 0-9\\[\\]_-]{0,80}") {
            let mut mask = Mask::default();
            let hidden = mask.hide(&text);
            prop_assert_eq!(mask.restore(&hidden), plain(&text));
            let left = mask.without_markers(&hidden);
            prop_assert!(!left.contains('@'));
            prop_assert!(!left.contains("0000000"));
        }
    }
}
