//! Reads the report of `levqor doctor --json`, and checks each time that it has the form that docs/DOCTOR.md describes.

use std::process::Command;

use serde_json::Value;

use crate::process::{run, text};

/// The report.
#[derive(Debug)]
pub(crate) struct Report {
    /// The document.
    pub(crate) json: Value,
}

impl Report {
    /// Runs the command, which must have the option `--json`. Its output must contain none of these secrets.
    pub(crate) fn of(command: Command, secrets: &[String]) -> Self {
        let output = run(command);
        let (said, sentence) = (text(&output.stdout), text(&output.stderr));
        for secret in secrets {
            assert!(
                !said.contains(secret) && !sentence.contains(secret),
                "a secret is shown: {said}{sentence}"
            );
        }
        assert!(!said.contains("@example.com"), "something personal is shown: {said}");
        let json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said} {sentence}"));
        let report = Self { json };
        report.assert_form();
        let failed = report.with("FAILED");
        assert_eq!(output.status.code(), Some(i32::from(!failed.is_empty())), "{sentence}");
        let names = failed.join(", ");
        let expected = match failed.len() {
            0 => String::new(),
            1 => format!("levqor: 1 check failed: {names}\n"),
            several => format!("levqor: {several} checks failed: {names}\n"),
        };
        assert_eq!(sentence, expected);
        report
    }

    /// Checks that the document has the form that docs/DOCTOR.md describes.
    fn assert_form(&self) {
        assert_eq!(self.json["schema"], 1);
        assert!(self.json["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{:?}", self.json);
        let mut counted = 0;
        for (outcome, count) in [("ON", "on"), ("OFF", "off"), ("WARNING", "warning"), ("FAILED", "failed")] {
            let lines = self.with(outcome).len();
            assert_eq!(self.json["counts"][count], lines, "{outcome}");
            counted += lines;
        }
        assert_eq!(counted, self.lines().len());
        assert_eq!(self.json["ok"], self.with("FAILED").is_empty());
        for line in self.lines() {
            let has = |field: &str| line[field].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("name") && has("evidence"), "{line}");
            assert_eq!(
                line["outcome"] == "OFF",
                has("turn_on"),
                "what is off says how it is turned on: {line}"
            );
            assert!(line["asked"].is_string() && line["took_ms"].is_u64(), "{line}");
        }
    }

    fn lines(&self) -> &Vec<Value> {
        self.json["checks"].as_array().expect("lines")
    }

    /// The names of the lines with this outcome.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&str> {
        let lines = self.lines().iter().filter(|line| line["outcome"] == outcome);
        lines.map(|line| line["name"].as_str().expect("a name")).collect()
    }

    /// A line.
    pub(crate) fn line(&self, name: &str) -> &Value {
        let mut lines = self.lines().iter().filter(|line| line["name"] == name);
        let line = lines.next().unwrap_or_else(|| panic!("no {name} in {:#}", self.json));
        assert!(lines.next().is_none(), "{name} is there twice");
        line
    }

    /// The evidence of a line with this outcome.
    pub(crate) fn evidence(&self, outcome: &str, name: &str) -> &str {
        let line = self.line(name);
        assert_eq!(line["outcome"], outcome, "{line}");
        line["evidence"].as_str().expect("evidence")
    }

    /// Nothing fails.
    pub(crate) fn assert_none(&self) {
        assert_eq!(self.with("FAILED"), Vec::<&str>::new(), "{:#}", self.json);
    }

    /// These lines fail, no other does, and the first of them says this.
    pub(crate) fn assert_only(&self, names: &[&str], words: &str) {
        assert_eq!(self.with("FAILED"), names, "{:#}", self.json);
        let evidence = self.evidence("FAILED", names[0]);
        assert!(evidence.contains(words), "{words:?} is not in {evidence:?}");
    }
}
