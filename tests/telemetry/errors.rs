//! An internal error is reported to Sentry once, with its trace. An expected error is not reported.

use levqor_runtime::testing::recorder::ReceivedTelemetry;
use serde_json::Value;

use crate::{
    process::{Folder, levqor, run, text},
    roles::{Roles, staff},
    services,
};

fn event<'t>(received: &'t ReceivedTelemetry, reason: &str) -> Option<&'t Value> {
    received.events.iter().find(|event| event["tags"]["reason"] == reason)
}

/// All events but those of billing's scheduled work, which may begin while a table does not have its name.
fn of_requests(received: &ReceivedTelemetry) -> Vec<&Value> {
    let ours = ["ListOrders", "GetOrder"].map(|rpc| format!("levqor.billing.v1.BillingService/{rpc}"));
    let is_scheduled = |event: &Value| {
        let operation = event["tags"]["operation"].as_str().unwrap_or_default();
        event["tags"]["service"] == "billing" && !ours.iter().any(|rpc| rpc == operation)
    };
    received.events.iter().filter(|event| !is_scheduled(event)).collect()
}

#[test]
fn an_internal_error_is_one_event_with_the_trace_and_expected_errors_are_none() {
    let roles = Roles::start(&[]);
    // Expected errors: no token, an invalid id, an unknown id.
    assert_eq!(roles.send(|http, url| http.get(format!("{url}/v1/orders"))).0, 401);
    assert_eq!(roles.get("/v1/orders/no-id", &staff()).0, 400);
    assert_eq!(roles.get("/v1/orders/019378e5-1f5d-7c51-8a3a-424242424242", &staff()).0, 404);
    roles.sabotage("billing", "ALTER TABLE orders RENAME TO mislaid");
    let (status, headers, body) = roles.get("/v1/orders", &staff());
    assert_eq!(status, 500, "{body}");
    let trace_id = headers["x-trace-id"].to_str().expect("an id").to_owned();
    let (recorder, _) = roles.stop();
    let received = recorder.received();
    let events = of_requests(&received);
    let [event] = events[..] else { panic!("{events:#?}") };
    for (pointer, expected) in [
        ("/contexts/trace/trace_id", trace_id.as_str()),
        ("/tags/service", "billing"),
        ("/tags/operation", "levqor.billing.v1.BillingService/ListOrders"),
        ("/tags/reason", "INTERNAL"),
        ("/release", concat!("levqor@", env!("CARGO_PKG_VERSION"))),
        ("/environment", "testing"),
        ("/exception/values/0/value", "the database refused a statement"),
        ("/fingerprint/0", "billing"),
        ("/fingerprint/1", "INTERNAL"),
        ("/fingerprint/2", "levqor.billing.v1.BillingService/ListOrders"),
    ] {
        assert_eq!(event.pointer(pointer).and_then(Value::as_str), Some(expected), "{pointer} in {event:#}");
    }
    // The span of the error was exported, and is marked as failed.
    let span_id = hex::decode(event["contexts"]["trace"]["span_id"].as_str().expect("an id")).expect("hex");
    let span = received.spans.iter().find(|span| span.it.span_id == span_id).expect("the span of the event");
    assert_eq!(span.service, "levqor-billing");
    assert_eq!(span.it.status.as_ref().map(|status| status.code), Some(2));
    assert!(event["extra"]["error"].as_str().is_some_and(|it| it.contains("SQLSTATE 42P01")), "{event:#}");
}

#[test]
fn an_error_is_reported_whether_or_not_its_trace_is_recorded() {
    let roles = Roles::start(&[("OTEL_TRACES_SAMPLER_ARG", "0")]);
    roles.sabotage("billing", "ALTER TABLE orders RENAME TO mislaid");
    let traces = ["one", "another"].map(|_| {
        let (status, headers, body) = roles.get("/v1/orders", &staff());
        assert_eq!(status, 500, "{body}");
        headers["x-trace-id"].to_str().expect("an id").to_owned()
    });
    let (recorder, _) = roles.stop();
    let received = recorder.received();
    let trace_id = |event: &&Value| event["contexts"]["trace"]["trace_id"].as_str().map(str::to_owned);
    let events = of_requests(&received);
    let reported: Vec<_> = events.iter().filter_map(trace_id).collect();
    assert_eq!(reported, traces, "each is one event with its trace's id");
    assert!(received.spans.is_empty(), "a trace was recorded that is not in the share");
    // Sentry groups them into one issue.
    assert_eq!(events[0]["fingerprint"], events[1]["fingerprint"]);
}

#[test]
fn a_service_that_cannot_start_says_so_before_it_ends() {
    let recorder = levqor_runtime::testing::recorder::Recorder::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = Folder::new();
    let mut command = levqor(&folder.data(), &["serve", "gateway"]);
    command.env("LEVQOR_HTTP_ADDR", taken.local_addr().expect("address").to_string());
    command.env("SENTRY_DSN", recorder.dsn()).env("OTEL_EXPORTER_OTLP_ENDPOINT", recorder.endpoint());
    command.env("LEVQOR_MESH_KEY", levqor_runtime::testing::MESH_KEY);
    command.env("LEVQOR_JWT_SECRET", levqor_runtime::testing::JWT_SECRET);
    let addresses =
        services::ALL.iter().map(|service| format!("LEVQOR_{}_ADDR", service.name().to_uppercase()));
    command.envs(addresses.map(|name| (name, "127.0.0.1:1")));
    let output = run(command);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
    let received = recorder.received();
    let event = event(&received, "PROCESS_ENDED").expect("an event");
    assert!(
        event["exception"]["values"][0]["value"].as_str().is_some_and(|it| it.contains("LEVQOR_HTTP_ADDR")),
        "{event:#}"
    );
    assert_eq!(received.logs.len(), 1, "the same, over OTLP");
}

#[test]
fn refused_settings_are_reported_to_sentry_if_its_settings_are_valid() {
    let recorder = levqor_runtime::testing::recorder::Recorder::start();
    let folder = Folder::new();
    for role in [&["serve", "billing"][..], &["serve", "gateway"], &["up"]] {
        let mut command = levqor(&folder.data(), role);
        command
            .env("SENTRY_DSN", recorder.dsn())
            .env("LEVQOR_DRAIN_DELAY_MS", "a while of secret@example.com");
        let output = run(command);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("LEVQOR_DRAIN_DELAY_MS"), "{}", text(&output.stderr));
    }
    let received = recorder.received();
    let ended = received.events.iter().filter(|event| event["tags"]["reason"] == "PROCESS_ENDED");
    let services: Vec<_> = ended.map(|event| event["tags"]["service"].as_str().expect("a service")).collect();
    assert_eq!(services, ["billing", "gateway", "up"], "{:#?}", received.events);
    let all = format!("{:?}", received.events);
    assert!(all.contains("LEVQOR_DRAIN_DELAY_MS") && !all.contains("secret@example.com"), "{all}");
}
