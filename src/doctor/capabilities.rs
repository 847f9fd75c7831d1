//! Makes one line for each capability. The doctor's own check and the report of the running service are two sources about the
//! same capability. This module joins them into one result under one name.

use levqor_runtime::check::{Finding, Line, Outcome};

/// Joins each line that a service reports (`billing.can.stripe_refetch`) into the line of the doctor's own check
/// (`billing.stripe_refetch`), if there is one.
pub(super) fn one_line_each(lines: Vec<Line>) -> Vec<Line> {
    let names: Vec<_> = lines.iter().map(|line| line.name.clone()).collect();
    let asked_name = |line: &Line| {
        let name = line.name.replacen(".can.", ".", 1);
        (name != line.name && names.contains(&name)).then_some(name)
    };
    let (told, mut kept): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| asked_name(line).is_some());
    for told in told {
        let name = asked_name(&told);
        if let Some(asked) = kept.iter_mut().find(|line| Some(&line.name) == name.as_ref()) {
            join(asked, told);
        }
    }
    kept
}

/// Joins both results. The doctor checks now, with the settings here. The service measured earlier, with its own settings.
fn join(asked: &mut Line, told: Line) {
    let (here, there) = (asked.finding.outcome, told.finding.outcome);
    let both = |what: &str| {
        format!("{}; but the running service {what}: {}", asked.finding.evidence, told.finding.evidence)
    };
    match (here, there) {
        // A setting that is missing here may be set for the service, so the report of the service counts.
        (Outcome::Off, Outcome::On | Outcome::Warning | Outcome::Failed) => {
            asked.asked = told.asked;
            asked.finding = told.finding;
        }
        (Outcome::On | Outcome::Warning, Outcome::Failed) => {
            asked.finding = Finding::failed(both("found it failed"));
        }
        (Outcome::On | Outcome::Warning, Outcome::Off) => {
            asked.finding = Finding::warning(both("shows it as off"));
        }
        // Both agree, or the result of the doctor is worse.
        (_, Outcome::On | Outcome::Warning)
        | (Outcome::Off | Outcome::Failed, Outcome::Off)
        | (Outcome::Failed, Outcome::Failed) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(outcome: Outcome, words: &str) -> Finding {
        match outcome {
            Outcome::On => Finding::on(words),
            Outcome::Warning => Finding::warning(words),
            Outcome::Off => Finding::off(words, "how"),
            Outcome::Failed => Finding::failed(words),
        }
    }

    #[test]
    fn each_capability_has_one_line_and_one_verdict() {
        use Outcome::{Failed, Off, On, Warning};
        let failed = "here; but the running service found it failed: there";
        let off = "here; but the running service shows it as off: there";
        for (here, there, verdict, evidence) in [
            (On, On, On, "here"),
            (On, Failed, Failed, failed),
            (On, Off, Warning, off),
            (Warning, On, Warning, "here"),
            (Warning, Failed, Failed, failed),
            (Warning, Off, Warning, off),
            (Failed, On, Failed, "here"),
            (Failed, Failed, Failed, "here"),
            (Failed, Off, Failed, "here"),
            (Off, Off, Off, "here"),
            (Off, On, On, "there"),
            (Off, Failed, Failed, "there"),
        ] {
            let [line] = one_line_each(vec![
                Line::new("notifications.can.mail_resend", "status", finding(there, "there")),
                Line::new("notifications.mail_resend", "GET /domains", finding(here, "here")),
            ])
            .try_into()
            .expect("one line");
            assert_eq!(line.name, "notifications.mail_resend");
            assert_eq!(
                (line.finding.outcome, line.finding.evidence.as_str()),
                (verdict, evidence),
                "{here:?} {there:?}"
            );
        }
    }

    #[test]
    fn a_line_without_a_counterpart_is_kept() {
        let lines: Vec<_> = ["billing.can.checkout", "billing.grpc", "notifications.can.grpc"]
            .map(|name| Line::new(name, "", Finding::on("")))
            .into();
        assert_eq!(one_line_each(lines.clone()), lines);
    }
}
