//! A panic, as seen from outside. It runs in its own process, since it replaces the process' panic hook.

#[path = "api/probe.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which need all of it")]
mod probe;

use std::process::Command;

use levqor_runtime::{
    config::{Env, Reader},
    telemetry::{self, TelemetryConfig},
    testing::recorder::Recorder,
};
use probe::{mail, send};

/// Set in the child process that this test starts.
const CHILD: &str = "LEVQOR_TEST_CHILD";

/// The panicking child. As a test it does nothing unless it runs in the child process.
#[test]
fn child() {
    let env = Env::from_process();
    if env.get(CHILD).is_none() {
        return;
    }
    let mut reader = Reader::new(&env);
    let config = TelemetryConfig::read(&mut reader);
    let config = reader.finish(config).expect("settings");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let work = async {
        let service = probe::start().await;
        let mut request = send("panic", "k1");
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        request.metadata_mut().insert("traceparent", parent.parse().expect("a header"));
        mail(&service).send_message(request).await.expect_err("panicked");
        service.stop().await;
        assert_ne!(env.get(CHILD), Some("boot"), "it was to end here");
        Ok(())
    };
    runtime.block_on(telemetry::run(&config, "probe", work)).expect("it ends well");
}

fn run_child(how: &str) -> (Recorder, std::process::Output) {
    let recorder = Recorder::start();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "child", "--nocapture"]).env(CHILD, how);
    command.env("SENTRY_DSN", recorder.dsn()).env("OTEL_EXPORTER_OTLP_ENDPOINT", recorder.endpoint());
    let output = command.output().expect("it runs");
    (recorder, output)
}

#[test]
fn a_panic_in_a_handler_is_one_event_with_its_trace_its_place_and_none_of_its_words() {
    let (recorder, output) = run_child("handler");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{said}");
    let received = recorder.received();
    assert_eq!(received.events.len(), 1, "{:#?}", received.events);
    let event = &received.events[0];
    for (pointer, expected) in [
        ("/exception/values/0/type", "panic"),
        ("/contexts/trace/trace_id", "0af7651916cd43dd8448eb211c80319c"),
        ("/tags/service", "notifications"),
        ("/tags/operation", "levqor.mail.v1.MailService/SendMessage"),
        ("/fingerprint/0", "panic"),
    ] {
        assert_eq!(
            event.pointer(pointer).and_then(|it| it.as_str()),
            Some(expected),
            "{pointer} in {event:#}"
        );
    }
    let place = event["fingerprint"][1].as_str().expect("a place");
    assert!(place.starts_with("runtime/tests/api/probe.rs:"), "{place}");
    let frames = event["exception"]["values"][0]["stacktrace"]["frames"].as_array().expect("a stack");
    let ours =
        frames.iter().any(|frame| frame["function"].as_str().is_some_and(|it| it.contains("send_message")));
    assert!(ours, "the handler is not in the stack: {frames:#?}");
    // The stack ends at the panic, in one of our frames. An inlined frame has only a short name such as `{async_fn#0}`.
    let last = frames.last().expect("a frame");
    let file_and_line = format!("/{}:{}", last["filename"].as_str().unwrap_or_default(), last["lineno"]);
    assert!(place.ends_with(&file_and_line) && last["in_app"] == true, "the stack ends elsewhere: {last}");
    let foreign =
        |frame: &serde_json::Value| frame["filename"] == "catch_unwind.rs" && frame["in_app"] == true;
    assert!(!frames.iter().any(foreign), "a library's frame passes for ours: {frames:#?}");
    // The values in the text of `assert_ne!`.
    for text in [&said, &received.everything] {
        assert!(!text.contains("asked to") && !text.contains("\"panic\" !="), "{text}");
    }
    assert!(said.contains(&format!("panic.location={place}")), "{said}");
    assert!(said.contains("trace_id=0af7651916cd43dd8448eb211c80319c"), "{said}");
}

#[test]
fn a_panic_that_ends_the_process_is_reported_before_its_end() {
    let (recorder, output) = run_child("boot");
    assert!(!output.status.success());
    let received = recorder.received();
    let panics = received.events.iter().filter(|event| event["fingerprint"][0] == "panic");
    let places: Vec<_> = panics.filter_map(|event| event["fingerprint"][1].as_str()).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places.iter().any(|place| place.starts_with("runtime/tests/telemetry.rs:")), "{places:?}");
    assert!(!received.spans.is_empty() && !received.logs.is_empty(), "spans and lines were not flushed");
}
