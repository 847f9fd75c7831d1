//! Phrases that show a customer's intention. They are data: `data/*-phrases.txt`, whose heads describe how they are compared.

use unicode_normalization::UnicodeNormalization;

/// A list of phrases.
#[derive(Debug, Default)]
pub(crate) struct Phrases {
    /// Words that are left out of messages and phrases.
    ignored: Vec<String>,
    /// They match anywhere in a message.
    anywhere: Vec<Phrase>,
    /// They match the whole message only.
    whole: Vec<Phrase>,
    /// They are taken out of a message before the others are tried.
    removed: Vec<Phrase>,
}

/// The words of a phrase. A word that ends with `*` matches any ending.
#[derive(Debug)]
struct Phrase(Vec<String>);

impl Phrases {
    /// Reads a list.
    pub(crate) fn read(text: &str) -> Self {
        let lines: Vec<_> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut phrases = Self::default();
        let ignored = lines.iter().filter_map(|line| line.strip_prefix("%ignore"));
        phrases.ignored = ignored.flat_map(str::split_whitespace).map(str::to_owned).collect();
        for line in lines.iter().filter(|line| !line.starts_with('%')) {
            let phrase = |text: &str| Phrase(words(text, true, &phrases.ignored));
            let (list, phrase) = if let Some(rest) = line.strip_prefix('=') {
                let phrase = phrase(rest);
                (&mut phrases.whole, phrase)
            } else if let Some(rest) = line.strip_prefix('-') {
                let phrase = phrase(rest);
                (&mut phrases.removed, phrase)
            } else {
                let phrase = phrase(line);
                (&mut phrases.anywhere, phrase)
            };
            if !phrase.0.is_empty() {
                list.push(phrase);
            }
        }
        phrases
    }

    /// Whether a message has one of the phrases, or is one.
    pub(crate) fn are_in(&self, message: &str) -> bool {
        let mut words = words(message, false, &self.ignored);
        if self.whole.iter().any(|phrase| phrase.is(&words)) {
            return true;
        }
        for phrase in &self.removed {
            while let Some(at) = phrase.find(&words) {
                words.drain(at..at + phrase.0.len());
            }
        }
        self.anywhere.iter().any(|phrase| phrase.find(&words).is_some())
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.anywhere.len() + self.whole.len() + self.removed.len()
    }
}

impl Phrase {
    /// Where the phrase begins in a message.
    fn find(&self, words: &[String]) -> Option<usize> {
        // Chinese and Japanese have no spaces between words.
        if let [only] = self.0.as_slice()
            && only.chars().any(is_without_spaces)
        {
            return words.iter().position(|word| word.contains(only.as_str()));
        }
        words.windows(self.0.len()).position(|part| self.is(part))
    }

    /// Whether these are its words.
    fn is(&self, words: &[String]) -> bool {
        self.0.len() == words.len() && self.0.iter().zip(words).all(|(wanted, word)| fits(wanted, word))
    }
}

/// Whether a word is this one of a phrase.
fn fits(wanted: &str, word: &str) -> bool {
    wanted.strip_suffix('*').map_or_else(|| wanted == word, |beginning| word.starts_with(beginning))
}

/// Whether a character is of a script without spaces between words.
fn is_without_spaces(c: char) -> bool {
    // Hiragana, Katakana, CJK ideographs.
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// The words of a text in lower case.
fn words(text: &str, with_stars: bool, ignored: &[String]) -> Vec<String> {
    let comparable = |c: char| match c {
        '’' | '‘' | '`' | '´' | '\'' => '\'',
        '*' if with_stars => '*',
        c if c.is_alphanumeric() || is_mark(c) => c,
        _ => ' ',
    };
    let plain: String = text.nfkc().flat_map(char::to_lowercase).map(comparable).collect();
    let words = plain.split_whitespace().filter(|word| !ignored.iter().any(|ignored| ignored == word));
    words.map(str::to_owned).collect()
}

/// Whether a character belongs to the letter before it, as in Arabic or Hindi.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# Persons\n%ignore a the real\n-human resources\nspeak to person\nescalat*\ndon't want bot\n真人客服\n\n=human\n=now\n";

    #[test]
    fn a_phrase_is_found_as_its_head_says() {
        let phrases = Phrases::read(LIST);
        assert_eq!(phrases.len(), 7);
        for text in [
            "Can I SPEAK to a real   person, please?",
            "speak\nto the person",
            "please escalate!",
            "escalating",
            "I don’t want a bot",
            "我要真人客服",
            "Human!",
            "ｈｕｍａｎ",
            "the now",
        ] {
            assert!(phrases.are_in(text), "{text}");
        }
        for text in [
            "",
            "?!",
            "speak to persons",
            "I am a human",
            "is it for human resources",
            "right now",
            "deescalate",
        ] {
            assert!(!phrases.are_in(text), "{text}");
        }
        assert!(phrases.are_in("human resources, or speak to person"), "only what is not meant is taken out");
    }
}
