//! With a key, an event only says that its object changed: billing acts on the object's current state at Stripe.

use std::sync::Mutex;

use chrono::TimeDelta;
use levqor_proto_billing::v1::{order, stripe_event::State};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::{
    testing::{Caller, Log, eventually},
    work::Source,
};
use serde_json::{Value, json};
use tracing::Level;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path, query_param},
};

use crate::support::{Bench, Idle, event, refetches, session, subscription, with};

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "checkout.session.async_payment_succeeded";

/// A Stripe that has this session.
async fn stripe_with(session: &Value) -> MockServer {
    let stripe = MockServer::start().await;
    answer(&stripe, session, ResponseTemplate::new(200).set_body_json(session)).await;
    stripe
}

async fn answer(stripe: &MockServer, session: &Value, answer: ResponseTemplate) {
    let id = session["id"].as_str().expect("an id");
    let asked = Mock::given(method("GET"))
        .and(path(format!("/v1/checkout/sessions/{id}")))
        .and(header("authorization", "Bearer sk_test_1"));
    asked.respond_with(answer).mount(stripe).await;
}

fn unpaid(id: &str) -> Value {
    with(session(id), &[("payment_status", json!("unpaid"))])
}

#[tokio::test]
async fn paid_at_stripe_wins_over_unpaid_in_the_event() {
    let stripe = stripe_with(&session("cs_1")).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    bench.process(&event("evt_1", COMPLETED, &unpaid("cs_1"))).await;
    assert_eq!(bench.order().await.payment_state(), order::PaymentState::Paid);
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn unpaid_at_stripe_wins_over_paid_in_the_event() {
    let stripe = stripe_with(&unpaid("cs_1")).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    assert_eq!(bench.order().await.payment_state(), order::PaymentState::Pending);
    assert!(bench.messages().await.is_empty());
}

#[tokio::test]
async fn the_payment_intent_alone_makes_the_order_paid_and_other_payments_change_nothing() {
    for event_type in ["payment_intent.succeeded", "payment_intent.payment_failed"] {
        let stripe = MockServer::start().await;
        let list = |sessions: &[Value]| {
            ResponseTemplate::new(200).set_body_json(json!({"object": "list", "data": sessions}))
        };
        for (intent, sessions) in [("pi_cs_1", vec![session("cs_1")]), ("pi_other", Vec::new())] {
            Mock::given(path("/v1/checkout/sessions"))
                .and(query_param("payment_intent", intent))
                .respond_with(list(&sessions))
                .mount(&stripe)
                .await;
        }
        let bench = Bench::start_with_stripe(&stripe.uri()).await;
        for (n, intent) in ["pi_other", "pi_cs_1"].into_iter().enumerate() {
            let object = json!({"id": intent, "object": "payment_intent", "status": "processing"});
            let seen = bench.process(&event(&format!("evt_{n}"), event_type, &object)).await;
            assert_eq!(seen.state(), State::Processed, "{intent}");
        }
        // An earlier card may have been declined: Stripe's state of the session decides, and not the event.
        assert_eq!(bench.order().await.payment_state(), order::PaymentState::Paid, "{event_type}");
        assert_eq!(bench.messages().await.len(), 2, "{event_type}");
    }
}

#[tokio::test]
async fn the_charge_says_when_the_money_came_whichever_event_sees_it() {
    const CHARGED: i64 = 1_790_300_000;
    let intent = json!({"id": "pi_1", "latest_charge": {"id": "ch_1", "created": CHARGED}});
    let stripe = MockServer::start().await;
    for id in ["cs_1", "cs_2"] {
        // Stripe shows the charge only if it is asked to expand it.
        let shown = ResponseTemplate::new(200)
            .set_body_json(with(session(id), &[("payment_intent", intent.clone())]));
        Mock::given(path(format!("/v1/checkout/sessions/{id}")))
            .and(query_param("expand[0]", "payment_intent.latest_charge"))
            .respond_with(shown)
            .mount(&stripe)
            .await;
    }
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    let told = [(COMPLETED, 1_790_000_000), (SUCCEEDED, 1_790_345_600)];
    for (n, (event_type, created)) in told.into_iter().enumerate() {
        let late = event(&format!("evt_{n}"), event_type, &unpaid(&format!("cs_{}", n + 1)));
        bench.process(&with(late, &[("created", json!(created))])).await;
    }
    let orders = bench.orders(&Caller::staff()).await;
    let pay_times: Vec<_> =
        orders.iter().filter_map(|order| order.pay_time).map(|time| time.seconds).collect();
    assert_eq!(pay_times, [CHARGED; 2]);
}

#[tokio::test]
async fn the_receipt_that_stripe_has_for_the_charge_is_mailed_once() {
    let link = "https://pay.stripe.com/receipts/payment/1";
    let charge = json!({"id": "ch_1", "created": 1_790_300_000, "receipt_url": link});
    let paid = with(
        session("cs_1"),
        &[
            ("payment_intent", json!({"id": "pi_1", "latest_charge": charge})),
            ("total_details", json!({"amount_discount": 0, "amount_tax": 1650})),
        ],
    );
    let stripe = stripe_with(&paid).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    for (n, event_type) in [COMPLETED, SUCCEEDED].into_iter().enumerate() {
        bench.process(&event(&format!("evt_{n}"), event_type, &unpaid("cs_1"))).await;
    }
    let order = bench.order().await;
    let mut receipts = bench.messages().await;
    receipts.retain(|(_, message)| matches!(message.content, Some(Content::PaymentReceipt(_))));
    let [(key, message)] = receipts.as_slice() else { panic!("{} receipts", receipts.len()) };
    assert_eq!(*key, format!("payment_receipt:{}", order.order_id));
    let about = format!("order:{}", order.order_id);
    assert_eq!((message.recipient.as_str(), &message.about), ("ada@example.com", &about));
    let Some(Content::PaymentReceipt(receipt)) = &message.content else { panic!("a receipt") };
    assert_eq!((&receipt.reference, receipt.item.as_str()), (&order.order_id, "Starter, done for you"));
    assert_eq!((&receipt.amount, receipt.payment_time), (&order.amount, order.pay_time));
    assert_eq!(receipt.tax.as_ref().map(|tax| tax.minor_units), Some(1650));
    assert_eq!(receipt.receipt_link.as_deref(), Some(link));
}

#[tokio::test]
async fn an_event_whose_own_object_is_garbled_is_understood_all_the_same() {
    let stripe = stripe_with(&with(session("cs_1"), &[("brand_new", json!([{"a": 1.5}]))])).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    let thin = json!({
        "id": "evt_1", "object": "v2.core.event", "type": "v1.checkout.session.completed",
        "livemode": false, "created": "2026-09-22T10:13:20Z",
        "related_object": {"id": "cs_1", "type": "checkout.session"},
    });
    for event in [event("evt_2", COMPLETED, &json!({"id": "cs_1", "mode": 7})), thin] {
        assert_eq!(bench.process(&event).await.state(), State::Processed);
    }
    assert_eq!(bench.order().await.payment_state(), order::PaymentState::Paid);
}

#[tokio::test]
async fn one_fetch_serves_every_event_that_waits_for_it() {
    let stripe = stripe_with(&session("cs_1")).await;
    let idle = Idle::start_with_stripe(&stripe.uri()).await;
    for n in 0..5 {
        idle.store(&event(&format!("evt_{n}"), COMPLETED, &unpaid("cs_1")), "cs_1").await;
    }
    idle.work().await;
    assert_eq!(idle.count("stripe_events WHERE state = 'PROCESSED'").await, 5);
    assert_eq!(stripe.received_requests().await.expect("recorded").len(), 1);
    assert_eq!(idle.count("orders WHERE payment_state = 'PAID'").await, 1);
}

#[tokio::test]
async fn a_customer_with_many_sessions_is_processed_in_several_leases() {
    let stripe = MockServer::start().await;
    let sessions: Vec<_> =
        (0..7).map(|n| with(session(&format!("cs_{n}")), &[("customer", json!("cus_1"))])).collect();
    for session in &sessions {
        answer(&stripe, session, ResponseTemplate::new(200).set_body_json(session)).await;
    }
    let idle = Idle::start_with_stripe(&stripe.uri()).await;
    for (n, session) in sessions.iter().enumerate() {
        idle.store(&event(&format!("evt_{n}"), COMPLETED, session), "cus_1").await;
    }
    // Only so many fetches that the lease outlives them, even if each takes its full timeout.
    for orders in [3, 6, 7] {
        idle.work().await;
        assert_eq!(idle.count("orders").await, orders);
    }
    assert_eq!(stripe.received_requests().await.expect("recorded").len(), 7);
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    for status in [500, 429, 401] {
        let stripe = MockServer::start().await;
        let outage = json!({"error": {"type": "api_error", "message": "ada@example.com"}});
        let outage = ResponseTemplate::new(status).set_body_json(outage);
        let down = Mock::given(path("/v1/checkout/sessions/cs_1"))
            .respond_with(outage)
            .mount_as_scoped(&stripe)
            .await;
        let idle = Idle::start_with_stripe(&stripe.uri()).await;
        idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
        idle.work().await;
        let (state, attempts, failure) = idle.event("evt_1").await;
        assert_eq!((state.as_str(), attempts), ("PENDING", 1));
        assert_eq!(failure, format!("Stripe answered {status}"));
        assert_eq!(idle.count("runtime.leases").await, 0, "the key is free");
        let put_off = "stripe_events WHERE due_time >= receive_time + interval '800 milliseconds'";
        assert_eq!(idle.count(put_off).await, 1, "it waits for a moment");
        // On a busy machine that moment may be over.
        idle.execute("UPDATE stripe_events SET due_time = due_time + interval '1 hour'").await;
        assert!(idle.journal.claim(10).await.expect("claimed").is_empty(), "not before its time");

        drop(down);
        answer(&stripe, &session("cs_1"), ResponseTemplate::new(200).set_body_json(session("cs_1"))).await;
        levqor_runtime::testing::advance(&idle.db, TimeDelta::hours(1) + TimeDelta::seconds(2)).await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await, ("PROCESSED".to_owned(), 2, String::new()));
        assert_eq!(idle.count("orders WHERE payment_state = 'PAID'").await, 1);
    }
}

