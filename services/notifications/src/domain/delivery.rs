//! How a message is handed to a provider: attempt by attempt, one at a time, and again only where that cannot make two
//! mails of it.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::message::Outcome;

typed_id!(pub AttemptId, "a delivery attempt");

/// How long a provider may take to answer, in seconds.
pub const PATIENCE_S: u32 = 10;
/// For how long an attempt without outcome is taken to be under way: the provider's time, and time to write the outcome
/// down while the database is away. A deferred call's lease is longer, so what a killed process leaves costs no extra wait.
pub const UNDER_WAY: TimeDelta = TimeDelta::seconds(30);

/// For how long a provider knows an idempotency key again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyMemory {
    /// For good.
    ForGood,
    /// For so long after it first saw the key. Zero: it does not look at keys.
    For(TimeDelta),
}

/// `KeyMemory` as a setting says it: a number of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHours(u16);

/// The text is not such a number.
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
    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The memory.
    #[must_use]
    pub fn memory(self) -> KeyMemory {
        KeyMemory::For(TimeDelta::hours(self.0.into()))
    }
}

wire_enum! {
    /// What came of an attempt.
    pub enum AttemptOutcome: wire::delivery_attempt::Outcome {
        /// The provider took the message.
        Accepted = "ACCEPTED",
        /// It refused the message for good.
        Refused = "REFUSED",
        /// It certainly did not take the message.
        NotAccepted = "NOT_ACCEPTED",
        /// It may have taken the message.
        Ambiguous = "AMBIGUOUS",
    }
}

/// One time that a message was handed to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Which provider.
    pub provider: String,
    /// The message's round that it belongs to.
    pub round: i32,
    /// The key that the provider was given.
    pub idempotency_key: String,
    /// When it was written down, just before the provider was called.
    pub begin_time: DateTime<Utc>,
    /// What came of it, and when that was written down.
    pub end: Option<(AttemptOutcome, DateTime<Utc>)>,
    /// In words for operators; nothing personal.
    pub detail: String,
}

impl Attempt {
    /// The provider's name, without the account.
    #[must_use]
    pub fn provider_name(&self) -> &str {
        self.provider.split(':').next().unwrap_or_default()
    }

    /// Whether the message may be with the provider because of it, and nobody knows.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.end, None | Some((AttemptOutcome::Ambiguous, _)))
    }
}

/// What to do next about a pending message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hand it over, for the first time or again.
    HandOver,
    /// Another delivery is at it; look again after this.
    Wait(TimeDelta),
    /// Do not hand it over: that could make two mails of it.
    Doubt(Doubt),
}

/// Why nobody knows whether a message was sent, and why trying again would not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// There are no keys.
    #[error(
        "the provider may have taken it, and honours no idempotency key: to send it again could make two mails of it"
    )]
    NoKeys,
    /// There are, but not for so long.
    #[error(
        "the provider may have taken it, and does not honour the idempotency key any more: to send it again could make two mails of it"
    )]
    KeyForgotten,
    /// Keys are between us and one provider.
    #[error(
        "another provider than the present one may have taken it: to send it again could make two mails of it"
    )]
    OtherProvider,
    /// It knows the key from another request of ours.
    #[error(
        "the provider knows the idempotency key from a request that was not the same: it may have taken it then"
    )]
    KeyTaken,
    /// What it refuses now it may have taken before.
    #[error("the provider refused it, but may have taken it before")]
    RefusedLater,
    /// Nobody asks any more.
    #[error("the provider may have taken it, and its delivery was given up before it said so")]
    GivenUp,
}

/// What to do next in a round, after all these attempts of the message. What is under way is waited for whatever round it
/// belongs to; what came of older rounds is what the person knew who began this one.
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

/// Those of a message's attempts that belong to a round.
#[must_use]
pub fn of_round(attempts: &[Attempt], round: i32) -> Vec<Attempt> {
    attempts.iter().filter(|attempt| attempt.round == round).cloned().collect()
}

/// Why the message must not be handed over again; none where it may be.
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
            // Counted from the first time that the provider may have seen the key, to the last moment of the next call.
            let with_it = attempts.iter().filter(|attempt| attempt.provider == provider);
            let first = with_it.map(|attempt| attempt.begin_time).min()?;
            let last = now + TimeDelta::seconds(PATIENCE_S.into());
            (last > first + window).then_some(Doubt::KeyForgotten)
        }
    }
}

/// What follows for a pending message whose delivery was given up, after these attempts of its round.
#[must_use]
pub fn outcome_of_giving_up(attempts: &[Attempt], tries: i32, failure: &str) -> Outcome {
    if attempts.iter().any(Attempt::is_ambiguous) {
        return Outcome::InDoubt { doubt: Doubt::GivenUp.to_string() };
    }
    Outcome::Failed { failure: format!("its delivery was given up after {tries} tries: {failure}") }
}

/// Whether, after these attempts of its round, a message can have failed only because its delivery was given up: no
/// provider has refused it, and none may have it.
#[must_use]
pub fn is_open_still(attempts: &[Attempt]) -> bool {
    attempts.iter().all(|attempt| matches!(attempt.end, Some((AttemptOutcome::NotAccepted, _))))
}

/// What a refusal for good says about the message, after these attempts before it.
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
