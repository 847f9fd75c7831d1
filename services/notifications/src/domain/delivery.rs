//! The rules of delivery. Attempts of one message never overlap. A message is handed over again only if that cannot produce a
//! second mail.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::message::Outcome;

typed_id!(pub AttemptId, "a delivery attempt");

/// The timeout of a call to a provider, in seconds.
pub const PATIENCE_S: u32 = 10;
/// How long an attempt without an outcome counts as under way. It covers the provider's time and the time to store the outcome
/// while the database is down. The lease of a deferred call is longer, so an attempt that a killed process left causes no extra
/// wait.
pub const UNDER_WAY: TimeDelta = TimeDelta::seconds(30);

/// How long a provider remembers an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMemory {
    /// For ever.
    ForGood,
    /// For this time after it first saw the key. Zero: the provider ignores keys.
    For(TimeDelta),
}

/// `KeyMemory` as the setting gives it: a number of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHours(u16);

/// The text is not a number of hours.
#[derive(Debug, thiserror::Error)]
#[error("not a number of hours")]
pub struct NotHours;

impl FromStr for KeyHours {
    type Err = NotHours;

    fn from_str(text: &str) -> Result<Self, NotHours> {
        text.parse().map(Self).map_err(|_| NotHours)
    }
}

impl KeyHours {
    /// The number of hours.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The key memory that this number means.
    #[must_use]
    pub fn memory(self) -> KeyMemory {
        KeyMemory::For(TimeDelta::hours(self.0.into()))
    }
}

wire_enum! {
    /// The outcome of an attempt.
    pub enum AttemptOutcome: wire::delivery_attempt::Outcome {
        /// The provider took the message.
        Accepted = "ACCEPTED",
        /// The provider refused the message for good.
        Refused = "REFUSED",
        /// The provider certainly did not take the message.
        NotAccepted = "NOT_ACCEPTED",
        /// The provider may have taken the message.
        Ambiguous = "AMBIGUOUS",
    }
}

/// One attempt to hand a message to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// The provider.
    pub provider: String,
    /// The round of the message that this attempt belongs to.
    pub round: i32,
    /// The idempotency key that the provider got.
    pub idempotency_key: String,
    /// When the attempt was stored, just before the call to the provider.
    pub begin_time: DateTime<Utc>,
    /// The outcome, and when it was stored.
    pub end: Option<(AttemptOutcome, DateTime<Utc>)>,
    /// A text for operators, without personal data.
    pub detail: String,
}

impl Attempt {
    /// The name of the provider, without the account.
    #[must_use]
    pub fn provider_name(&self) -> &str {
        self.provider.split(':').next().unwrap_or_default()
    }

    /// Whether the provider may have taken the message in this attempt, and its answer does not tell.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.end, None | Some((AttemptOutcome::Ambiguous, _)))
    }
}

/// The next step for a pending message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hand the message over, for the first time or again.
    HandOver,
    /// Another delivery of the message is under way. Check again after this time.
    Wait(TimeDelta),
    /// Do not hand the message over: that could produce a second mail.
    Doubt(Doubt),
}

/// Why nobody knows whether a message was sent, and why another attempt would not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// The provider honours no idempotency keys.
    #[error(
        "the provider may have taken it, and honours no idempotency key: to send it again could make two mails of it"
    )]
    NoKeys,
    /// The provider honours idempotency keys, but it has forgotten this one.
    #[error(
        "the provider may have taken it, and does not honour the idempotency key any more: to send it again could make two mails of it"
    )]
    KeyForgotten,
    /// A key is valid between us and one provider only.
    #[error(
        "another provider than the present one may have taken it: to send it again could make two mails of it"
    )]
    OtherProvider,
    /// The provider knows the key from a different request.
    #[error(
        "the provider knows the idempotency key from a request that was not the same: it may have taken it then"
    )]
    KeyTaken,
    /// The provider refuses the message now, but it may have taken the message before.
    #[error("the provider refused it, but may have taken it before")]
    RefusedLater,
    /// The delivery was given up, so no more attempts will tell.
    #[error("the provider may have taken it, and its delivery was given up before it said so")]
    GivenUp,
}

