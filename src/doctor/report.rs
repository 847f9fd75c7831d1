//! The report: a table for people and JSON for programs (docs/DOCTOR.md describes both).

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use levqor_runtime::check::{Line, Outcome};
use serde::Serialize;

/// The results of the doctor.
pub(super) struct Report {
    /// The process whose settings are checked, in words.
    pub(super) whose: String,
    /// When the doctor ran.
    pub(super) time: DateTime<Utc>,
    /// The lines of the report.
    pub(super) lines: Vec<Line>,
}

/// The JSON document. New fields may be added. If a field changes its meaning, `schema` changes too.
#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    time: String,
    whose: &'r str,
    ok: bool,
    counts: Counts,
    checks: Vec<Check<'r>>,
}

#[derive(Serialize)]
struct Counts {
    on: usize,
    off: usize,
    warning: usize,
    failed: usize,
}

#[derive(Serialize)]
struct Check<'r> {
    name: &'r str,
    outcome: &'static str,
    asked: &'r str,
    evidence: &'r str,
    turn_on: Option<&'r str>,
    took_ms: u128,
}

impl<'r> From<&'r Line> for Check<'r> {
    fn from(line: &'r Line) -> Self {
        Self {
            name: &line.name,
            outcome: line.finding.outcome.as_str(),
            asked: &line.asked,
            evidence: &line.finding.evidence,
            turn_on: line.finding.turn_on.as_deref(),
            took_ms: line.took.as_millis(),
        }
    }
}

impl Report {
    /// The names of the failed checks.
    pub(super) fn failed(&self) -> Vec<&str> {
        let failed = self.lines.iter().filter(|line| line.finding.outcome == Outcome::Failed);
        failed.map(|line| line.name.as_str()).collect()
    }

    fn counts(&self) -> Counts {
        let count = |outcome| self.lines.iter().filter(|line| line.finding.outcome == outcome).count();
        Counts {
            on: count(Outcome::On),
            off: count(Outcome::Off),
            warning: count(Outcome::Warning),
            failed: count(Outcome::Failed),
        }
    }

    /// The table for people. Working parts come first and failures last, because people see the end of the output.
    pub(super) fn table(&self) -> String {
        let mut text = format!("levqor doctor: {}\n\n", self.whose);
        let width = self.lines.iter().map(|line| line.name.len()).max().unwrap_or_default();
        for outcome in [Outcome::On, Outcome::Off, Outcome::Warning, Outcome::Failed] {
            for line in self.lines.iter().filter(|line| line.finding.outcome == outcome) {
                let Line { name, asked, finding, took } = line;
                let state = outcome.as_str();
                // Writing to a string cannot fail.
                let _ = write!(text, "  {state:<7}  {name:<width$}  ");
                let _ = if asked.is_empty() {
                    write!(text, "{}", finding.evidence)
                } else {
                    write!(text, "{asked} → {} ({} ms)", finding.evidence, took.as_millis())
                };
                let _ = match &finding.turn_on {
                    Some(how) => writeln!(text, "; to turn it on: {how}"),
                    None => writeln!(text),
                };
            }
        }
        let Counts { on, off, warning, failed } = self.counts();
        let _ = write!(text, "\n{on} work, {off} off, {warning} to look at, {failed} failed");
        if failed > 0 {
            let _ = write!(text, ": {}", self.failed().join(", "));
        }
        text
    }

    /// The JSON for programs.
    pub(super) fn json(&self) -> Result<String, serde_json::Error> {
        let counts = self.counts();
        serde_json::to_string_pretty(&Document {
            schema: 1,
            time: self.time.to_rfc3339_opts(SecondsFormat::Secs, true),
            whose: &self.whose,
            ok: counts.failed == 0,
            counts,
            checks: self.lines.iter().map(Into::into).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use levqor_runtime::check::Finding;
    use serde_json::Value;

    use super::*;

    const DOCS: &str = include_str!("../../docs/DOCTOR.md");

    const PENDING: &str = "8 applied, 1 pending, 0 of a newer version: run `levqor migrate billing`";

    fn report() -> Report {
        let line = |name: &str, asked: &str, finding, ms| Line {
            name: name.to_owned(),
            asked: asked.to_owned(),
            finding,
            took: Duration::from_millis(ms),
        };
        Report {
            whose: "the `levqor up` that runs here, at http://127.0.0.1:8080".to_owned(),
            time: DateTime::from_timestamp(1_790_000_000, 0).expect("an instant"),
            lines: vec![
                line("settings", "", Finding::on("each can be read"), 0),
                line("billing.migrations", "the history of migrations", Finding::failed(PENDING), 12),
                line("billing.journal", "GET /v1/status", Finding::warning("1 could not be understood"), 3),
                line("billing.stripe_account", "", Finding::not_set("STRIPE_SECRET_KEY", "the key"), 0),
                line("gateway.live", "GET /health/live", Finding::on("200"), 3),
            ],
        }
    }

    #[test]
    fn the_table_is_as_it_was() {
        insta::assert_snapshot!(report().table());
    }

    #[test]
    fn the_document_is_as_docs_doctor_md_says() {
        let ours: Value = serde_json::from_str(&report().json().expect("JSON")).expect("JSON");
        let shown =
            DOCS.split("```json").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
        let shown: Value = serde_json::from_str(shown).expect("JSON");
        for pointer in ["", "/counts", "/checks/0"] {
            let keys = |of: &Value| {
                let object = of.pointer(pointer).and_then(Value::as_object).expect(pointer);
                object.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(keys(&ours), keys(&shown), "{pointer}");
        }
        assert_eq!(ours["schema"], shown["schema"]);
        assert_eq!(ours["counts"], serde_json::json!({"on": 2, "off": 1, "warning": 1, "failed": 1}));
        assert_eq!((&ours["ok"], &ours["time"]), (&Value::Bool(false), &shown["time"]));
        let told = |name: &str| ours["checks"].as_array()?.iter().find(|line| line["name"] == name).cloned();
        assert_eq!(told("billing.migrations"), Some(shown["checks"][0].clone()));
        let off = told("billing.stripe_account").expect("a line");
        assert_eq!(off["turn_on"], "set STRIPE_SECRET_KEY to the key");
        for outcome in [Outcome::On, Outcome::Off, Outcome::Warning, Outcome::Failed] {
            assert!(DOCS.contains(&format!("`{}`", outcome.as_str())), "{outcome:?}");
        }
    }
}