#[tokio::test]
async fn a_stripe_that_is_not_there_or_talks_nonsense_is_waited_out() {
    let nonsense = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_string("<html>maintenance</html>");
    Mock::given(method("GET")).respond_with(page).mount(&nonsense).await;
    let expected = [
        ("http://127.0.0.1:1", "Stripe cannot be reached"),
        (&nonsense.uri(), "Stripe's answer cannot be read"),
    ];
    for (base, failure) in expected {
        let idle = Idle::start_with_stripe(base).await;
        idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await, ("PENDING".to_owned(), 1, failure.to_owned()));
    }
}

#[tokio::test]
async fn nothing_of_a_session_gets_into_the_log() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let stripe = stripe_with(&session("cs_1")).await;
    let gone = json!({"error": {"type": "invalid_request_error", "message": "No such session: cs_2"}});
    answer(&stripe, &session("cs_2"), ResponseTemplate::new(404).set_body_json(gone)).await;
    let idle = Idle::start_with_stripe(&stripe.uri()).await;
    for id in ["cs_1", "cs_2"] {
        idle.store(&event(&format!("evt_{id}"), COMPLETED, &session(id)), id).await;
    }
    idle.work().await;
    // Only our own lines: wiremock and sqlx log what they get, but are silent in production.
    let text = log.text();
    let ours: Vec<_> =
        text.lines().filter(|line| line.contains("levqor_") || line.contains("stripe::")).collect();
    let text = ours.join("\n").replace("evt_cs_", "evt_");
    assert!(text.contains("was processed") && text.contains("was quarantined"), "{text}");
    for personal in ["cs_1", "cs_2", "xample.com", "Ada", "sk_test"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

#[tokio::test]
async fn after_the_last_try_the_event_is_quarantined() {
    let idle = Idle::start_with_stripe("http://127.0.0.1:1").await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle.execute("UPDATE stripe_events SET attempts = 24").await;
    idle.work().await;
    let failure = "given up after 25 tries: Stripe cannot be reached".to_owned();
    assert_eq!(idle.event("evt_1").await, ("QUARANTINED".to_owned(), 25, failure));
}

#[tokio::test]
async fn an_event_whose_object_stripe_lacks_is_quarantined_and_the_customers_other_events_are_processed() {
    let stripe = stripe_with(&session("cs_2")).await;
    let gone = json!({"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such session"}});
    answer(&stripe, &session("cs_1"), ResponseTemplate::new(404).set_body_json(gone)).await;
    let idle = Idle::start_with_stripe(&stripe.uri()).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cus_1").await;
    idle.store(&event("evt_2", COMPLETED, &session("cs_2")), "cus_1").await;
    idle.work().await;
    let failure = "Stripe does not have the object (404)".to_owned();
    assert_eq!(idle.event("evt_1").await, ("QUARANTINED".to_owned(), 1, failure));
    assert_eq!(idle.event("evt_2").await.0, "PROCESSED");
}

