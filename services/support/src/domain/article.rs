//! An article of the knowledge base: its text, as a file of the service or as staff wrote it.

use std::str::FromStr;

use levqor_proto_support::v1 as wire;
use levqor_runtime::{request::Field, typed_id, wire_enum};
use ring::digest::{Context, SHA256};
use serde::Deserialize;

typed_id!(pub(crate) ArticleId, "an article");

wire_enum! {
    /// Whether an article is published.
    pub(crate) enum State: wire::article::State {
        /// The assistant quotes it.
        Published = "PUBLISHED",
        /// Only staff see it.
        Unpublished = "UNPUBLISHED",
    }
}

wire_enum! {
    /// Who wrote the current version of an article.
    pub(crate) enum Origin: wire::article::Origin {
        /// It came with the service.
        Shipped = "SHIPPED",
        /// Staff.
        Staff = "STAFF",
    }
}

/// The most characters of a title.
const LONGEST_TITLE: usize = 120;
/// The most characters of a summary.
const LONGEST_SUMMARY: usize = 300;
/// The most tags, and the most characters of one.
const MOST_TAGS: usize = 40;
const LONGEST_TAG: usize = 60;
/// The most questions, and the most characters of one.
const MOST_QUESTIONS: usize = 30;
const LONGEST_QUESTION: usize = 200;
/// The most characters of a text.
const LONGEST_BODY: usize = 40_000;

/// The name of an article in addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slug(String);

/// The text is not the name of an article.
#[derive(Debug)]
pub(crate) struct NotASlug;

impl Slug {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = NotASlug;

    fn from_str(text: &str) -> Result<Self, NotASlug> {
        let is_slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=80).contains(&text.len()) && text.chars().all(is_slug) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASlug)
        }
    }
}

impl Field for Slug {
    const EXPECTED: &'static str = "1 to 80 lower-case letters, digits and hyphens";
}

/// What an article says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) tags: Vec<String>,
    /// What customers ask that the article answers, in their words.
    pub(crate) questions: Vec<String>,
    /// In Markdown, with placeholders.
    pub(crate) body: String,
}

/// A fault in the content of an article: the field, and the expected value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
}

impl Content {
    /// Everything that is wrong with it.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let line = |text: &str, most: usize| {
            !text.trim().is_empty() && text.chars().count() <= most && !text.contains(char::is_control)
        };
        let mut faults = Vec::new();
        let mut check = |is_good: bool, field, expected| {
            if !is_good {
                faults.push(Fault { field, expected });
            }
        };
        check(line(&self.title, LONGEST_TITLE), "title", "expected a line of 1 to 120 characters");
        check(line(&self.summary, LONGEST_SUMMARY), "summary", "expected a line of 1 to 300 characters");
        let tags = self.tags.len() <= MOST_TAGS && self.tags.iter().all(|tag| line(tag, LONGEST_TAG));
        check(tags, "tags", "expected at most 40 lines of 1 to 60 characters");
        let questions = self.questions.len() <= MOST_QUESTIONS
            && self.questions.iter().all(|question| line(question, LONGEST_QUESTION));
        check(questions, "questions", "expected at most 30 lines of 1 to 200 characters");
        let body = !self.body.trim().is_empty() && self.body.chars().count() <= LONGEST_BODY;
        check(body, "body", "expected a text of 1 to 40,000 characters");
        faults
    }

    /// A hash of everything: two versions with the same hash say the same.
    pub(crate) fn hash(&self) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        let texts = [&self.title, &self.summary, &self.body].into_iter();
        for list in [texts.collect::<Vec<_>>(), self.tags.iter().collect(), self.questions.iter().collect()] {
            context.update(&(list.len() as u64).to_be_bytes());
            for part in list {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part.as_bytes());
            }
        }
        context.finish().as_ref().to_vec()
    }
}

/// An article that is part of the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shipped {
    pub(crate) slug: Slug,
    pub(crate) content: Content,
}

/// The head of an article's file, between two lines `+++`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    slug: String,
    title: String,
    summary: String,
    tags: Vec<String>,
    questions: Vec<String>,
    audience: Audience,
}

/// Who may read an article.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audience {
    /// Everybody.
    Public,
}

/// The file of an article is not as it must be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it does not begin with a head between two lines `+++`")]
    NoHead,
    #[error("its head cannot be read")]
    Head(#[from] toml::de::Error),
    #[error("its slug is not its file's name")]
    Slug,
    #[error("its content is not valid for an article: {0}")]
    Content(&'static str),
}

impl Shipped {
    /// Reads the file of an article.
    pub(crate) fn read(file: &str, text: &str) -> Result<Self, Malformed> {
        let inner = text.strip_prefix("+++\n").ok_or(Malformed::NoHead)?;
        let (head, body) = inner.split_once("\n+++\n").ok_or(Malformed::NoHead)?;
        // There is one audience so far; the field is read so that another one is not published by mistake.
        let Head { slug, title, summary, tags, questions, audience: Audience::Public } =
            toml::from_str(head)?;
        if file.strip_suffix(".md") != Some(slug.as_str()) {
            return Err(Malformed::Slug);
        }
        let slug = slug.parse().map_err(|NotASlug| Malformed::Slug)?;
        let content = Content { title, summary, tags, questions, body: body.trim().to_owned() };
        match content.faults().first() {
            Some(fault) => Err(Malformed::Content(fault.field)),
            None => Ok(Self { slug, content }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "+++\nslug = \"a-b\"\ntitle = \"T\"\nsummary = \"S\"\ntags = [\"x\"]\nquestions = [\"y?\"]\naudience = \"public\"\n+++\n\nText.\n";

    #[test]
    fn a_file_has_a_head_and_a_text() {
        let article = Shipped::read("a-b.md", FILE).expect("an article");
        assert_eq!((article.slug.as_str(), article.content.body.as_str()), ("a-b", "Text."));
        assert_eq!(
            (article.content.tags, article.content.questions),
            (vec!["x".to_owned()], vec!["y?".to_owned()])
        );
        for (wrong, with) in [
            ("+++\nslug", "slug"),
            ("\"public\"", "\"staff\""),
            ("title = \"T\"\n", ""),
            ("\"S\"", "\"\""),
            ("Text.", ""),
            ("slug = \"a-b\"", "slug = \"a_b\""),
            ("slug", "sluggish = 1\nslug"),
        ] {
            assert!(Shipped::read("a-b.md", &FILE.replacen(wrong, with, 1)).is_err(), "{wrong} as {with}");
        }
        assert!(Shipped::read("b.md", FILE).is_err());
    }

    #[test]
    fn each_change_of_the_content_changes_its_hash() {
        let content = Shipped::read("a-b.md", FILE).expect("an article").content;
        let hash = content.hash();
        assert_eq!(content.clone().hash(), hash);
        let changes: [fn(&mut Content); 5] = [
            |content| content.title.push('x'),
            |content| content.summary.push('x'),
            |content| content.tags.push("x".to_owned()),
            |content| content.questions.push("x".to_owned()),
            |content| content.body.push('x'),
        ];
        for change in changes {
            let mut other = content.clone();
            change(&mut other);
            assert_ne!(other.hash(), hash);
        }
    }
}
