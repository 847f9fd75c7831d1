//! Asks compliance to screen texts of people for high-risk data, before a service accepts them. If compliance does not answer in time,
//! the text is accepted with a warning to operators, so that the person does not wait for long.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, NaiveTime, Utc};
use tonic::{Request, Response, Status};

use crate::{chassis::Chassis, client::Peer};

/// The service that screens.
const COMPLIANCE: &str = "compliance";
/// The time limit of the answer.
const TIMEOUT: Duration = Duration::from_millis(300);

/// The result of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screened {
    /// Nothing was found.
    Clear,
    /// The text has terms of these categories. It is accepted with a warning.
    Warned(BTreeSet<String>),
    /// The text has high-risk data, with terms of these categories. It is refused, unless it is of a kind that is never refused.
    Blocked(BTreeSet<String>),
    /// There was no answer in time. The text is accepted with a warning.
    Unanswered,
}

/// A notice to operators about a text that was accepted with a warning. It names no person.
#[derive(Debug, PartialEq, Eq)]
pub struct Warning {
    /// The reference of the notice.
    pub about: String,
    /// Its text.
    pub text: String,
    /// When it happened.
    pub fact_time: DateTime<Utc>,
    /// The key of the deferred call that sends it.
    pub key: String,
}

impl Warning {
    /// These notices never end, so each day has its own notice. All calls of one day are equal, so only the first has an effect.
    fn of_day(about: &str, text: String, now: DateTime<Utc>) -> Self {
        let about = format!("{about}:{}", now.format("%Y-%m-%d"));
        let fact_time = now.date_naive().and_time(NaiveTime::MIN).and_utc();
        let key = format!("high-risk-text:{about}");
        Self { about, text, fact_time, key }
    }
}

impl Screened {
    /// The result of an answer: whether the text is blocked, and the categories of its terms.
    #[must_use]
    pub fn of(blocked: bool, categories: impl IntoIterator<Item = String>) -> Self {
        let categories: BTreeSet<_> = categories.into_iter().collect();
        match (blocked, categories.is_empty()) {
            (true, _) => Self::Blocked(categories),
            (false, true) => Self::Clear,
            (false, false) => Self::Warned(categories),
        }
    }

    /// The warning to operators about an accepted text. `what` names the row with the text, such as `message:0190…`. `None`: no warning.
    #[must_use]
    pub fn warning(&self, service: &str, what: &str, now: DateTime<Utc>) -> Option<Warning> {
        match self {
            Self::Clear => None,
            Self::Warned(categories) => {
                let text = format!(
                    "{what} may have high-risk data ({}). It was taken. Further texts of this day get no notice.",
                    names(categories, ", ")
                );
                Some(Warning::of_day(&format!("{what}:{}", names(categories, "-")), text, now))
            }
            Self::Blocked(categories) => {
                let text = format!(
                    "{what} has high-risk data that we do not accept ({}). It was kept, because a text of this kind is never refused. \
                     Further texts of this day get no notice.",
                    names(categories, ", ")
                );
                Some(Warning::of_day(&format!("{what}:blocked:{}", names(categories, "-")), text, now))
            }
            // While compliance is unavailable, every text gets this result. One notice a day counts these texts.
            Self::Unanswered => {
                let text = format!(
                    "{what} was accepted without the screen for high-risk data, because compliance did not answer in time. Further \
                     texts of this day are only counted."
                );
                let key = format!("high-risk-text:{what}:{}", now.timestamp_micros());
                let about = format!("unscreened:{service}:{}", now.format("%Y-%m-%d"));
                Some(Warning { about, text, fact_time: now, key })
            }
        }
    }
}

fn names(categories: &BTreeSet<String>, separator: &str) -> String {
    categories.iter().map(String::as_str).collect::<Vec<_>>().join(separator)
}

/// Screens a text. `send` sends the request with the text, and returns the result of compliance's answer.
pub async fn screen<R, F>(
    chassis: &Chassis,
    request_id: &str,
    text: &str,
    request: R,
    send: impl FnOnce(Peer, Request<R>) -> F,
) -> Screened
where
    F: Future<Output = Result<Screened, Status>>,
{
    if text.trim().is_empty() {
        return Screened::Clear;
    }
    let answer = chassis.ask(COMPLIANCE, request_id, TIMEOUT, request, |channel, request| async move {
        send(channel, request).await.map(Response::new)
    });
    answer.await.unwrap_or_else(|why| {
        tracing::warn!(
            reason = why.reason(),
            "a text was accepted without the screen for high-risk data: compliance gave no answer"
        );
        Screened::Unanswered
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_day_has_one_notice_of_the_same_warning_and_one_of_all_texts_without_an_answer() {
        let now = DateTime::from_timestamp(1_795_390_872, 0).expect("an instant");
        let warning = |screened: &Screened, what: &str, seconds| {
            screened.warning("support", what, now + TimeDelta::seconds(seconds)).expect("a warning")
        };
        let found = ["MEDICAL", "LEGAL", "LEGAL"].map(str::to_owned);
        let warned = Screened::of(false, found.clone());
        let first = warning(&warned, "message:1", 0);
        assert_eq!(first.about, "message:1:LEGAL-MEDICAL:2026-11-22");
        assert!(first.text.starts_with("message:1 may have high-risk data (LEGAL, MEDICAL)."), "{first:?}");
        assert_eq!(first, warning(&warned, "message:1", 60), "the same call, which has no further effect");
        for other in [warning(&warned, "message:2", 0), warning(&warned, "message:1", 24 * 60 * 60)] {
            assert!(other.about != first.about && other.key != first.key, "{other:?}");
        }
        let (one, other) =
            (warning(&Screened::Unanswered, "message:1", 0), warning(&Screened::Unanswered, "lead:2", 1));
        assert_eq!([&*one.about, &*other.about], ["unscreened:support:2026-11-22"; 2]);
        assert_ne!(one.key, other.key, "each is counted");
        let blocked = warning(&Screened::of(true, found), "message:1", 0);
        assert_eq!(
            blocked.about, "message:1:blocked:LEGAL-MEDICAL:2026-11-22",
            "not counted with those that only warn"
        );
        assert!(blocked.text.contains("that we do not accept (LEGAL, MEDICAL)"), "{blocked:?}");
        assert_eq!(Screened::of(false, []).warning("support", "message:1", now), None);
    }
}