#[tokio::test]
async fn an_id_never_becomes_another_path() {
    let stripe = stripe_with(&session("cs_1")).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    for (n, id) in ["../customers/cus_1", "cs_1?expand[]=customer", "cs_1#"].into_iter().enumerate() {
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &session(id))).await;
        assert_eq!(event.state(), State::Quarantined, "{id}");
    }
    assert_eq!(refetches(&stripe).await, 0);
}

#[tokio::test]
async fn a_payment_between_two_reads_of_the_session_is_found() {
    let stripe = MockServer::start().await;
    let waiting = ResponseTemplate::new(200).set_body_json(unpaid("cs_1"));
    Mock::given(path("/v1/checkout/sessions/cs_1"))
        .respond_with(waiting)
        .up_to_n_times(1)
        .mount(&stripe)
        .await;
    answer(&stripe, &session("cs_1"), ResponseTemplate::new(200).set_body_json(session("cs_1"))).await;
    let bench = Bench::start_with_stripe(&stripe.uri()).await;
    bench.process(&event("evt_1", COMPLETED, &unpaid("cs_1"))).await;
    bench.process(&event("evt_2", "checkout.session.async_payment_succeeded", &unpaid("cs_1"))).await;
    eventually("the order is paid", || async {
        (bench.order().await.payment_state() == order::PaymentState::Paid).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_older_answer_about_a_subscription_does_not_replace_a_newer_state() {
    let stripe = MockServer::start().await;
    let base = stripe.uri();
    let settings = [
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_API_BASE", base.as_str()),
        ("STRIPE_PRICE_GROWTH", "price_growth"),
    ];
    let idle = Idle::start(&settings).await;
    let active = subscription("active", &[("GROWTH", 7900)]);
    let answer = ResponseTemplate::new(200).set_body_json(&active);
    // The second answer is late: it is sent after the test has written a newer state. The wait blocks only the thread of this Stripe.
    let (asking, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let (write, written) = std::sync::mpsc::channel::<()>();
    let (written, older) = (Mutex::new(written), answer.clone());
    let late = move |_: &wiremock::Request| {
        asking.send(()).expect("the test listens");
        written.lock().expect("a lock").recv().expect("the test has written");
        older.clone()
    };
    let newer = ResponseTemplate::new(200).set_body_json(subscription("past_due", &[("GROWTH", 7900)]));
    let at = || Mock::given(method("GET")).and(path("/v1/subscriptions/sub_1"));
    at().respond_with(answer).up_to_n_times(1).mount(&stripe).await;
    at().respond_with(late).up_to_n_times(1).mount(&stripe).await;
    at().respond_with(newer).up_to_n_times(2).mount(&stripe).await;
    idle.store(&event("evt_1", "customer.subscription.created", &active), "cus_1").await;
    idle.work().await;
    assert_eq!(idle.count("subscriptions WHERE state = 'ACTIVE'").await, 1);
    idle.store(&event("evt_2", "customer.subscription.updated", &active), "cus_1").await;
    // While Stripe's answer is under way, another worker writes a newer state.
    let meanwhile = async {
        asked.recv().await.expect("Stripe is asked");
        idle.execute("UPDATE subscriptions SET state = 'PAST_DUE', version = version + 1").await;
        write.send(()).expect("Stripe waits");
    };
    tokio::join!(idle.work(), meanwhile);
    let failure = "the subscription changed while Stripe was asked".to_owned();
    assert_eq!(idle.event("evt_2").await, ("PENDING".to_owned(), 1, failure));
    assert_eq!(idle.count("subscriptions WHERE state = 'PAST_DUE'").await, 1);
    levqor_runtime::testing::advance(&idle.db, TimeDelta::seconds(2)).await;
    idle.work().await;
    assert_eq!(idle.event("evt_2").await.0, "PROCESSED");
    assert_eq!(idle.count("subscriptions WHERE state = 'PAST_DUE'").await, 1);
}