/// The next step in a round, after all these attempts of the message. An attempt that is under way delays the step, whatever its
/// round. Finished attempts of older rounds do not count: the person who began this round knew their outcomes.
#[must_use]
pub fn next_step(
    attempts: &[Attempt],
    round: i32,
    provider: &str,
    memory: KeyMemory,
    now: DateTime<Utc>,
) -> Step {
    let under_way = attempts.iter().filter(|attempt| attempt.end.is_none());
    let left = under_way.map(|attempt| attempt.begin_time + UNDER_WAY - now).max();
    match left {
        Some(left) if left > TimeDelta::zero() => Step::Wait(left),
        _ => doubt(&of_round(attempts, round), provider, memory, now).map_or(Step::HandOver, Step::Doubt),
    }
}

/// The attempts of a message that belong to this round.
#[must_use]
pub fn of_round(attempts: &[Attempt], round: i32) -> Vec<Attempt> {
    attempts.iter().filter(|attempt| attempt.round == round).cloned().collect()
}

/// Why the message must not be handed over again. None if it may be.
#[must_use]
pub fn doubt(attempts: &[Attempt], provider: &str, memory: KeyMemory, now: DateTime<Utc>) -> Option<Doubt> {
    let mut ambiguous = attempts.iter().filter(|attempt| attempt.is_ambiguous()).peekable();
    ambiguous.peek()?;
    if ambiguous.any(|attempt| attempt.provider != provider) {
        return Some(Doubt::OtherProvider);
    }
    match memory {
        KeyMemory::ForGood => None,
        KeyMemory::For(window) if window.is_zero() => Some(Doubt::NoKeys),
        KeyMemory::For(window) => {
            // The time runs from the first attempt in which the provider may have seen the key to the end of the next call.
            let with_it = attempts.iter().filter(|attempt| attempt.provider == provider);
            let first = with_it.map(|attempt| attempt.begin_time).min()?;
            let last = now + TimeDelta::seconds(PATIENCE_S.into());
            (last > first + window).then_some(Doubt::KeyForgotten)
        }
    }
}

/// The outcome of a pending message whose delivery was given up, after these attempts of its round.
#[must_use]
pub fn outcome_of_giving_up(attempts: &[Attempt], tries: i32, failure: &str) -> Outcome {
    if attempts.iter().any(Attempt::is_ambiguous) {
        return Outcome::InDoubt { doubt: Doubt::GivenUp.to_string() };
    }
    Outcome::Failed { failure: format!("its delivery was given up after {tries} tries: {failure}") }
}

/// Whether a failed message can have failed only because its delivery was given up. True if, in these attempts of its round, no
/// provider refused the message and none may have taken it.
#[must_use]
pub fn is_open_still(attempts: &[Attempt]) -> bool {
    attempts.iter().all(|attempt| matches!(attempt.end, Some((AttemptOutcome::NotAccepted, _))))
}

