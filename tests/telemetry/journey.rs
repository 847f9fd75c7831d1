//! One trace leads from Stripe's POST to the mailbox. The test checks each span and its parent.

use std::collections::{BTreeMap, BTreeSet};

use levqor_runtime::testing::recorder::{ReceivedTelemetry, Recorded, attribute};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};

use crate::{
    mail::{self, FakeMail},
    roles::Roles,
    stripe::paid_checkout,
};

/// A span, as an edge names it.
fn name(span: &Recorded<Span>) -> String {
    let kind = SpanKind::try_from(span.it.kind).expect("a kind").as_str_name();
    let kind = kind.trim_start_matches("SPAN_KIND_").to_lowercase();
    format!("{} {kind} {}", span.service.trim_start_matches("levqor-"), span.it.name)
}

/// Every edge from a parent to a child within a trace, with how often it is there.
fn edges(received: &ReceivedTelemetry, trace_id: &[u8]) -> BTreeMap<(String, String), usize> {
    let spans: Vec<_> = received.spans.iter().filter(|span| span.it.trace_id == trace_id).collect();
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.it.span_id.as_slice(), *span)).collect();
    let mut edges = BTreeMap::new();
    for span in &spans {
        let parent = by_id.get(span.it.parent_span_id.as_slice());
        let parent = parent.map_or_else(|| "Stripe".to_owned(), |parent| name(parent));
        *edges.entry((parent, name(span))).or_default() += 1;
    }
    edges
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn deliver_in_trace(roles: &Roles) -> http::HeaderMap {
    let body = paid_checkout("1", "alice").to_string();
    let signature = crate::stripe::sign(&body);
    let (status, headers, said) = roles.send(|http, url| {
        let post = http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature);
        post.header("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01")).body(body)
    });
    assert_eq!(status, 200, "{said}");
    headers
}

const DELIVERY: &str =
    "notifications consumer deliver levqor.notifications.v1.NotificationsService/DeliverMessage";

#[test]
fn a_paid_checkout_and_its_two_mails_are_one_trace() {
    let provider = FakeMail::start();
    let roles = Roles::start(&[("RESEND_API_KEY", mail::API_KEY), ("RESEND_API_BASE", &provider.url())]);
    let answer = deliver_in_trace(&roles);
    let text = |name: &str| answer.get(name).and_then(|value| value.to_str().ok()).expect(name).to_owned();
    assert_eq!(text("x-trace-id"), TRACE);
    assert!(text("traceresponse").starts_with(&format!("00-{TRACE}-")), "{}", text("traceresponse"));
    roles.wait_for_mails("alice@example.com");
    assert_eq!(provider.accepted().len(), 2);
    let (status, _, said) = roles.get("/v1/orders/none", &crate::roles::staff());
    assert!(status >= 400, "{said}");
    let (recorder, _) = roles.stop();
    let received = recorder.received();
    let transcoded = "gateway server GET /v1/orders/{order_id}";
    assert_eq!(
        received.spans.iter().filter(|span| name(span) == transcoded).count(),
        1,
        "named after its route"
    );
    let trace_id = hex::decode(TRACE).expect("hex");
    let edges = edges(&received, &trace_id);
    let ingest = "levqor.billing.v1.BillingService/IngestStripeEvent";
    let (send, deliver) = (
        "levqor.mail.v1.MailService/SendMessage",
        "levqor.notifications.v1.NotificationsService/DeliverMessage",
    );
    for (parent, child, count) in [
        ("Stripe".to_owned(), "gateway server POST /webhooks/stripe".to_owned(), 1),
        ("gateway server POST /webhooks/stripe".to_owned(), format!("gateway client {ingest}"), 1),
        (format!("gateway client {ingest}"), format!("billing server {ingest}"), 1),
        (format!("billing server {ingest}"), "billing client INSERT stripe_events".to_owned(), 1),
        (format!("billing server {ingest}"), "billing consumer process Stripe event".to_owned(), 1),
        ("billing consumer process Stripe event".to_owned(), format!("billing consumer deliver {send}"), 2),
        (format!("billing consumer deliver {send}"), format!("billing client {send}"), 2),
        (format!("billing client {send}"), format!("notifications server {send}"), 2),
        (format!("billing consumer deliver {send}"), "billing client DELETE runtime.work".to_owned(), 2),
        (format!("notifications server {send}"), DELIVERY.to_owned(), 2),
        (DELIVERY.to_owned(), format!("notifications client {deliver}"), 2),
        (format!("notifications client {deliver}"), format!("notifications server {deliver}"), 2),
        (format!("notifications server {deliver}"), "notifications client POST /emails".to_owned(), 2),
        ("billing consumer process Stripe event".to_owned(), "billing client INSERT orders".to_owned(), 1),
    ] {
        let found = edges.get(&(parent.clone(), child.clone())).copied().unwrap_or_default();
        assert_eq!(found, count, "{parent} → {child} in {edges:#?}");
    }
    check_attributes(&received, &trace_id);
}

