//! The survey after a ticket was solved.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{error::Invalid, error::Violations, request::Field, timestamp};

use super::text::SurveyText;

/// How satisfied a customer is: 1 (bad) to 5 (good).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Score(u8);

/// The text is not a score.
#[derive(Debug, thiserror::Error)]
#[error("not a score")]
pub(crate) struct NotAScore;

impl Score {
    /// Every score.
    pub(crate) const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The number.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// The number as a text.
    pub(crate) const fn as_str(self) -> &'static str {
        match self.0 {
            1 => "1",
            2 => "2",
            3 => "3",
            4 => "4",
            _ => "5",
        }
    }

    /// The page's text beside the number.
    pub(crate) const fn in_words(self) -> &'static str {
        match self.0 {
            1 => "Very bad",
            2 => "Bad",
            3 => "All right",
            4 => "Good",
            _ => "Very good",
        }
    }
}

impl FromStr for Score {
    type Err = NotAScore;

    fn from_str(text: &str) -> Result<Self, NotAScore> {
        Self::ALL.into_iter().find(|score| score.as_str() == text).ok_or(NotAScore)
    }
}

impl Field for Score {
    const EXPECTED: &'static str = "a number from 1 to 5";
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) score: Score,
    /// May be empty.
    pub(crate) comment: String,
}

impl Answer {
    /// Reads the fields of the form.
    pub(crate) fn of_form(fields: impl Iterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let (mut score, mut comment) = (String::new(), String::new());
        for (name, value) in fields {
            match name.as_str() {
                "score" => score = value,
                "comment" => comment = value,
                // A field that a browser's extension adds is not ours to refuse.
                _ => {}
            }
        }
        let mut violations = Violations::new();
        let score = violations.field("form.score", &score);
        let comment: Option<SurveyText> = violations.field("form.comment", &comment);
        let answer = score.zip(comment);
        violations.finish(answer.map(|(score, comment)| Self { score, comment: comment.as_str().to_owned() }))
    }
}

/// A stored answer, as staff see it on the ticket.
pub(crate) struct Answered {
    pub(crate) score: i16,
    pub(crate) comment: String,
    pub(crate) time: DateTime<Utc>,
}

impl From<Answered> for wire::TicketSurvey {
    fn from(answered: Answered) -> Self {
        Self {
            score: answered.score.into(),
            comment: answered.comment,
            answer_time: Some(timestamp(answered.time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_needs_a_score_of_1_to_5_and_may_have_a_comment() {
        let read = |fields: &[(&str, &str)]| {
            Answer::of_form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        let answer = read(&[("score", "4"), ("comment", " fine "), ("x", "y")]).expect("an answer");
        assert_eq!((answer.score.number(), answer.comment.as_str()), (4, "fine"));
        assert!(read(&[("score", "5")]).is_ok_and(|answer| answer.comment.is_empty()));
        for wrong in ["", "0", "6", "05", "five", "-1"] {
            assert!(read(&[("score", wrong)]).is_err(), "{wrong}");
        }
        assert!(read(&[("score", "1"), ("comment", &"x".repeat(2_001))]).is_err());
    }
}
