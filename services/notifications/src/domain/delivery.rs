//! The rules of delivery. Attempts of one message never overlap. A message is handed over again only if that cannot produce a
//! second mail.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{typed_id, wire_enum};

use super::message::Outcome;

typed_id!(pub AttemptId, "a delivery attempt");

/// The timeout of a call to a provider, in seconds.
pub const TIMEOUT_S: u32 = 10;
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

impl KeyMemory {
    /// The provider ignores keys.
    pub const NONE: Self = Self::For(TimeDelta::zero());
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
        /// The provider refused the message permanently.
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

/// A provider that may get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The provider's identity.
    pub identity: &'a str,
    /// How long it remembers an idempotency key.
    pub memory: KeyMemory,
}

/// The next step for a pending message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Hand the message over, for the first time or again, to the candidate at this place.
    HandOver(usize),
    /// Another delivery of the message is under way. Check again after this time.
    Wait(TimeDelta),
    /// Do not hand the message over: that could produce a second mail.
    Doubt(Doubt),
}

/// Why it is in doubt whether a message was sent, and why another attempt would not end the doubt.
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
    /// The message must not be sent any more, so no further attempt will end the doubt.
    #[error("the provider may have taken it, and it must not be sent any more: {0}")]
    Stopped(&'static str),
    /// The delivery was given up, so no further attempt will end the doubt.
    #[error("the provider may have taken it, and its delivery was given up before it said so")]
    GivenUp,
}

/// The next step in a round, after all these attempts of the message. An attempt that is under way delays the step, whatever its
/// round. Finished attempts of older rounds do not count: the person who began this round knew their outcomes.
///
/// Of several candidates the one at `preferred` gets the message, unless a provider may have it already: then only that provider
/// may get it again, under the same key.
#[must_use]
pub fn next_step(
    attempts: &[Attempt],
    round: i32,
    candidates: &[Candidate<'_>],
    preferred: usize,
    now: DateTime<Utc>,
) -> Step {
    let under_way = attempts.iter().filter(|attempt| attempt.end.is_none());
    let left = under_way.map(|attempt| attempt.begin_time + UNDER_WAY - now).max();
    match left {
        Some(left) if left > TimeDelta::zero() => Step::Wait(left),
        _ => hand_over(&of_round(attempts, round), candidates, preferred, now),
    }
}

fn hand_over(
    attempts: &[Attempt],
    candidates: &[Candidate<'_>],
    preferred: usize,
    now: DateTime<Utc>,
) -> Step {
    let Some(holder) = attempts.iter().find(|attempt| attempt.is_ambiguous()) else {
        return Step::HandOver(preferred);
    };
    let Some(place) = candidates.iter().position(|candidate| candidate.identity == holder.provider) else {
        return Step::Doubt(Doubt::OtherProvider);
    };
    let memory = candidates.get(place).map_or(KeyMemory::NONE, |candidate| candidate.memory);
    doubt(attempts, &holder.provider, memory, now).map_or(Step::HandOver(place), Step::Doubt)
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
            let last = now + TimeDelta::seconds(TIMEOUT_S.into());
            (last > first + window).then_some(Doubt::KeyForgotten)
        }
    }
}

/// The known facts about a provider's answer that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// An attempt is under way: the answer may still come.
    UnderWay,
    /// The answer was lost, or did not say whether the provider has the mail.
    Lost,
}

/// The known facts about the missing answer of this provider in this round. None: no answer of this provider is
/// missing.
#[must_use]
pub fn awaited(attempts: &[Attempt], round: i32, provider: &str, now: DateTime<Utc>) -> Option<Awaited> {
    let of_provider = |attempt: &&Attempt| {
        attempt.round == round && attempt.provider_name() == provider && attempt.is_ambiguous()
    };
    let mut ambiguous = attempts.iter().filter(of_provider).peekable();
    ambiguous.peek()?;
    let is_under_way = ambiguous.any(|attempt| attempt.end.is_none() && attempt.begin_time + UNDER_WAY > now);
    Some(if is_under_way { Awaited::UnderWay } else { Awaited::Lost })
}

/// The outcome of a pending message whose delivery was given up, after these attempts of its round.
#[must_use]
pub fn outcome_of_giving_up(attempts: &[Attempt], tries: i32, failure: &str) -> Outcome {
    if attempts.iter().any(Attempt::is_ambiguous) {
        return Outcome::InDoubt { doubt: Doubt::GivenUp.to_string() };
    }
    Outcome::Failed { failure: format!("its delivery was given up after {tries} tries: {failure}") }
}

/// The outcome of a pending message that must not be handed over any more, after these attempts of its round. If a provider may
/// have it, it is in doubt: another attempt could tell, but could also send it.
#[must_use]
pub fn outcome_of_stopping(attempts: &[Attempt], stopped: Outcome) -> Outcome {
    if !attempts.iter().any(Attempt::is_ambiguous) {
        return stopped;
    }
    let why = match stopped {
        Outcome::Suppressed { reason } => reason.as_str(),
        _ => "it is not wanted any more",
    };
    Outcome::InDoubt { doubt: Doubt::Stopped(why).to_string() }
}

/// Whether a failed message can have failed only because its delivery was given up. True if, in these attempts of its round, no
/// provider refused the message and none may have taken it.
#[must_use]
pub fn is_open_still(attempts: &[Attempt]) -> bool {
    attempts.iter().all(|attempt| matches!(attempt.end, Some((AttemptOutcome::NotAccepted, _))))
}

/// The doubt that remains after the provider refuses a message permanently, given the earlier attempts.
#[must_use]
pub fn doubt_about_refusal(before: &[Attempt]) -> Option<Doubt> {
    before.iter().any(Attempt::is_ambiguous).then_some(Doubt::RefusedLater)
}

#[cfg(test)]
mod tests;
