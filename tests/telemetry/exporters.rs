//! A telemetry receiver that is down, refuses data or never answers slows no request, and is logged once.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use levqor_runtime::testing::recorder::{Behaviour, Recorder};

use crate::{
    page::Page,
    roles::{Roles, staff},
    stripe::paid_checkout,
};

/// Lets the tests that measure time and the tests that make load run one after the other. A test gives it back before it only
/// waits for its processes.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long some requests took: the fastest, and the slowest.
fn timed(roles: &Roles, requests: usize, status: u16) -> [Duration; 2] {
    let token = staff();
    let timed = (0..requests).map(|_| {
        let begun = Instant::now();
        assert_eq!(roles.get("/v1/orders", &token).0, status);
        begun.elapsed()
    });
    let mut timed: Vec<_> = timed.collect();
    timed.sort_unstable();
    [timed[0], timed[requests - 1]]
}

/// Fails if requests are slower than `before`: all of them, or one by the seconds that an export takes. A busy machine slows both
/// measurements. The fastest request says what each costs: the median also grows if other tests begin in between.
fn assert_no_slower([fastest, slowest]: [Duration; 2], before: [Duration; 2]) {
    assert!(fastest < before[0] * 3 + Duration::from_millis(20), "requests take {fastest:?}, not {before:?}");
    assert!(slowest < before[1] * 3 + Duration::from_secs(2), "a request took {slowest:?}, not {before:?}");
}

fn count(said: &str, words: &str) -> usize {
    said.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_receiver_that_never_answers_delays_no_request_and_no_shutdown() {
    let turn = turn();
    let mut roles =
        Roles::start(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "4000"), ("OTEL_METRIC_EXPORT_INTERVAL", "100")]);
    // More requests than a batch has spans, so that exports are in progress.
    let taken = timed(&roles, 300, 200);
    roles.recorder.set_behaviour(Behaviour::Silent);
    // A request that waited for an export would take four seconds.
    assert_no_slower(timed(&roles, 300, 200), taken);
    drop(turn);
    roles.daemon("billing").until("telemetry is lost");
    let processes = roles.pages.len();
    let (_, said, end) = roles.stop_at_once();
    // At the end, a process waits at most five seconds for all exporters together. If it waited for them one after the other, two
    // would take ten seconds.
    let seconds = end.as_seconds_f64();
    assert!(seconds > 0.0 && seconds < 9.0, "a process took {seconds} s to end");
    let lost = "telemetry is lost until its receiver accepts it again";
    for exporter in ["traces", "logs", "metrics"] {
        let lines =
            said.lines().filter(|line| line.contains(lost) && line.contains(&format!("exporter={exporter}")));
        assert!(lines.count() <= processes, "a process logs the loss of {exporter} more than once: {said}");
    }
}

/// Floods a process until the queue of a signal is full, and then continues. The items that do not fit are lost and counted, and
/// the memory of the process does not grow.
fn assert_bounded(roles: &Roles, (role, signal): (&str, &str), burst: usize, flood: impl Fn(usize)) {
    let page = || Page::read(&roles.page(role));
    let lost = || page().sum("levqor_telemetry_lost_total", &[("signal", signal)]).expect(signal);
    let memory = || page().sum("process_memory_usage_bytes", &[]).expect("memory");
    let bursts = (0..20).find(|_| {
        flood(burst);
        lost() > 0.0
    });
    assert!(bursts.is_some_and(|bursts| bursts > 1), "the queue is full after {bursts:?} bursts");
    // After this, the process has allocated everything else that it needs for so many requests at once.
    flood(1000);
    let (before, lost_before) = (memory(), lost());
    flood(4000);
    let (more, lost) = (memory() - before, lost() - lost_before);
    // On a slow machine, Sentry's worker may give up one export meanwhile and take the waiting items. Then up to one queue of new
    // items fits.
    assert!(lost > 3800.0, "only {lost} of 4,000 items were lost, so the others are kept in memory");
    assert!(more < f64::from(4 << 20), "4,000 requests took {more} bytes");
}

