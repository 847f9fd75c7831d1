//! The checks of `levqor doctor`: does everything that is configured work? Nothing personal and no secret is in the answers.

pub mod clock;

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

/// How long one check may take by default.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is configured, and works.
    On,
    /// It works, and an operator must look at something.
    Warning,
    /// It is not configured.
    Off,
    /// It is configured, and does not work.
    Failed,
}

impl Outcome {
    /// The name in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Warning => "WARNING",
            Self::Off => "OFF",
            Self::Failed => "FAILED",
        }
    }
}

/// The finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub outcome: Outcome,
    /// The evidence; if it is off, the reason.
    pub evidence: String,
    /// How to turn it on, if it is off.
    pub turn_on: Option<String>,
}

impl Finding {
    /// Creates a finding: it works.
    pub fn on(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::On, evidence: evidence.into(), turn_on: None }
    }

    /// Creates a finding: it works, and an operator must look at something.
    pub fn warning(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, evidence: evidence.into(), turn_on: None }
    }

    /// Creates a finding: it is off for this reason, and `turn_on` says how to turn it on.
    pub fn off(reason: impl Into<String>, turn_on: impl Into<String>) -> Self {
        Self { outcome: Outcome::Off, evidence: reason.into(), turn_on: Some(turn_on.into()) }
    }

    /// Creates a finding: it is off because this setting is not set. `what` says which value to set.
    #[must_use]
    pub fn not_set(setting: &str, what: &str) -> Self {
        Self::off(format!("{setting} is not set"), format!("set {setting} to {what}"))
    }

    /// Creates a finding: it does not work.
    pub fn failed(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, evidence: evidence.into(), turn_on: None }
    }
}

impl From<Result<String, String>> for Finding {
    fn from(result: Result<String, String>) -> Self {
        match result {
            Ok(evidence) => Self::on(evidence),
            Err(evidence) => Self::failed(evidence),
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The name of the check, `gateway.token`.
    pub name: String,
    /// The question; empty if none was asked.
    pub asked: String,
    pub finding: Finding,
    /// The duration of the check.
    pub took: Duration,
}

impl Line {
    /// A line that needed no question of its own, or that shared a question with other lines.
    pub fn new(name: impl Into<String>, asked: impl Into<String>, finding: Finding) -> Self {
        Self { name: name.into(), asked: asked.into(), finding, took: Duration::ZERO }
    }
}

/// An error and its causes, for a finding.
#[must_use]
pub fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

type Ask = Pin<Box<dyn Future<Output = Vec<Line>> + Send>>;

/// A check to run.
pub struct Check {
    name: String,
    asked: String,
    ask: Ask,
    timeout: Duration,
}

impl Check {
    /// A check that gives one line.
    pub fn new(
        name: impl Into<String>,
        asked: impl Into<String>,
        ask: impl Future<Output = Finding> + Send + 'static,
    ) -> Self {
        let (name, asked) = (name.into(), asked.into());
        let (line_name, line_asked) = (name.clone(), asked.clone());
        Self::several(name, asked, async move { vec![Line::new(line_name, line_asked, ask.await)] })
    }

    /// A check that gives several lines. After a timeout, it gives one line with this name.
    pub fn several(
        name: impl Into<String>,
        asked: impl Into<String>,
        ask: impl Future<Output = Vec<Line>> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), asked: asked.into(), ask: Box::pin(ask), timeout: TIMEOUT }
    }

    /// A check with a known finding, which asks nothing.
    pub fn known(name: impl Into<String>, finding: Finding) -> Self {
        Self::new(name, "", std::future::ready(finding))
    }

    /// Sets the time limit of the check.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(self) -> Vec<Line> {
        let begun = Instant::now();
        let lines = tokio::time::timeout(self.timeout, self.ask).await;
        let took = begun.elapsed();
        let mut lines = lines.unwrap_or_else(|_| {
            let late = Finding::failed(format!("no answer within {} s", self.timeout.as_secs()));
            vec![Line::new(self.name, self.asked, late)]
        });
        for line in lines.iter_mut().filter(|line| !line.asked.is_empty() && line.took.is_zero()) {
            line.took = took;
        }
        lines
    }
}

/// Runs all checks at once, and returns the lines in the order of the checks.
pub async fn run(checks: Vec<Check>) -> Vec<Line> {
    join_all(checks.into_iter().map(Check::run)).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_unanswered_check_fails_in_time_and_does_not_delay_the_others() {
        let checks = vec![
            Check::new("silent", "anybody?", std::future::pending()).within(Duration::from_secs(1)),
            Check::new("quick", "you?", std::future::ready(Finding::on("yes"))),
            Check::known("absent", Finding::not_set("SETTING", "a number")),
        ];
        let lines = run(checks).await;
        let told: Vec<_> =
            lines.iter().map(|line| (line.finding.outcome, line.finding.evidence.as_str())).collect();
        let expected = [
            (Outcome::Failed, "no answer within 1 s"),
            (Outcome::On, "yes"),
            (Outcome::Off, "SETTING is not set"),
        ];
        assert_eq!(told, expected);
        assert_eq!(lines[0].name, "silent");
        assert!(lines[1].took < Duration::from_millis(500), "{:?}", lines[1].took);
        assert!(lines[2].took.is_zero());
        assert_eq!(lines[2].finding.turn_on.as_deref(), Some("set SETTING to a number"));
    }
}
