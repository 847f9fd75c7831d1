//! The name of a customer as our mails show it. Anybody can type any text as the name at checkout, and the mail shows it under
//! our sender. So a name is short, and it contains no link and no telephone number that a mail client would make clickable.

use std::{fmt, iter};

use unicode_normalization::UnicodeNormalization;

use super::text::fit;

/// A name without anything that a mail client turns into a link: one line of at most 60 characters.
///
/// It is personal, so it has no `Debug`. It is not escaped: the template escapes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    /// The most characters of a name in a greeting.
    pub const MAX_CHARS: usize = 60;
    /// The most digits that a name may have in words without a letter. More digits count as a telephone number.
    const MAX_DIGITS: usize = 4;

    /// Takes the name from the text of a customer. None if the text contains no name: the greeting then has no name. This is
    /// never an error, because a mail about a person's money must be sent whatever the name is.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let line = fit(text);
        let mut apart = String::with_capacity(line.len());
        for c in line.chars() {
            match c {
                // A dot ends an initial or a title, so a space follows it. A dot before a letter could be part of a domain.
                '.' | ':' => apart.extend([c, ' ']),
                '/' | '@' | '\\' => apart.extend([' ', c, ' ']),
                c if is_read_as_part_of_a_link(c) => apart.push(' '),
                c => apart.push(c),
            }
        }
        let words = || apart.split_whitespace();
        let is_number = |word: &&str| !word.contains(char::is_alphabetic) && word.contains(char::is_numeric);
        let digits = words().filter(is_number).flat_map(str::chars).filter(|c| c.is_numeric()).count();
        let has_number = digits > Self::MAX_DIGITS;
        let is_word = |word: &&str| {
            let shows = |c: char| !matches!(c, '\u{200c}' | '\u{200d}');
            word.contains(char::is_alphabetic) || (!has_number && word.contains(shows))
        };
        let name = words().filter(is_word).collect::<Vec<_>>().join(" ");
        name.contains(char::is_alphanumeric).then(|| Self(shortened(name)))
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a character outside ASCII counts as one that links consist of. The rules of domains (UTS 46) read `．` and `。` as dots,
/// and `℀` as `a/c`. To people, other characters look the same as ASCII ones.
fn is_read_as_part_of_a_link(c: char) -> bool {
    let looks_like_one = matches!(c, '⁄' | '∕' | '⧸' | '∶' | '꞉' | '⧵' | '۔');
    !c.is_ascii() && (looks_like_one || iter::once(c).nfkc().any(|c| "./:@\\。".contains(c)))
}

fn shortened(name: String) -> String {
    if name.chars().count() <= PersonName::MAX_CHARS {
        return name;
    }
    let kept: String = name.chars().take(PersonName::MAX_CHARS - 1).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String> {
        PersonName::of(text).map(|name| name.0)
    }

    #[test]
    fn a_name_carries_no_link_however_it_is_written() {
        for (written, shown) in [
            (
                "Claim your refund: https://evil.example/x?a=b#c",
                "Claim your refund: https: / / evil. example / x?a=b#c",
            ),
            ("evil.example", "evil. example"),
            ("www.evil.example", "www. evil. example"),
            ("EVIL.EXAMPLE.", "EVIL. EXAMPLE."),
            ("ada@evil.example", "ada @ evil. example"),
            ("mailto:ada@evil.example", "mailto: ada @ evil. example"),
            ("//evil.example\\x", "/ / evil. example \\ x"),
            ("https:⁄⁄evil．example", "https: evil example"),
            (
                "evil。example evil｡example evil․example evil﹒example",
                "evil example evil example evil example evil example",
            ),
            ("пример.рф xn--e1afmkfd.xn--p1ai", "пример. рф xn--e1afmkfd. xn--p1ai"),
            ("https://\nevil.\nexample", "https: / / evil. example"),
            ("evil\u{200b}.\u{2060}example", "evil. example"),
            ("evil\u{200d}.\u{200c}example", "evil\u{200d}. \u{200c}example"),
            ("http://127.0.0.1:8080", "http:"),
            ("[here](https://evil.example)", "[here](https: / / evil. example)"),
            ("<a href=\"https://evil.example\">Ada</a>", "<a href=\"https: / / evil. example\">Ada< / a>"),
        ] {
            assert_eq!(name(written).as_deref(), Some(shown), "{written}");
        }
    }

    #[test]
    fn a_name_carries_no_telephone_number() {
        assert_eq!(name("Locked! Call +44 (0)800 555-0100 now").as_deref(), Some("Locked! Call now"));
        assert_eq!(name("Ruf an: ０８００５５５ oder ٠٨٠٠٥٥٥").as_deref(), Some("Ruf an: oder"));
        for text in ["Studio 54, 3rd", "Buyer x82b1c4d9e7x"] {
            assert_eq!(name(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn names_of_people_and_firms_stay_as_they_are() {
        for text in [
            "Ada Lovelace",
            "José Núñez",
            "Jose\u{301} Nu\u{301}n\u{303}ez",
            "Gal·la Pla i Puig",
            "O'Brien-Søn",
            "D’Arcy",
            "Dr. J. R. R. Tolkien Jr.",
            "Smith & Sons (Leeds), Ltd.",
            "O'Brien & Søn <3",
            "李小龍",
            "ジョン・スミス",
            "विद्या बालन",
            "นภัสสร",
            "نیلوفر می\u{200c}خواهد",
            "יוסי ג׳ורג׳",
            "Ада",
            "X Æ A-12",
        ] {
            assert_eq!(name(text).as_deref(), Some(text));
        }
        assert_eq!(name("J.R.R. Tolkien").as_deref(), Some("J. R. R. Tolkien"));
        assert_eq!(name("Müller/Meier ❤\u{200d}🔥").as_deref(), Some("Müller / Meier ❤\u{200d}🔥"));
    }

    #[test]
    fn a_name_has_sixty_characters_at_most() {
        let sixty = "é".repeat(60);
        assert_eq!(name(&sixty).as_ref(), Some(&sixty));
        assert_eq!(name(&"é".repeat(61)), Some(format!("{}…", "é".repeat(59))));
        let long = name(&"a.".repeat(5_000)).expect("a name");
        assert!(long.chars().count() <= 60, "{long}");
    }

    #[test]
    fn a_text_that_is_no_name_is_none() {
        for text in ["", " \n", "…", "://", "❤", "+44 800 555 0100", "\u{200d}", "& &"] {
            assert_eq!(name(text), None, "{text:?}");
        }
    }
}