fn check_attributes(received: &ReceivedTelemetry, trace_id: &[u8]) {
    let ours: Vec<_> = received.spans.iter().filter(|span| span.it.trace_id == trace_id).collect();
    let named = |wanted: &str| *ours.iter().find(|span| name(span) == wanted).expect(wanted);
    let http = named("gateway server POST /webhooks/stripe");
    for (attribute_name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/webhooks/stripe"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(
            attribute(&http.it.attributes, attribute_name).as_deref(),
            Some(value),
            "{attribute_name}"
        );
    }
    let rpc = named("billing server levqor.billing.v1.BillingService/IngestStripeEvent");
    for (attribute_name, value) in [
        ("rpc.system.name", "grpc"),
        ("rpc.method", "levqor.billing.v1.BillingService/IngestStripeEvent"),
        ("rpc.response.status_code", "OK"),
    ] {
        assert_eq!(attribute(&rpc.it.attributes, attribute_name).as_deref(), Some(value), "{attribute_name}");
    }
    let sent = named("notifications client POST /emails");
    for (attribute_name, value) in
        [("server.address", "127.0.0.1"), ("http.response.status_code", "200"), ("url.template", "/emails")]
    {
        assert_eq!(
            attribute(&sent.it.attributes, attribute_name).as_deref(),
            Some(value),
            "{attribute_name}"
        );
    }
    let stored = named("billing client INSERT orders");
    for (attribute_name, value) in [
        ("db.system.name", "postgresql"),
        ("db.operation.name", "INSERT"),
        ("db.collection.name", "orders"),
        ("db.query.summary", "INSERT orders"),
    ] {
        assert_eq!(
            attribute(&stored.it.attributes, attribute_name).as_deref(),
            Some(value),
            "{attribute_name}"
        );
    }
    let failed =
        |span: &&&Recorded<Span>| span.it.status.as_ref().is_some_and(|it| it.code() == StatusCode::Error);
    assert!(!ours.iter().any(|span| failed(&span)), "a span of a journey that went well is an error");
    // A deferred call belongs to the trace that deferred it, and is linked to the span that deferred it.
    let put_off: Vec<_> =
        ours.iter().filter(|span| span.it.kind() == SpanKind::Consumer).map(|span| &span.it).collect();
    // The notice of the new order is deferred too; the test does not wait for it.
    let calls: Vec<_> =
        put_off.iter().map(|span| &span.name).filter(|call| !call.ends_with("/NotifyOperators")).collect();
    assert_eq!(calls.len(), 5, "the event, two calls of billing and two of notifications: {calls:?}");
    for span in put_off {
        let links: Vec<_> = span.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
        assert_eq!(links, [(&span.trace_id, &span.parent_span_id)], "{}", span.name);
    }
}

#[test]
fn resources_say_who_and_where_and_lines_of_the_log_carry_the_trace() {
    let roles = Roles::start(&[
        ("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=eu-west-2"),
        ("LEVQOR_LOG_FORMAT", "json"),
    ]);
    deliver_in_trace(&roles);
    roles.wait_for_mails("alice@example.com");
    let (recorder, said) = roles.stop();
    let received = recorder.received();
    let trace_id = hex::decode(TRACE).expect("hex");
    let stored = |it: &&Recorded<_>| {
        let record: &opentelemetry_proto::tonic::logs::v1::LogRecord = &it.it;
        record.trace_id == trace_id && format!("{:?}", record.body).contains("message stored")
    };
    let line =
        received.logs.iter().find(stored).expect("the line of notifications, in the trace of Stripe's POST");
    assert_eq!(line.service, "levqor-notifications");
    check_resources(&received);
    let lines: Vec<serde_json::Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let stored = lines.iter().find(|line| line["message"] == "message stored").expect("the line");
    assert_eq!(stored["trace_id"], TRACE);
}

/// All signals of a process have the same resource, and each process has a resource of its own.
fn check_resources(received: &ReceivedTelemetry) {
    let mut instances = BTreeSet::new();
    for service in ["levqor-gateway", "levqor-billing", "levqor-notifications"] {
        for signal in ["traces", "logs", "metrics"] {
            let resource = &received.resources[&(signal, service.to_owned())];
            let of = |name: &str| attribute(resource, name).expect(name);
            for (name, value) in [
                ("service.name", service),
                ("service.namespace", "levqor"),
                ("service.version", env!("CARGO_PKG_VERSION")),
                ("deployment.environment.name", "testing"),
                ("cloud.region", "eu-west-2"),
            ] {
                assert_eq!(of(name), value, "{name} of the {signal} of {service}");
            }
            instances.insert(of("service.instance.id"));
            assert_eq!(resource.len(), 6, "{resource:?}");
        }
    }
    assert_eq!(instances.len(), 3, "three processes: {instances:?}");
}

#[test]
fn a_share_of_the_traces_is_recorded_and_a_trusted_caller_that_decided_is_heard() {
    let roles =
        Roles::start(&[("OTEL_TRACES_SAMPLER_ARG", "0"), ("LEVQOR_TRUST_TRACE_SAMPLING", "grpc,http")]);
    roles.deliver(&paid_checkout("2", "bob"));
    roles.wait_for_mails("bob@example.com");
    deliver_in_trace(&roles);
    roles.wait_for_mails("alice@example.com");
    let (recorder, _) = roles.stop();
    let received = recorder.received();
    let trace_id = hex::decode(TRACE).expect("hex");
    assert!(received.spans.len() > 10, "the caller's trace is missing");
    assert!(
        received.spans.iter().all(|span| span.it.trace_id == trace_id),
        "a trace was recorded that is not in the share"
    );
}

#[test]
fn an_outside_caller_keeps_its_trace_id_and_does_not_decide_about_recording() {
    let roles = Roles::start(&[("OTEL_TRACES_SAMPLER_ARG", "0")]);
    let answer = deliver_in_trace(&roles);
    assert_eq!(answer.get("x-trace-id").and_then(|id| id.to_str().ok()), Some(TRACE));
    roles.wait_for_mails("alice@example.com");
    let (recorder, _) = roles.stop();
    assert!(recorder.received().spans.is_empty(), "a stranger had its trace recorded");
}
