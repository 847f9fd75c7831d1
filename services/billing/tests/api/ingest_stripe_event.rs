//! `IngestStripeEvent`: it stores only events that Stripe signed, each once, and commits before it acknowledges.

use futures_util::future::join_all;
use levqor_billing::Billing;
use levqor_proto_billing::v1::stripe_event::State;
use levqor_runtime::{
    clock::Clock,
    testing::{self, Caller, TestService},
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic::Code;

use crate::support::{Bench, SECRET, event, reason, session, sign, violated, with};

const EVENTS: &str = "stripe_events";

fn now() -> i64 {
    Clock::default().now().timestamp()
}

fn completed(event_id: &str) -> Value {
    event(event_id, "checkout.session.completed", &session("cs_1"))
}

#[tokio::test]
async fn the_received_bytes_are_stored() {
    let bench = Bench::start().await;
    // Stripe may choose any spacing and order, and add fields.
    let body = r#"{ "type":"invoice.paid", "id":"evt_1",  "created":1790000000, "new":{"a":[1, 2]}, "livemode":true,
        "api_version":"2030-01-01", "data":{"object":{"id":"in_1","customer":"cus_1"}} }"#;
    let answer =
        bench.ingest(body.as_bytes(), &sign(SECRET, now(), body.as_bytes())).await.expect("journaled");
    assert_eq!(
        (answer.event_id.as_str(), answer.duplicate, answer.state()),
        ("evt_1", false, State::Ignored)
    );
    let stored = bench.event_and_body("evt_1").await;
    assert_eq!(stored.body, body);
    let event = stored.stripe_event.expect("an event");
    assert_eq!((event.r#type.as_str(), event.api_version.as_str()), ("invoice.paid", "2030-01-01"));
    assert_eq!((event.object_id.as_str(), event.stripe_customer_id.as_str()), ("in_1", "cus_1"));
    assert!(event.livemode);
    assert_eq!(event.create_time.expect("a time").seconds, 1_790_000_000);
}

#[tokio::test]
async fn each_of_two_live_secrets_is_accepted() {
    let bench = Bench::start_with(&[("STRIPE_WEBHOOK_SECRET", "whsec_new,whsec_old")]).await;
    for (secret, event_id) in [("whsec_new", "evt_1"), ("whsec_old", "evt_2")] {
        let body = completed(event_id).to_string();
        // While a secret is being rolled, Stripe signs with both.
        let both = format!("{},v1={}", sign(secret, now(), body.as_bytes()), "00".repeat(32));
        assert!(!bench.ingest(body.as_bytes(), &both).await.expect(secret).duplicate);
    }
}

#[tokio::test]
async fn an_event_without_stripes_signature_is_never_journaled() {
    let bench = Bench::start().await;
    let body = completed("evt_1").to_string();
    let body = body.as_bytes();
    let good = sign(SECRET, now(), body);
    let tampered = body.to_ascii_uppercase();
    for (signature, body, expected) in [
        ("", body, "SIGNATURE_MISSING"),
        ("nonsense", body, "SIGNATURE_MALFORMED"),
        (&good, &tampered, "SIGNATURE_MISMATCH"),
        (&good, b"", "SIGNATURE_MISMATCH"),
        (&sign("whsec_of_somebody", now(), body), body, "SIGNATURE_MISMATCH"),
        (&sign(SECRET, now() - 301, body), body, "SIGNATURE_STALE"),
        (&sign(SECRET, now() + 330, body), body, "SIGNATURE_FUTURE"),
    ] {
        let refused = bench.ingest(body, signature).await.expect_err(expected);
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected));
    }
    assert_eq!(bench.count(EVENTS).await, 0);
}

#[tokio::test]
async fn the_answer_to_a_probe_says_whether_its_secret_is_live_and_nothing_is_stored() {
    let bench = Bench::start_with(&[("STRIPE_WEBHOOK_SECRET", "whsec_new,whsec_old")]).await;
    let probe = levqor_runtime::webhook::PROBE.as_bytes();
    for (secret, expected) in [
        ("whsec_new", "WEBHOOK_PROBE"),
        ("whsec_old", "WEBHOOK_PROBE"),
        ("whsec_of_somebody", "SIGNATURE_MISMATCH"),
    ] {
        let refused = bench.ingest(probe, &sign(secret, now(), probe)).await.expect_err(expected);
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected));
    }
    assert_eq!(bench.count(EVENTS).await, 0);
}

