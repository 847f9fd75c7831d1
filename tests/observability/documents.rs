//! The documents about metrics and alerts are right: every metric and every alert has its section or line, and nothing else has
//! one.

use std::collections::BTreeSet;

use levqor_runtime::metrics::{Definition, Values};

use super::{
    catalogue::{definitions, label},
    files::{alerts, rules, str, text},
    queries::check,
    rules::catalogue,
};

const METRICS: &str = "docs/METRICS.md";
const RECORDED: &str = "\n## What rules record\n";
const RUNBOOK: &str = "docs/RUNBOOK.md";

/// A metric's line in docs/METRICS.md.
fn line(definition: &Definition) -> String {
    let total = if definition.kind.as_str() == "counter" { "_total" } else { "" };
    let labels = definition.attributes.iter().map(|attribute| {
        let values = match attribute.values {
            Values::OneOf(values) => {
                values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
            }
            Values::Known(what) => what.to_owned(),
        };
        format!("`{}`: {values}", label(attribute.key))
    });
    let labels = labels.collect::<Vec<_>>().join("; ");
    let (family, kind, unit) = (definition.family(), definition.kind.as_str(), definition.unit);
    format!("| `{family}{total}` | {kind} | `{unit}` | {labels} | {} |", definition.description)
}

#[test]
fn every_metric_is_documented_as_it_is_defined() {
    let document = text(METRICS);
    let (document, _) = document.split_once(RECORDED).expect(RECORDED);
    let lines: Vec<_> = definitions().into_iter().map(line).collect();
    let written: BTreeSet<_> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: BTreeSet<_> = lines.iter().map(String::as_str).collect();
    let missing: Vec<_> = expected.difference(&written).collect();
    let surplus: Vec<_> = written.difference(&expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{METRICS} lacks\n{missing:#?}\nand should not have\n{surplus:#?}\nThe whole table:\n{}",
        lines.join("\n")
    );
}

#[test]
fn recorded_series_are_documented() {
    let document = text(METRICS);
    let (_, document) = document.split_once(RECORDED).expect(RECORDED);
    let written: BTreeSet<_> = document.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let written: BTreeSet<_> = written.iter().filter_map(|line| line.split('`').next()).collect();
    let rules = rules();
    let recorded: BTreeSet<_> =
        rules.iter().map(|rule| str(rule, "/record")).filter(|of| !of.is_empty()).collect();
    assert_eq!(written, recorded, "documented on the left, recorded on the right");
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_the_reverse() {
    let runbook = text(RUNBOOK);
    let part = runbook.split("\n## ").find(|part| part.starts_with("Alerts\n")).expect("a part on alerts");
    let sections: BTreeSet<_> = part.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| str(alert, "/alert")).collect();
    assert_eq!(sections, names, "sections on the left, alerts on the right");
    for section in part.split("\n### ").skip(1) {
        for words in ["**Means:**", "**Felt:**", "**Look:**", "**Do:**", "**Escalate:**"] {
            assert!(section.contains(words), "a section has no {words} {section}");
        }
    }
}

#[test]
fn queries_in_documents_name_existing_series() {
    let catalogue = catalogue();
    let mut seen = 0;
    for document in [RUNBOOK, METRICS].map(text) {
        for block in document.split("```promql\n").skip(1) {
            for query in block.split("\n```").next().unwrap_or_default().lines() {
                seen += 1;
                check(query, &catalogue);
            }
        }
    }
    assert!(seen > 5, "only {seen} queries were found");
}

#[test]
fn the_runbook_names_commands_settings_and_dashboards_that_exist() {
    let runbook = text(RUNBOOK);
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_levqor")).arg("--help").output().expect("help");
    let help = String::from_utf8(help.stdout).expect("text");
    let settings = text(".env.example");
    let code = || runbook.split('`').skip(1).step_by(2);
    for words in code().filter_map(|code| code.strip_prefix("levqor ")) {
        let command = words.split([' ', '\n']).next().unwrap_or_default();
        assert!(help.contains(&format!("\n  {command}")), "there is no command {command}");
    }
    for name in code().filter(|code| {
        ["LEVQOR_", "OTEL_", "STRIPE_", "RESEND_", "SENTRY_"].iter().any(|of| code.starts_with(of))
    }) {
        let name = name.split(['=', '\n']).next().unwrap_or_default();
        assert!(settings.contains(&format!("\n#{name}=")), "there is no setting {name}");
    }
    for uid in code().filter(|code| code.starts_with("levqor-") && *code != "levqor-prometheus") {
        let file = format!("observability/grafana/dashboards/{}.json", uid.trim_start_matches("levqor-"));
        assert!(text(&file).contains(&format!("\"uid\": \"{uid}\"")), "there is no dashboard {uid}");
    }
}
