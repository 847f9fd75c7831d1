//! Texts of people are screened for high-risk data before they are taken. Compliance screens them. Without an answer in time the text
//! passes with a warning, so that nobody waits for it.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use tonic::{Request, Response, Status};

use crate::{chassis::Chassis, client::Peer};

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
    /// It must not be taken.
    Blocked,
    /// There was no answer in time. It is taken with a warning.
    Unanswered,
}

impl Screened {
    /// By whether the text is blocked, and the categories of all terms that were found.
    #[must_use]
    pub fn of(blocked: bool, categories: impl IntoIterator<Item = String>) -> Self {
        let categories: BTreeSet<_> = categories.into_iter().collect();
        match (blocked, categories.is_empty()) {
            (true, _) => Self::Blocked,
            (false, true) => Self::Clear,
            (false, false) => Self::Warned(categories),
        }
    }

    /// The notice to operators about a text that is taken with a warning: what it is about, and its text, which names nobody. `what` has the
    /// text, such as `message:0190…`. `None`: there is no warning.
    #[must_use]
    pub fn warning(&self, service: &str, what: &str, now: DateTime<Utc>) -> Option<(String, String)> {
        match self {
            Self::Clear | Self::Blocked => None,
            Self::Warned(categories) => {
                let names: Vec<_> = categories.iter().map(String::as_str).collect();
                let text = format!("{what} may have high-risk data ({}). It was taken.", names.join(", "));
                Some((format!("{what}:{}", names.join("-")), text))
            }
            // While compliance is away, each text comes here: they are counted by one notice a day.
            Self::Unanswered => {
                let text = format!(
                    "{what} was taken without the screen for high-risk data, because compliance gave no answer in time. Further ones of \
                     this day are only counted."
                );
                Some((format!("unscreened:{service}:{}", now.format("%Y-%m-%d")), text))
            }
        }
    }
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
    let answer = chassis.ask(COMPLIANCE, request_id, PATIENCE, request, |channel, request| async move {
        send(channel, request).await.map(Response::new)
    });
    answer.await.unwrap_or_else(|_| {
        tracing::warn!("a text was taken without the screen for high-risk data: no answer in time");
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
        assert_eq!(about(&warned, "message:1"), "message:1:LEGAL-MEDICAL");
        let (_, text) = warned.warning("support", "message:1", now).expect("a warning");
        assert_eq!(text, "message:1 may have high-risk data (LEGAL, MEDICAL). It was taken.");
        let day = "unscreened:support:2026-11-22";
        assert_eq!(
            [about(&Screened::Unanswered, "message:1"), about(&Screened::Unanswered, "lead:2")],
            [day; 2]
        );
        for silent in [Screened::of(false, []), Screened::of(true, found)] {
            assert_eq!(silent.warning("support", "message:1", now), None);
        }
    }
}
