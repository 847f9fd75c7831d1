//! One turn of a conversation: the customer's text, in one message or in a burst of several, and the answer.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_support::v1 as wire;
use levqor_runtime::{site::SiteUrl, timestamp, wire_enum};

use super::article::{ArticleId, Slug};

wire_enum! {
    /// The outcome of a turn.
    pub(crate) enum Outcome: wire::turn::Outcome {
        /// The answer quotes an article.
        Answered = "ANSWERED",
        /// The knowledge base has no answer.
        NotKnown = "NOT_KNOWN",
        /// The text asks nothing.
        Acknowledged = "ACKNOWLEDGED",
        /// The conversation went to a person.
        HandedOff = "HANDED_OFF",
        /// A person has the conversation; the message was added to the ticket.
        Forwarded = "FORWARDED",
        /// A person wrote the reply.
        Replied = "REPLIED",
        /// A person returned the conversation to the assistant.
        Returned = "RETURNED",
        /// The answer is from the customer's own account.
        OwnData = "OWN_DATA",
    }
}

wire_enum! {
    /// Why a conversation went to a person.
    pub(crate) enum HandOffReason: wire::turn::HandOffReason {
        /// The customer asked for a person.
        Asked = "ASKED",
        /// Two turns in a row had no answer.
        NoAnswer = "NO_ANSWER",
        /// The customer said twice that the answers do not help.
        NotHelpful = "NOT_HELPFUL",
        /// The customer wants money back.
        MoneyBack = "MONEY_BACK",
        /// The customer is angry.
        Anger = "ANGER",
        /// A person took the conversation.
        Taken = "TAKEN",
    }
}

impl HandOffReason {
    /// The reason in words, for operators.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Asked => "the customer asked for a person",
            Self::NoAnswer => "the assistant had no answer twice",
            Self::NotHelpful => "the answers did not help",
            Self::MoneyBack => "the customer wants money back",
            Self::Anger => "the customer is angry",
            Self::Taken => "a person took the conversation",
        }
    }
}

/// Messages that come within this time of each other are one turn.
const BURST: TimeDelta = TimeDelta::seconds(1);
/// The maximum numbers of messages and of characters in a turn.
const MOST_MESSAGES: i32 = 20;
const MOST_CHARS: usize = 12_000;

/// A passage that an answer is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) article_id: ArticleId,
    pub(crate) slug: Slug,
    pub(crate) title: String,
    /// Empty at the beginning of an article.
    pub(crate) heading: String,
}

/// A turn.
#[derive(Clone)]
pub(crate) struct Turn {
    /// From 1.
    pub(crate) position: i32,
    /// Empty if a person began the turn.
    pub(crate) customer_text: String,
    pub(crate) message_count: i32,
    pub(crate) last_message_time: Option<DateTime<Utc>>,
    pub(crate) outcome: Outcome,
    pub(crate) reply: String,
    pub(crate) offers_person: bool,
    pub(crate) hand_off_reason: Option<HandOffReason>,
    /// Whether the customer said that the answer before did not help.
    pub(crate) not_helpful: bool,
    /// The articles of an answer; otherwise none.
    pub(crate) sources: Vec<Source>,
    pub(crate) create_time: DateTime<Utc>,
}

impl Turn {
    /// A turn without a message.
    pub(crate) fn silent(position: i32, outcome: Outcome, reply: String, now: DateTime<Utc>) -> Self {
        Self {
            position,
            customer_text: String::new(),
            message_count: 0,
            last_message_time: None,
            outcome,
            reply,
            offers_person: false,
            hand_off_reason: None,
            not_helpful: false,
            sources: Vec::new(),
            create_time: now,
        }
    }

    /// A turn that begins with this message. Its answer is still to come.
    pub(crate) fn begin(position: i32, text: &str, now: DateTime<Utc>) -> Self {
        let mut turn = Self::silent(position, Outcome::NotKnown, String::new(), now);
        turn.add(text, now);
        turn
    }

    /// Whether a message of now belongs to this turn.
    pub(crate) fn takes(&self, text: &str, now: DateTime<Utc>) -> bool {
        let soon = self.last_message_time.is_some_and(|last| now - last < BURST);
        soon && self.message_count < MOST_MESSAGES && self.customer_text.len() + text.len() < MOST_CHARS
    }

    /// Adds a message.
    pub(crate) fn add(&mut self, text: &str, now: DateTime<Utc>) {
        if !self.customer_text.is_empty() {
            self.customer_text.push('\n');
        }
        self.customer_text.push_str(text);
        self.message_count += 1;
        self.last_message_time = Some(now);
    }

    /// Sets the answer. It replaces the answer to the earlier messages of the turn.
    pub(crate) fn answer(&mut self, outcome: Outcome, reply: String) {
        (self.outcome, self.reply) = (outcome, reply);
        (self.offers_person, self.hand_off_reason, self.not_helpful) = (false, None, false);
        self.sources.clear();
    }

    /// The turn on the wire.
    pub(crate) fn to_wire(&self, site: &SiteUrl) -> wire::Turn {
        let source = |source: &Source| wire::Source {
            article_id: source.article_id.to_string(),
            slug: source.slug.as_str().to_owned(),
            title: source.title.clone(),
            heading: source.heading.clone(),
            url: format!("{site}/help/{}", source.slug.as_str()),
        };
        wire::Turn {
            position: self.position,
            customer_text: self.customer_text.clone(),
            message_count: self.message_count,
            reply: self.reply.clone(),
            outcome: self.outcome.into(),
            sources: self.sources.iter().map(source).collect(),
            hand_off_reason: self.hand_off_reason.map(Into::into).unwrap_or_default(),
            offers_person: self.offers_person,
            create_time: Some(timestamp(self.create_time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_800_000_000_000 + ms).expect("an instant")
    }

    #[test]
    fn messages_within_a_second_of_each_other_are_one_turn() {
        let mut turn = Turn::begin(1, "a", at(0));
        assert!(turn.takes("b", at(999)) && !turn.takes("b", at(1_000)));
        turn.add("b", at(900));
        assert!(turn.takes("c", at(1_800)), "a second after the last message, not the first");
        assert_eq!((turn.customer_text.as_str(), turn.message_count), ("a\nb", 2));
        assert!(!turn.takes(&"c".repeat(MOST_CHARS), at(901)));
        for _ in 2..MOST_MESSAGES {
            turn.add("x", at(901));
        }
        assert!(!turn.takes("one too many", at(902)));
        let silent = Turn::silent(2, Outcome::Replied, String::new(), at(0));
        assert!(!silent.takes("a", at(1)), "a reply of staff is no message");
    }
}
