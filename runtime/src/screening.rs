//! Has texts of people screened for high-risk data by compliance, before a service accepts them. If compliance does not answer in
//! time, the text is accepted with a warning to operators, so that nobody waits for long.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use tonic::{Request, Status};

use crate::{
    chassis::Chassis,
    client::{Outgoing, Peer},
};

/// The service that screens.
const COMPLIANCE: &str = "compliance";
/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the screen says of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screened {
    /// Nothing was found.
    Clear,
    /// It has terms of these categories. It is taken with a warning.
    Warned(BTreeSet<String>),
    /// It has high-risk data, with terms of these categories. It is refused, unless it is of a kind that is never refused.
    Blocked(BTreeSet<String>),
    /// There was no answer in time. It is taken with a warning.
    Unanswered,
}

impl Screened {
    /// By whether the text is blocked, and the categories of all terms that were found.
    #[must_use]
    pub fn of(blocked: bool, categories: impl IntoIterator<Item = String>) -> Self {
        let categories: BTreeSet<_> = categories.into_iter().collect();
        match (blocked, categories.is_empty()) {
            (true, _) => Self::Blocked(categories),
            (false, true) => Self::Clear,
            (false, false) => Self::Warned(categories),
        }
    }

    /// The notice to operators about a text that was taken with a warning: what it is about, and its text, which names nobody. `what` has
    /// the text, such as `ticket:0190…`. `None`: there is no warning.
    #[must_use]
    pub fn warning(&self, service: &str, what: &str, now: DateTime<Utc>) -> Option<(String, String)> {
        match self {
            Self::Clear => None,
            Self::Warned(categories) => {
                let text =
                    format!("{what} may have high-risk data ({}). It was taken.", names(categories, ", "));
                Some((format!("{what}:{}", names(categories, "-")), text))
            }
            Self::Blocked(categories) => {
                let text = format!(
                    "{what} has high-risk data that we do not accept ({}). It was kept, because a text of this kind is never refused.",
                    names(categories, ", ")
                );
                Some((format!("{what}:blocked:{}", names(categories, "-")), text))
            }
            // While compliance is away, each text comes here: they are counted by one notice a day.
            Self::Unanswered => {
                let text = format!(
                    "{what} was accepted without the screen for high-risk data, because compliance did not answer in time. Further \
                     texts of this day are only counted."
                );
                Some((format!("unscreened:{service}:{}", now.format("%Y-%m-%d")), text))
            }
        }
    }
}

fn names(categories: &BTreeSet<String>, separator: &str) -> String {
    categories.iter().map(String::as_str).collect::<Vec<_>>().join(separator)
}

/// Screens a text. `send` sends the request, which has the text, and says what compliance answered.
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
    let answer = async {
        let channel = chassis.channels.get(COMPLIANCE)?;
        let token = chassis.tokens.mint(chassis.service, COMPLIANCE).ok()?;
        let outgoing =
            Outgoing { bearer: Some(&token), request_id, idempotency_key: None, timeout: PATIENCE };
        tokio::time::timeout(PATIENCE, send(channel, outgoing.request(request))).await.ok()?.ok()
    };
    answer.await.unwrap_or_else(|| {
        tracing::warn!(
            "a text was accepted without the screen for high-risk data: compliance did not answer in time"
        );
        Screened::Unanswered
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_with_a_warning_has_a_notice_and_those_without_an_answer_share_that_of_the_day() {
        let now = DateTime::from_timestamp(1_795_390_872, 0).expect("an instant");
        let about = |screened: &Screened, what: &str| {
            screened.warning("support", what, now).map(|(about, _)| about).unwrap_or_default()
        };
        let found = ["MEDICAL", "LEGAL", "LEGAL"].map(str::to_owned);
        let warned = Screened::of(false, found.clone());
        assert_eq!(about(&warned, "ticket:1"), "ticket:1:LEGAL-MEDICAL");
        let (_, text) = warned.warning("support", "ticket:1", now).expect("a warning");
        assert_eq!(text, "ticket:1 may have high-risk data (LEGAL, MEDICAL). It was taken.");
        let day = "unscreened:support:2026-11-22";
        assert_eq!(
            [about(&Screened::Unanswered, "ticket:1"), about(&Screened::Unanswered, "lead:2")],
            [day; 2]
        );
        let (about, text) = Screened::of(true, found).warning("support", "ticket:1", now).expect("a warning");
        assert_eq!(about, "ticket:1:blocked:LEGAL-MEDICAL", "it is not counted with those that only warn");
        assert!(text.contains("that we do not accept (LEGAL, MEDICAL)"), "{text}");
        assert_eq!(Screened::of(false, []).warning("support", "ticket:1", now), None);
    }
}
