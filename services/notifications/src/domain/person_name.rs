//! A customer's name as a mail of ours shows it. Anybody may write anything into the name field of a checkout, and a mail
//! repeats it under our sender. So a name carries no link and no telephone number that a mail client would make clickable,
//! and is short.

use std::fmt;

use serde::Serialize;
use unicode_normalization::char::is_combining_mark;

use super::text::fit;

/// A name without anything that mail clients make links of: one line of at most 60 characters.
///
/// It is personal, so it has no `Debug`. It is not escaped: that is the template's work.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PersonName(String);

impl PersonName {
    /// The most characters that a greeting shows.
    pub const MAX_CHARS: usize = 60;
    /// The most digits that a name may have. With more of them it is taken to hold a telephone number.
    const MAX_DIGITS: usize = 4;

    /// The name in what a customer wrote. None where nothing of it is a name: then the greeting goes without. Never an
    /// error: a mail about somebody's money is sent whatever the name is.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let line = fit(text);
        let digits = line.chars().filter(|c| c.is_numeric()).count();
        let mut apart = String::with_capacity(line.len());
        for c in line.chars().filter(|c| digits <= Self::MAX_DIGITS || !c.is_numeric()) {
            match c {
                // A dot ends an initial or a title. Before another letter it would be part of a domain.
                '.' => apart.push_str(". "),
                c if is_of_names(c) => apart.push(c),
                // Slashes, colons, at signs, the dots of other scripts, and whatever else could be part of a link.
                _ => apart.push(' '),
            }
        }
        let is_word = |word: &&str| *word == "&" || word.contains(char::is_alphanumeric);
        let name = apart.split_whitespace().filter(is_word).collect::<Vec<_>>().join(" ");
        name.contains(char::is_alphabetic).then(|| Self(shortened(name)))
    }
}

impl fmt::Display for PersonName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What names of people and of firms are written with, dots aside. Everything else is taken apart: a list of what links
/// are made of would lack the next one.
fn is_of_names(c: char) -> bool {
    c.is_alphanumeric()
        || is_combining_mark(c)
        || matches!(
            c,
            '\'' | '’' | '-' | '‐' | ',' | '&' | '(' | ')'
                | '·'                     // Catalan: Gal·la
                | '・'                    // between the parts of foreign names in Japanese
                | '\u{5f3}' | '\u{5f4}'   // Hebrew geresh and gershayim
                | '\u{200c}' | '\u{200d}' // joiners within words of Persian and Hindi
        )
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
                "Claim your refund https evil. example x a b c",
            ),
            ("evil.example", "evil. example"),
            ("www.evil.example", "www. evil. example"),
            ("EVIL.EXAMPLE.", "EVIL. EXAMPLE."),
            ("ada@evil.example", "ada evil. example"),
            ("mailto:ada@evil.example", "mailto ada evil. example"),
            ("//evil.example\\x", "evil. example x"),
            ("https:⁄⁄evil．example", "https evil example"),
            (
                "evil。example evil｡example evil․example evil﹒example",
                "evil example evil example evil example evil example",
            ),
            ("пример.рф xn--e1afmkfd.xn--p1ai", "пример. рф xn--e1afmkfd. xn--p1ai"),
            ("https://\nevil.\nexample", "https evil. example"),
            ("evil\u{200b}.\u{2060}example", "evil. example"),
            ("evil\u{200d}.\u{200c}example", "evil\u{200d}. \u{200c}example"),
            ("http://127.0.0.1:8080", "http"),
            ("[here](https://evil.example)", "here (https evil. example)"),
            ("<a href=\"https://evil.example\">Ada</a>", "a href https evil. example Ada a"),
        ] {
            assert_eq!(name(written).as_deref(), Some(shown), "{written}");
        }
    }

    #[test]
    fn a_name_carries_no_telephone_number() {
        assert_eq!(name("Locked! Call +44 (0)800 555-0100 now").as_deref(), Some("Locked Call now"));
        assert_eq!(name("Ruf an: ０８００５５５ oder ٠٨٠٠٥٥٥").as_deref(), Some("Ruf an oder"));
        assert_eq!(name("Studio 54, 3rd").as_deref(), Some("Studio 54, 3rd"));
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
        assert_eq!(name("Müller/Meier ❤\u{200d}🔥").as_deref(), Some("Müller Meier"));
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
    fn what_is_no_name_is_none() {
        for text in ["", " \n", "…", "://", "❤", "+44 800 555 0100", "\u{200d}", "& &", "12"] {
            assert_eq!(name(text), None, "{text:?}");
        }
    }
}