/// The doubt that remains after the provider refuses a message for good, given the earlier attempts.
#[must_use]
pub fn doubt_about_refusal(before: &[Attempt]) -> Option<Doubt> {
    before.iter().any(Attempt::is_ambiguous).then_some(Doubt::RefusedLater)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: KeyMemory = KeyMemory::For(TimeDelta::hours(24));
    const NONE: KeyMemory = KeyMemory::For(TimeDelta::zero());

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn attempt(begin_s: i64, outcome: Option<AttemptOutcome>) -> Attempt {
        Attempt {
            id: AttemptId::new_at(at(begin_s)),
            provider: "resend".to_owned(),
            round: 1,
            idempotency_key: "k".to_owned(),
            begin_time: at(begin_s),
            end: outcome.map(|outcome| (outcome, at(begin_s))),
            detail: String::new(),
        }
    }

    fn step(attempts: &[Attempt], memory: KeyMemory, now_s: i64) -> Step {
        next_step(attempts, 1, "resend", memory, at(now_s))
    }

    #[test]
    fn an_attempt_under_way_is_waited_for_whatever_the_provider_honours() {
        for memory in [KeyMemory::ForGood, DAY, NONE] {
            assert_eq!(step(&[attempt(0, None)], memory, 0), Step::Wait(UNDER_WAY));
            assert_eq!(step(&[attempt(0, None)], memory, 29), Step::Wait(TimeDelta::seconds(1)));
        }
    }

    #[test]
    fn what_may_be_with_the_provider_is_repeated_only_while_it_knows_the_key() {
        for outcome in [None, Some(AttemptOutcome::Ambiguous)] {
            let attempts = [attempt(0, outcome)];
            assert_eq!(step(&attempts, NONE, 60), Step::Doubt(Doubt::NoKeys));
            let last = 24 * 3600 - i64::from(PATIENCE_S);
            assert_eq!(step(&attempts, DAY, last), Step::HandOver);
            assert_eq!(step(&attempts, DAY, last + 1), Step::Doubt(Doubt::KeyForgotten));
            assert_eq!(step(&attempts, KeyMemory::ForGood, last * 1000), Step::HandOver);
        }
    }

    #[test]
    fn what_is_certainly_not_with_the_provider_is_repeated_for_as_long_as_it_takes() {
        let attempts = [attempt(0, Some(AttemptOutcome::NotAccepted))];
        for memory in [KeyMemory::ForGood, DAY, NONE] {
            assert_eq!(step(&[], memory, 0), Step::HandOver);
            assert_eq!(step(&attempts, memory, 100 * 3600), Step::HandOver);
        }
    }

    #[test]
    fn the_window_begins_with_the_first_attempt_and_a_later_certainty_does_not_clear_a_doubt() {
        let ambiguous = Some(AttemptOutcome::Ambiguous);
        let not_accepted = Some(AttemptOutcome::NotAccepted);
        let late = [attempt(0, not_accepted), attempt(23 * 3600, ambiguous)];
        assert_eq!(step(&late, DAY, 24 * 3600), Step::Doubt(Doubt::KeyForgotten));
        let then_sure = [attempt(0, ambiguous), attempt(60, not_accepted)];
        assert_eq!(step(&then_sure, NONE, 120), Step::Doubt(Doubt::NoKeys));
        assert_eq!(doubt_about_refusal(&then_sure), Some(Doubt::RefusedLater));
        assert_eq!(doubt_about_refusal(&[attempt(0, not_accepted)]), None);
    }

    #[test]
    fn an_attempt_of_another_round_is_waited_for_and_then_says_nothing() {
        let attempts = [attempt(0, None)];
        let step = |now_s| next_step(&attempts, 2, "resend", NONE, at(now_s));
        assert_eq!(step(29), Step::Wait(TimeDelta::seconds(1)));
        assert_eq!(step(30), Step::HandOver);
    }

    #[test]
    fn what_was_given_up_has_failed_unless_the_provider_may_have_it() {
        let (not_accepted, refused) = (Some(AttemptOutcome::NotAccepted), Some(AttemptOutcome::Refused));
        let clear = [attempt(0, not_accepted), attempt(60, not_accepted)];
        let Outcome::Failed { failure } = outcome_of_giving_up(&clear, 25, "UNAVAILABLE") else {
            panic!("it failed")
        };
        assert_eq!(failure, "its delivery was given up after 25 tries: UNAVAILABLE");
        assert!(is_open_still(&clear) && is_open_still(&[]));
        for unclear in [None, Some(AttemptOutcome::Ambiguous)] {
            let attempts = [attempt(0, not_accepted), attempt(60, unclear)];
            assert!(matches!(outcome_of_giving_up(&attempts, 25, "X"), Outcome::InDoubt { .. }));
            assert!(!is_open_still(&attempts));
        }
        assert!(!is_open_still(&[attempt(0, refused)]));
    }

    #[test]
    fn another_provider_knows_no_key_of_ours() {
        let attempts = [attempt(0, Some(AttemptOutcome::Ambiguous))];
        let step = next_step(&attempts, 1, "mailbox", KeyMemory::ForGood, at(60));
        assert_eq!(step, Step::Doubt(Doubt::OtherProvider));
    }

    #[test]
    fn hours_are_a_small_number() {
        assert_eq!("24".parse::<KeyHours>().expect("hours").memory(), DAY);
        assert_eq!("0".parse::<KeyHours>().expect("hours").memory(), NONE);
        for text in ["", "-1", "1.5", "a day", "99999"] {
            assert!(text.parse::<KeyHours>().is_err(), "{text}");
        }
    }
}