#[tokio::test]
async fn a_body_that_is_no_event_is_refused_and_the_field_is_named() {
    let bench = Bench::start().await;
    for (body, expected) in [
        ("not JSON", vec!["body"]),
        (r#""evt_1""#, vec!["body"]),
        (r#"{"type":"a","created":1}"#, vec!["body.id"]),
        (r#"{"id":"evt_1","type":null,"created":1}"#, vec!["body.type"]),
        (r#"{"id":"evt_1","type":"a","created":"yesterday"}"#, vec!["body.created"]),
        (r#"{"id":"evt\u0000","type":"a\u0000","created":-1}"#, vec!["body.id", "body.type", "body.created"]),
    ] {
        let signature = sign(SECRET, now(), body.as_bytes());
        let refused = bench.ingest(body.as_bytes(), &signature).await.expect_err(body);
        assert_eq!(violated(&refused), expected, "{body}");
    }
    assert_eq!(bench.count(EVENTS).await, 0);
}

#[tokio::test]
async fn an_unknown_type_is_journaled_and_kept() {
    let bench = Bench::start().await;
    let event = bench.process(&event("evt_1", "treaty.of.westphalia", &json!({"clauses": 128}))).await;
    assert_eq!((event.state(), event.attempts, event.failure.as_str()), (State::Ignored, 0, ""));
    assert!(event.process_time.is_some());
    assert!(!bench.event_and_body("evt_1").await.body.is_empty());
}

#[tokio::test]
async fn a_thin_event_is_journaled() {
    let bench = Bench::start().await;
    let thin = json!({
        "id": "evt_1", "object": "v2.core.event", "type": "v1.billing.meter.no_meter_found", "livemode": false,
        "created": "2026-09-22T10:13:20.123Z", "related_object": {"id": "mtr_1", "type": "billing.meter"},
    });
    let event = bench.process(&thin).await;
    assert_eq!((event.state(), event.object_id.as_str()), (State::Ignored, "mtr_1"));
    let create_time = event.create_time.expect("a time");
    // In whole seconds, as the snapshot event of the same fact has it.
    assert_eq!((create_time.seconds, create_time.nanos), (1_790_072_000, 0));
}

#[tokio::test]
async fn ten_copies_at_once_make_one_order_and_two_mails() {
    let bench = Bench::start().await;
    let event = completed("evt_1");
    let answers = join_all((0..10).map(|_| bench.receive(&event))).await;
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert_eq!(bench.settled("evt_1").await.state(), State::Processed);
    let late = bench.receive(&event).await;
    assert_eq!((late.duplicate, late.state()), (true, State::Processed));
    assert_eq!(bench.count(EVENTS).await, 1);
    assert_eq!(bench.count("orders").await, 1);
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn the_id_alone_distinguishes_events() {
    let bench = Bench::start().await;
    bench.process(&completed("evt_1")).await;
    let other = event("evt_1", "checkout.session.completed", &session("cs_2"));
    let again = bench.receive(&with(other.clone(), &[("created", json!(1_790_009_999))])).await;
    assert_eq!((again.duplicate, again.state()), (true, State::Processed));
    // Concurrent copies share a batch, and only one of them counts as new.
    let many: Vec<_> = (0..10)
        .map(|n| with(other.clone(), &[("id", json!("evt_2")), ("created", json!(1_790_000_000 + n))]))
        .collect();
    let answers = join_all(many.iter().map(|event| bench.receive(event))).await;
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    bench.settled("evt_2").await;
    assert_eq!(bench.count(EVENTS).await, 2);
    assert_eq!(bench.event("evt_1").await.create_time.expect("a time").seconds, 1_790_000_000);
    assert_eq!(bench.orders(&Caller::staff()).await.len(), 2);
}

#[tokio::test]
async fn ten_events_of_one_session_at_once_make_one_order_and_two_mails() {
    let bench = Bench::start().await;
    // Some events name the customer and some do not, so they are processed under different leases.
    let events: Vec<_> = (0..10)
        .map(|n| {
            let customer = if n % 2 == 0 { json!("cus_1") } else { Value::Null };
            let session = with(session("cs_1"), &[("customer", customer)]);
            event(&format!("evt_{n}"), "checkout.session.completed", &session)
        })
        .collect();
    join_all(events.iter().map(|event| bench.receive(event))).await;
    for n in 0..10 {
        assert_eq!(bench.settled(&format!("evt_{n}")).await.state(), State::Processed);
    }
    assert_eq!(bench.count("orders").await, 1);
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn while_the_database_is_down_nothing_is_acknowledged_and_the_retry_succeeds() {
    let url = testing::database::<Billing>().await;
    let down = url.with_database("billing_that_comes_late");
    let bench = Bench {
        service: TestService::start_on(
            down,
            &[("STRIPE_WEBHOOK_SECRET", SECRET), ("LEVQOR_STRIPE_LIVEMODE", "false")],
        )
        .await,
    };
    let body = completed("evt_1").to_string();
    let signature = sign(SECRET, now(), body.as_bytes());
    let refused = bench.ingest(body.as_bytes(), &signature).await.expect_err("no database");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "DATABASE_UNAVAILABLE"));

    let mut server =
        PgConnection::connect_with(url.with_database("postgres").options()).await.expect("a server");
    let name = url.options().get_database().expect("a name");
    let rename = format!("ALTER DATABASE {name} RENAME TO billing_that_comes_late");
    sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut server).await.expect("renamed");
    assert!(!bench.ingest(body.as_bytes(), &signature).await.expect("journaled").duplicate);
    assert_eq!(bench.settled("evt_1").await.state(), State::Processed);
}
