//! The lines about one service, from its status: whether it is up and has our protocol, its capabilities, whether its schedules
//! run, and its backlog.

use chrono::{DateTime, TimeDelta, Utc};
use levqor_runtime::{
    check::{Finding, Line},
    clock::Clock,
};
use serde_json::Value;

use super::ASKED;
use crate::mesh;

/// How long a deferred call may be overdue.
const LONGEST_DUE_S: i64 = 300;
/// The error report test runs every week. One more day allows for a late test.
const TEST_IS_OLD: TimeDelta = TimeDelta::days(8);

/// All lines about a service. `said` is its part of the status. If the doctor has `seen` its tables, they give the lines about
/// its schedules, so those are left out here, whether the service answers or not.
pub(super) fn lines(service: &str, said: Option<&Value>, seen: bool) -> Vec<Line> {
    let line = |name: &str, finding| Line::new(format!("{service}.{name}"), ASKED, finding);
    let Some(said) = said else {
        return vec![line("status", Finding::failed("the gateway does not know of it"))];
    };
    let mut lines = vec![line("status", status(service, said))];
    if text(said, "state") == "NO_ANSWER" {
        return lines;
    }
    if !seen {
        lines.extend(said.get("schedules").map(|all| line("schedules", schedules(all))));
    }
    if let Some(backlog) = said.get("backlog") {
        lines.push(line("deferred_calls", deferred(backlog)));
        lines.push(line("journal", journal(backlog)));
    } else if service != levqor_gateway::NAME {
        lines.push(line("deferred_calls", Finding::failed("it cannot be measured")));
    }
    lines.extend(
        said.get("error_report_test")
            .map(|test| line("error_report_test", test_of_reports(test, Clock::default().now()))),
    );
    for capability in said.get("capabilities").and_then(Value::as_array).into_iter().flatten() {
        let name = format!("can.{}", text(capability, "name"));
        let reason = text(capability, "reason");
        let finding = match text(capability, "state") {
            "ON" => Finding::on(reason),
            "OFF" => Finding::off(reason, turn_on(reason)),
            _ => Finding::failed(reason),
        };
        lines.push(line(&name, finding));
    }
    lines
}