/// No export ends during a test, even on a slow machine. So an item is lost only if it does not fit into the queue.
const ENDLESS: [(&str, &str); 2] =
    [("OTEL_METRIC_EXPORT_INTERVAL", "100"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")];

#[test]
fn a_receiver_that_never_answers_fills_no_memory_with_traces() {
    let turn = turn();
    let roles = Roles::start(&ENDLESS);
    roles.recorder.set_behaviour(Behaviour::Silent);
    assert_bounded(&roles, ("gateway", "traces"), 1000, |times| roles.flood("/nothing", None, times));
    drop(turn);
    roles.stop_at_once();
}

#[test]
fn a_receiver_that_never_answers_fills_no_memory_with_lines_of_the_log() {
    let turn = turn();
    let roles = Roles::start(&[&ENDLESS[..], &[("OTEL_TRACES_SAMPLER_ARG", "0")]].concat());
    roles.recorder.set_behaviour(Behaviour::Silent);
    // Billing logs each of these requests, and refuses it before it asks the database.
    let token = staff();
    assert_bounded(&roles, ("billing", "logs"), 1000, |times| {
        roles.flood("/v1/orders/no-id", Some(&token), times);
    });
    drop(turn);
    let (_, said, end) = roles.stop_at_once();
    assert!(count(&said, "reason=INVALID_REQUEST") > 9_000, "the requests were not logged: {said}");
    assert!(end.as_seconds_f64() < 9.0, "a process took {end} to end");
}

#[test]
fn a_sentry_that_never_answers_slows_no_failing_request_fills_no_memory_and_is_logged_once() {
    let turn = turn();
    let sentry = Recorder::start();
    let mut roles = Roles::start(&[("SENTRY_DSN", &sentry.dsn()), ("OTEL_TRACES_SAMPLER_ARG", "0")]);
    roles.sabotage("billing", "ALTER TABLE orders RENAME TO mislaid");
    let before = timed(&roles, 200, 500);
    // What still waits in the queue would fill it in fewer bursts.
    sentry.until("all events", |told| (told.events.len() >= 200).then_some(()));
    sentry.set_behaviour(Behaviour::Silent);
    assert_no_slower(timed(&roles, 20, 500), before);
    let token = staff();
    assert_bounded(&roles, ("billing", "errors"), 30, |times| roles.flood("/v1/orders", Some(&token), times));
    // Requests are not slower either when the queue is full.
    assert_no_slower(timed(&roles, 200, 500), before);
    drop(turn);
    // The loss is logged after the last attempt of the first report, half a minute after it was first sent.
    roles.daemon("billing").until("exporter=sentry");
    let status = roles.get("/v1/status", &token).2;
    assert!(status.contains("errors failing: "), "{status}");
    let (_, said, end) = roles.stop_timed();
    let lost = "telemetry is lost until its receiver accepts it again exporter=sentry";
    assert_eq!(count(&said, lost), 1, "{said}");
    assert!(end.as_seconds_f64() < 9.0, "a process took {end} to end");
}

#[test]
fn a_receiver_that_refuses_data_is_logged_once_and_once_more_when_it_accepts_data_again() {
    let mut roles = Roles::start(&[("OTEL_METRIC_EXPORT_INTERVAL", "100")]);
    roles.recorder.set_behaviour(Behaviour::Refusing);
    for _ in 0..5 {
        timed(&roles, 20, 200);
        let calls = roles.recorder.calls();
        roles.recorder.until("another export", |_| (roles.recorder.calls() > calls + 3).then_some(()));
    }
    for exporter in ["traces", "metrics"] {
        let lost = format!("telemetry is lost until its receiver accepts it again exporter={exporter}");
        let said = roles.daemon("gateway").until(&lost);
        assert!(!said.contains("before again"), "{said}");
    }
    roles.recorder.set_behaviour(Behaviour::Taking);
    timed(&roles, 1, 200);
    for exporter in ["traces", "metrics"] {
        let again = format!("telemetry is accepted again exporter={exporter} dropped=");
        let said = roles.daemon("gateway").until(&again).to_owned();
        assert_eq!(count(&said, &format!("accepts it again exporter={exporter}")), 1, "{said}");
    }
    // The loss is counted in the metrics, and the counter keeps its value.
    let page = Page::read(&roles.page("gateway"));
    for signal in ["traces", "metrics"] {
        let sum = |name, outcome: &[_]| page.sum(name, &[&[("signal", signal)], outcome].concat());
        for outcome in ["taken", "lost"] {
            let exports = sum("levqor_telemetry_exports_total", &[("outcome", outcome)]);
            assert!(exports.is_some_and(|count| count >= 1.0), "{signal} {outcome}: {page:?}");
        }
        assert!(sum("levqor_telemetry_lost_total", &[]).is_some_and(|count| count >= 1.0), "{page:?}");
    }
    roles.stop();
}

#[test]
fn without_any_receiver_requests_and_mails_work() {
    let roles = Roles::start(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("SENTRY_DSN", "http://key@127.0.0.1:1/1"),
    ]);
    assert_eq!(roles.deliver(&paid_checkout("1", "alice")).0, 200);
    roles.wait_for_mails("alice@example.com");
    roles.sabotage("billing", "ALTER TABLE orders RENAME TO mislaid");
    assert_eq!(roles.get("/v1/orders", &staff()).0, 500);
    let (_, said) = roles.stop();
    assert!(count(&said, "exporter=sentry") <= 1, "{said}");
}
