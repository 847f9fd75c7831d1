//! Puts a customer's words into those of the articles. The words are data: `data/wordings.txt`.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// What customers say, and what articles say for it.
#[derive(Debug)]
pub(crate) struct Wordings(Vec<Wording>);

/// A phrase of customers, and what articles say for it.
#[derive(Debug)]
pub(crate) struct Wording {
    /// Between single spaces, with a space at each end.
    pub(crate) said: String,
    pub(crate) meant: String,
}

/// A question, and the known phrases in it.
#[derive(Debug)]
pub(crate) struct Reworded<'w> {
    /// The question between single spaces, with a space at each end.
    pub(crate) question: String,
    pub(crate) phrases: Vec<&'w Wording>,
}

impl Reworded<'_> {
    /// The question, and the meaning of each phrase.
    pub(crate) fn text(&self) -> String {
        let meant = self.phrases.iter().flat_map(|phrase| [" . ", phrase.meant.as_str()]);
        std::iter::once(self.question.as_str()).chain(meant).collect()
    }
}

impl Wordings {
    /// The wordings that come with the service.
    pub(crate) fn shipped() -> Self {
        Self::read(include_str!("../../data/wordings.txt"))
    }

    /// Reads lines of phrases and their meaning: `cut off, shut down = paused suspended`. Longer phrases come first.
    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let wordings = lines.filter_map(|line| line.split_once('=')).flat_map(|(said, meant)| {
            let wording = |said| Wording { said: plain(said), meant: meant.trim().to_owned() };
            said.split(',').map(wording).filter(|wording| wording.said.len() > 2).collect::<Vec<_>>()
        });
        let mut wordings: Vec<_> = wordings.collect();
        wordings.sort_by_key(|wording| std::cmp::Reverse(wording.said.split_whitespace().count()));
        Self(wordings)
    }

    /// The question, and each known phrase in it. The words of a phrase stay: an article may have them too.
    pub(crate) fn reword(&self, question: &str) -> Reworded<'_> {
        let question = plain(question);
        let mut rest = question.clone();
        let mut phrases = Vec::new();
        for wording in &self.0 {
            // A phrase within a longer one that was found means nothing of its own.
            if rest.contains(&wording.said) {
                rest = rest.replacen(&wording.said, " | ", 1);
                phrases.push(wording);
            }
        }
        Reworded { question, phrases }
    }
}

/// The words in lower case without accents between single spaces, with a space at each end. Apostrophes are left out, and so is the `s`
/// of a genitive.
fn plain(text: &str) -> String {
    let unaccented: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    let lower = unaccented.to_lowercase().replace(['’', '‘', '`'], "'");
    let mut words = String::from(" ");
    for word in lower.split(|c: char| !(c.is_alphanumeric() || "'.%-_".contains(c))) {
        let word = word.trim_matches(|c| c == '.' || c == '\'');
        let word = word.strip_suffix("'s").unwrap_or(word).replace('\'', "");
        if !word.is_empty() {
            words.push_str(&word);
            words.push(' ');
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_replaced_by_its_meaning_and_the_longest_counts() {
        let wordings =
            Wordings::read("# Comment\ncut off, cut me off = paused\ncut = cancel\nsub = subscription\n");
        for (question, expected) in [
            ("Why did you CUT ME OFF?", " why did you cut me off  . paused"),
            ("don’t cut my sub", " dont cut my sub  . cancel . subscription"),
            ("the sublime", " the sublime "),
            ("Café résumé", " cafe resume "),
            ("my boss's 99.9 % deal.", " my boss 99.9 % deal "),
        ] {
            assert_eq!(wordings.reword(question).text(), expected, "{question}");
        }
    }

    #[test]
    fn the_wordings_that_come_with_the_service_are_read() {
        let wordings = Wordings::shipped();
        assert!(wordings.0.len() > 200, "{}", wordings.0.len());
        assert!(wordings.0.iter().all(|wording| !wording.meant.is_empty()));
    }
}