/// How to turn on a capability. Its reason begins with the name of the missing setting, if a setting is missing.
fn turn_on(reason: &str) -> String {
    match reason.split_once(" is not set") {
        Some((setting, _)) => format!("set {setting} for that service, and start it again"),
        None if reason.ends_with("not part of this version") => {
            "it cannot be turned on in this version".to_owned()
        }
        None => "change what the reason names".to_owned(),
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Reads these numbers of a measurement. A missing number is not 0 but a finding.
fn numbers<const N: usize>(value: &Value, names: [&str; N]) -> Result<[i64; N], Finding> {
    let mut numbers = [0; N];
    for (number, name) in numbers.iter_mut().zip(names) {
        let told = value.get(name).and_then(Value::as_i64);
        *number = told.ok_or_else(|| Finding::failed(format!("the status lacks {name}")))?;
    }
    Ok(numbers)
}

fn status(service: &str, said: &Value) -> Finding {
    // The output leaves out fractions of a second.
    let since = text(said, "since_time").split(['.', 'Z']).next().unwrap_or_default();
    let state = text(said, "state");
    if state == "NO_ANSWER" {
        let last = said.get("last_answer_time").and_then(Value::as_str).unwrap_or("never");
        return Finding::failed(format!("it does not answer the gateway; it last did: {last}"));
    }
    let built = format!("version {}, protocol {}", text(said, "version"), text(said, "protocol"));
    if state != "UP" {
        let checks = said.get("checks").and_then(Value::as_array).into_iter().flatten();
        let bad = checks.filter(|check| check.get("ok") != Some(&Value::Bool(true)));
        let bad: Vec<_> =
            bad.map(|check| format!("{}: {}", text(check, "name"), text(check, "detail"))).collect();
        return Finding::failed(format!("{state} since {since}Z: {}; {built}", bad.join(", ")));
    }
    let ours = mesh::protocol(service);
    if text(said, "protocol") != ours {
        return Finding::failed(format!("{built}, but this command speaks {ours}: finish the roll-out"));
    }
    Finding::on(format!("UP since {since}Z; {built}"))
}

fn schedules(all: &Value) -> Finding {
    let all = all.as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return Finding::failed("they cannot be measured");
    }
    let words = |schedule: &Value| {
        let last = schedule.get("last_slot_time").and_then(Value::as_str).unwrap_or("none");
        format!("{} (last {last}, next {})", text(schedule, "name"), text(schedule, "next_slot_time"))
    };
    let late: Vec<_> =
        all.iter().filter(|schedule| schedule.get("late") == Some(&Value::Bool(true))).map(words).collect();
    if late.is_empty() {
        Finding::on(all.iter().map(words).collect::<Vec<_>>().join(", "))
    } else {
        Finding::failed(format!("late: {}", late.join(", ")))
    }
}

fn deferred(backlog: &Value) -> Finding {
    let [waiting, dead, oldest] = match numbers(backlog, ["waiting", "dead", "oldest_due_age_s"]) {
        Ok(numbers) => numbers,
        Err(missing) => return missing,
    };
    let counts = format!("{waiting} wait, the oldest is due for {oldest} s, {dead} are dead");
    if oldest > LONGEST_DUE_S {
        Finding::failed(format!("{counts}: more than {LONGEST_DUE_S} s"))
    } else if dead > 0 {
        Finding::warning(format!("{counts}: see `levqor dead-letters`"))
    } else {
        Finding::on(counts)
    }
}

fn journal(backlog: &Value) -> Finding {
    let [pending, odd] = match numbers(backlog, ["journal_pending", "journal_quarantined"]) {
        Ok(numbers) => numbers,
        Err(missing) => return missing,
    };
    let counts = format!("{pending} events wait, {odd} could not be understood");
    if odd > 0 {
        Finding::warning(format!("{counts}: see GET /v1/stripe-events?state=STATE_QUARANTINED"))
    } else {
        Finding::on(counts)
    }
}

/// The finding about the weekly test of error reports.
fn test_of_reports(test: &Value, now: DateTime<Utc>) -> Finding {
    let (arrived, failed) = (text(test, "last_success_time"), text(test, "last_failure_time"));
    // The timestamps have one format, so comparing them as text gives their order.
    if failed > arrived {
        let last = if arrived.is_empty() { "never" } else { arrived };
        return Finding::failed(format!("{} at {failed}; one last arrived: {last}", text(test, "failure")));
    }
    if arrived.is_empty() {
        return Finding::failed("none has arrived");
    }
    match arrived.parse::<DateTime<Utc>>() {
        Ok(time) if now - time > TEST_IS_OLD => {
            return Finding::warning(format!(
                "the last one arrived at {arrived}, more than {} days ago",
                TEST_IS_OLD.num_days()
            ));
        }
        Ok(_) => {}
        Err(_) => return Finding::failed("the status does not show when the last one arrived"),
    }
    Finding::on(format!("the last one arrived at {arrived}"))
}

#[cfg(test)]
mod tests {
    use levqor_runtime::check::Outcome;
    use serde_json::json;

    use super::*;

    fn said() -> Value {
        json!({
            "ready": true, "state": "UP", "since_time": "2026-11-24T06:00:00.123456Z", "version": "0.1.0",
            "protocol": mesh::protocol("billing"),
            "checks": [{"name": "database", "ok": true, "detail": "answers"}],
            "capabilities": [
                {"name": "stripe_prices", "state": "ON", "reason": "14 of 14"},
                {"name": "checkout", "state": "OFF", "reason": "not part of this version"},
            ],
            "schedules": [{"name": "purge", "last_slot_time": "2026-11-24T06:00:00Z",
                           "next_slot_time": "2026-11-24T07:00:00Z", "late": false}],
            "backlog": {"waiting": 3, "dead": 0, "oldest_due_age_s": 2, "journal_pending": 1, "journal_quarantined": 0},
        })
    }

    /// The lines with this outcome, by name, with their evidence.
    fn told(outcome: Outcome, said: &Value) -> Vec<String> {
        let lines = lines("billing", Some(said), false);
        let told = lines.iter().filter(|line| line.finding.outcome == outcome);
        told.map(|line| format!("{}: {}", line.name, line.finding.evidence)).collect()
    }

    fn failed(said: &Value) -> Vec<String> {
        told(Outcome::Failed, said)
    }

    #[test]
    fn a_service_that_is_well_has_a_line_for_each_thing_and_none_fails() {
        assert_eq!(failed(&said()), Vec::<String>::new());
        let lines = |seen| super::lines("billing", Some(&said()), seen);
        assert!(!lines(true).iter().any(|line| line.name == "billing.schedules"));
        let lines = lines(false);
        let names: Vec<_> = lines.iter().map(|line| line.name.trim_start_matches("billing.")).collect();
        let expected =
            ["status", "schedules", "deferred_calls", "journal", "can.stripe_prices", "can.checkout"];
        assert_eq!(names, expected);
        assert!(lines[0].finding.evidence.starts_with("UP since 2026-11-24T06:00:00Z; version 0.1.0"));
        assert_eq!(lines[5].finding.turn_on.as_deref(), Some("it cannot be turned on in this version"));
        let how = turn_on("STRIPE_SECRET_KEY is not set: orders follow the events' own objects");
        assert_eq!(how, "set STRIPE_SECRET_KEY for that service, and start it again");
    }

    #[test]
    fn each_thing_that_is_wrong_fails_its_own_line() {
        let purge = "purge (last 2026-11-24T06:00:00Z, next 2026-11-24T07:00:00Z)";
        for (pointer, value, line) in [
            ("/schedules/0/late", json!(true), format!("billing.schedules: late: {purge}")),
            (
                "/backlog/oldest_due_age_s",
                json!(301),
                "billing.deferred_calls: 3 wait, the oldest is due for 301 s, 0 are dead: more than 300 s"
                    .to_owned(),
            ),
            ("/capabilities/0/state", json!("FAILED"), "billing.can.stripe_prices: 14 of 14".to_owned()),
            (
                "/protocol",
                json!("v1-other"),
                format!(
                    "billing.status: version 0.1.0, protocol v1-other, but this command speaks {}: finish the roll-out",
                    mesh::protocol("billing")
                ),
            ),
        ] {
            let mut said = said();
            *said.pointer_mut(pointer).expect("it is there") = value;
            assert_eq!(failed(&said), [line]);
        }
    }

    #[test]
    fn a_missing_number_is_a_failure_and_not_0() {
        for (name, line) in [
            ("dead", "billing.deferred_calls: the status lacks dead"),
            ("oldest_due_age_s", "billing.deferred_calls: the status lacks oldest_due_age_s"),
            ("journal_quarantined", "billing.journal: the status lacks journal_quarantined"),
        ] {
            let mut said = said();
            said["backlog"].as_object_mut().expect("an object").remove(name);
            assert_eq!(failed(&said), [line]);
        }
    }

    #[test]
    fn work_that_waits_for_a_person_is_a_warning_and_no_failure() {
        let letters = "billing.deferred_calls: 3 wait, the oldest is due for 2 s, 2 are dead: see `levqor dead-letters`";
        let events = "billing.journal: 1 events wait, 1 could not be understood: see GET /v1/stripe-events?state=STATE_QUARANTINED";
        for (pointer, count, line) in
            [("/backlog/dead", 2, letters), ("/backlog/journal_quarantined", 1, events)]
        {
            let mut said = said();
            *said.pointer_mut(pointer).expect("it is there") = json!(count);
            assert_eq!(told(Outcome::Warning, &said), [line]);
            assert_eq!(failed(&said), Vec::<String>::new());
        }
    }

    #[test]
    fn an_unready_silent_or_unknown_service_is_reported() {
        let mut bad = said();
        bad["state"] = json!("NOT_READY");
        bad["checks"][0] = json!({"name": "database", "ok": false, "detail": "does not answer"});
        let built = format!("version 0.1.0, protocol {}", mesh::protocol("billing"));
        let not_ready = format!(
            "billing.status: NOT_READY since 2026-11-24T06:00:00Z: database: does not answer; {built}"
        );
        assert_eq!(failed(&bad), [not_ready]);
        let silent = json!({"state": "NO_ANSWER", "last_answer_time": null});
        assert_eq!(failed(&silent), ["billing.status: it does not answer the gateway; it last did: never"]);
        assert_eq!(lines("billing", None, false).len(), 1);
    }

    #[test]
    fn a_test_report_that_did_not_arrive_fails_until_one_does() {
        use Outcome::{Failed, On, Warning};
        let now = "2026-12-02T05:59:00Z".parse().expect("a time");
        let test = |arrived: Value, failed: Value| {
            test_of_reports(
                &json!({"last_success_time": arrived, "last_failure_time": failed, "failure": "403"}),
                now,
            )
            .outcome
        };
        assert_eq!(test(json!("2026-11-24T06:00:00Z"), Value::Null), On);
        assert_eq!(test(json!("2026-11-24T06:00:00Z"), json!("2026-11-17T06:00:00Z")), On);
        assert_eq!(test(json!("2026-11-17T06:00:00Z"), json!("2026-11-24T06:00:00Z")), Failed);
        assert_eq!(test(json!("2026-11-24T05:00:00Z"), Value::Null), Warning);
        assert_eq!(test(json!("last week"), Value::Null), Failed);
        assert_eq!(test(Value::Null, json!("2026-11-24T06:00:00Z")), Failed);
        assert_eq!(test(Value::Null, Value::Null), Failed);
    }
}
