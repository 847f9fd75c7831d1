//! The assistant's step after a message: it answers, or a person takes over. Only rules decide it, never the text of an article
//! or of a model.

use super::{
    phrases::Phrases,
    turn::{HandOffReason, Outcome, Turn},
};

/// The lists of phrases.
#[derive(Debug)]
pub(crate) struct Signals {
    asks_for_person: Phrases,
    wants_money_back: Phrases,
    is_angry: Phrases,
    not_helpful: Phrases,
    greets: Phrases,
    consents: Phrases,
}

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A person takes over.
    HandOff(HandOffReason),
    /// It asks nothing.
    Acknowledge,
    /// It says that the answer before did not help, for the first time.
    Apologise,
    /// It is a question.
    Search,
}

impl Signals {
    /// The lists that come with the service.
    pub(crate) fn shipped() -> Self {
        Self {
            asks_for_person: Phrases::read(include_str!("../../data/person-phrases.txt")),
            wants_money_back: Phrases::read(include_str!("../../data/money-back-phrases.txt")),
            is_angry: Phrases::read(include_str!("../../data/anger-words.txt")),
            not_helpful: Phrases::read(include_str!("../../data/not-helpful-phrases.txt")),
            greets: Phrases::read(include_str!("../../data/greeting-phrases.txt")),
            consents: Phrases::read(include_str!("../../data/consent-phrases.txt")),
        }
    }

    /// Decides by the message and the turn before it.
    pub(crate) fn step(&self, message: &str, before: Option<&Turn>) -> Step {
        let offered = before.is_some_and(|turn| turn.offers_person);
        let failed = before.is_some_and(|turn| turn.not_helpful);
        if self.asks_for_person.are_in(message) || (offered && self.consents.are_in(message)) {
            Step::HandOff(HandOffReason::Asked)
        } else if self.wants_money_back.are_in(message) {
            Step::HandOff(HandOffReason::MoneyBack)
        } else if self.is_angry.are_in(message) {
            Step::HandOff(HandOffReason::Anger)
        } else if before.is_some() && self.not_helpful.are_in(message) {
            if failed { Step::HandOff(HandOffReason::NotHelpful) } else { Step::Apologise }
        } else if self.greets.are_in(message) {
            Step::Acknowledge
        } else {
            Step::Search
        }
    }
}

/// Whether a person takes over because this question has no answer either.
pub(crate) fn gives_up(before: Option<&Turn>) -> bool {
    before.is_some_and(|turn| turn.outcome == Outcome::NotKnown)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn turn(outcome: Outcome, offers_person: bool, not_helpful: bool) -> Turn {
        let mut turn = Turn::begin(1, "?", DateTime::UNIX_EPOCH);
        turn.answer(outcome, "!".to_owned());
        (turn.offers_person, turn.not_helpful) = (offers_person, not_helpful);
        turn
    }

    #[test]
    fn a_message_leads_to_a_person_by_the_rules_and_by_nothing_else() {
        use HandOffReason::{Anger, Asked, MoneyBack, NotHelpful};

        let signals = Signals::shipped();
        let (answered, offered) =
            (turn(Outcome::Answered, false, false), turn(Outcome::NotKnown, true, false));
        let failed = turn(Outcome::NotKnown, true, true);
        for (message, before, expected) in [
            ("I want to talk to a human", None, Step::HandOff(Asked)),
            ("Can I speak to a real person please?", Some(&answered), Step::HandOff(Asked)),
            ("yes please", Some(&offered), Step::HandOff(Asked)),
            ("yes please", Some(&answered), Step::Search),
            ("I want my money back!", None, Step::HandOff(MoneyBack)),
            ("This is ridiculous", Some(&answered), Step::HandOff(Anger)),
            ("That does not help", Some(&answered), Step::Apologise),
            ("That does not help", Some(&failed), Step::HandOff(NotHelpful)),
            ("Hello!", None, Step::Acknowledge),
            ("Thank you very much", Some(&answered), Step::Acknowledge),
            ("What is your refund policy?", None, Step::Search),
            ("How long does the delivery take?", Some(&failed), Step::Search),
        ] {
            assert_eq!(signals.step(message, before), expected, "{message}");
        }
    }

    #[test]
    fn a_person_takes_over_after_the_second_question_without_an_answer() {
        assert!(!gives_up(None));
        assert!(!gives_up(Some(&turn(Outcome::Answered, false, false))));
        assert!(gives_up(Some(&turn(Outcome::NotKnown, true, false))));
    }
}
