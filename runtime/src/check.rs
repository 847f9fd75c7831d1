//! Checks: what `levqor doctor` asks of everything that is configured, to find out whether it works. Each line says what
//! was asked, what came back, and how long that took; nothing personal, and no secret.

pub mod clock;

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

/// How long one check may take, where it does not say otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is configured, and works.
    On,
    /// It works, and somebody has to look at what it left behind.
    Warning,
    /// It is not configured.
    Off,
    /// It is configured, and does not work.
    Failed,
}

impl Outcome {
    /// As the report writes it.
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

/// What a check found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it works.
    pub outcome: Outcome,
    /// What came back; of what is off, why.
    pub evidence: String,
    /// How what is off is turned on.
    pub turn_on: Option<String>,
}

impl Finding {
    /// It works.
    pub fn on(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::On, evidence: evidence.into(), turn_on: None }
    }

    /// It works, and somebody has to look.
    pub fn warning(evidence: impl Into<String>) -> Self {
        Self { outcome: Outcome::Warning, evidence: evidence.into(), turn_on: None }
    }

    /// It is off for this reason, and would be on if that were done.
    pub fn off(reason: impl Into<String>, turn_on: impl Into<String>) -> Self {
        Self { outcome: Outcome::Off, evidence: reason.into(), turn_on: Some(turn_on.into()) }
    }

    /// It is off because this setting is not set; `what` is what it is to be set to.
    #[must_use]
    pub fn not_set(setting: &str, what: &str) -> Self {
        Self::off(format!("{setting} is not set"), format!("set {setting} to {what}"))
    }

    /// It does not work.
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
    /// What was checked, `gateway.token`.
    pub name: String,
    /// What was asked. Empty where nothing was.
    pub asked: String,
    /// What was found.
    pub finding: Finding,
    /// How long the answer took.
    pub took: Duration,
}

impl Line {
    /// A line about something that nothing had to be asked for, or that was asked together with others.
    pub fn new(name: impl Into<String>, asked: impl Into<String>, finding: Finding) -> Self {
        Self { name: name.into(), asked: asked.into(), finding, took: Duration::ZERO }
    }
}

type Ask = Pin<Box<dyn Future<Output = Vec<Line>> + Send>>;

/// Something to be asked.
pub struct Check {
    name: String,
    asked: String,
    ask: Ask,
    patience: Duration,
}

impl Check {
    /// One question, and the line that it gives.
    pub fn new(
        name: impl Into<String>,
        asked: impl Into<String>,
        ask: impl Future<Output = Finding> + Send + 'static,
    ) -> Self {
        let (name, asked) = (name.into(), asked.into());
        let (line_name, line_asked) = (name.clone(), asked.clone());
        let ask = Box::pin(async move { vec![Line::new(line_name, line_asked, ask.await)] });
        Self { name, asked, ask, patience: PATIENCE }
    }

    /// One question that gives several lines. Where it is not answered in time, one line says so under this name.
    pub fn several(
        name: impl Into<String>,
        asked: impl Into<String>,
        ask: impl Future<Output = Vec<Line>> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), asked: asked.into(), ask: Box::pin(ask), patience: PATIENCE }
    }

    /// Nothing is asked: what is to be said is known.
    pub fn known(name: impl Into<String>, finding: Finding) -> Self {
        Self::new(name, "", std::future::ready(finding))
    }

    /// The same, where the answer may take so long.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn run(self) -> Vec<Line> {
        let begun = Instant::now();
        let lines = tokio::time::timeout(self.patience, self.ask).await;
        let took = begun.elapsed();
        let mut lines = lines.unwrap_or_else(|_| {
            let late = Finding::failed(format!("no answer within {} s", self.patience.as_secs()));
            vec![Line::new(self.name, self.asked, late)]
        });
        for line in lines.iter_mut().filter(|line| !line.asked.is_empty() && line.took.is_zero()) {
            line.took = took;
        }
        lines
    }
}

/// Asks everything at once, and gives the lines in the order of the checks.
pub async fn run(checks: Vec<Check>) -> Vec<Line> {
    join_all(checks.into_iter().map(Check::run)).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_is_not_answered_fails_in_time_and_costs_the_others_nothing() {
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
