//! Without a key, orders follow the events' own objects.

use levqor_proto_billing::v1::{
    order,
    stripe_event::{IgnoreReason, State},
};
use levqor_proto_mail::v1::send_message_request::Content;
use levqor_runtime::{
    audit,
    testing::{Caller, Log},
};
use serde_json::{Value, json};
use tonic::metadata::MetadataValue;
use tracing::Level;

use crate::support::{Bench, NO_ORDER, SECRET, event, session, sign, with};

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "checkout.session.async_payment_succeeded";
const FAILED: &str = "checkout.session.async_payment_failed";
const EXPIRED: &str = "checkout.session.expired";

fn unpaid(id: &str) -> Value {
    with(session(id), &[("payment_status", json!("unpaid"))])
}

#[tokio::test]
async fn a_paid_session_makes_an_order_two_mails_and_an_audit_entry() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &session("cs_1"))).await;
    let order = bench.order().await;
    let messages = bench.messages().await;
    let [(intake_key, intake), (welcome_key, welcome)] = messages.as_slice() else { panic!("two mails") };
    assert_eq!(*intake_key, format!("order_intake_request:{}", order.order_id));
    assert_eq!(*welcome_key, format!("order_welcome:{}", order.order_id));
    for message in [intake, welcome] {
        assert_eq!(
            (message.recipient.as_str(), &message.about),
            ("ada@example.com", &format!("order:{}", order.order_id))
        );
    }
    let Some(Content::OrderWelcome(welcome)) = &welcome.content else { panic!("a welcome") };
    assert_eq!(
        (welcome.tier.as_str(), welcome.delivery_time.as_str(), welcome.revisions),
        ("Starter", "48 hours", 1)
    );
    assert_eq!(
        (welcome.customer_name.as_str(), welcome.amount.clone()),
        ("Ada Lovelace", order.amount.clone())
    );
    let Some(Content::OrderIntakeRequest(intake)) = &intake.content else { panic!("an intake request") };
    assert_eq!((&intake.order_id, intake.tier.as_str()), (&order.order_id, "Starter"));
    let paid: Vec<(String, Value)> =
        sqlx::query_as("SELECT actor, ids FROM runtime.audit_entries WHERE action = 'order.paid'")
            .fetch_all(bench.service.db.pool())
            .await
            .expect("entries");
    assert_eq!(
        paid,
        [("service:billing".to_owned(), json!({"order_id": order.order_id, "stripe_event_id": "evt_1"}))]
    );
    let chain =
        audit::verify(&mut bench.service.db.acquire().await.expect("a connection")).await.expect("verified");
    // The reads of staff are in the chain too.
    assert!(matches!(chain, audit::Chain::Whole { .. }), "{chain:?}");
}

#[tokio::test]
async fn an_unpaid_session_waits_for_its_money() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", COMPLETED, &unpaid("cs_1"))).await;
    let waiting = bench.order().await;
    assert_eq!((waiting.payment_state(), waiting.pay_time), (order::PaymentState::Pending, None));
    assert!(bench.messages().await.is_empty());
    bench.process(&event("evt_2", SUCCEEDED, &session("cs_1"))).await;
    let paid = bench.order().await;
    assert_eq!((paid.payment_state(), paid.order_id), (order::PaymentState::Paid, waiting.order_id));
    assert_eq!(bench.messages().await.len(), 2);
}

#[tokio::test]
async fn a_session_that_ended_without_money_cancels_its_order() {
    let bench = Bench::start().await;
    for (n, end) in [FAILED, EXPIRED].into_iter().enumerate() {
        let (id, first, last) = (format!("cs_{n}"), format!("evt_{n}a"), format!("evt_{n}b"));
        bench.process(&event(&first, COMPLETED, &unpaid(&id))).await;
        let status = if end == EXPIRED { "expired" } else { "complete" };
        bench.process(&event(&last, end, &with(unpaid(&id), &[("status", json!(status))]))).await;
    }
    let orders = bench.orders(&Caller::staff()).await;
    assert!(orders.iter().all(|order| order.payment_state() == order::PaymentState::Cancelled));
    assert_eq!(orders.len(), 2);
    // A buyer who left the checkout knows that. A buyer whose debit failed does not.
    let messages = bench.messages().await;
    let [(key, mail)] = messages.as_slice() else { panic!("one mail") };
    let Some(Content::OrderCancelled(cancelled)) = &mail.content else { panic!("the news of it") };
    assert_eq!(*key, format!("order_cancelled:{}", cancelled.order_id));
    assert_eq!((mail.recipient.as_str(), cancelled.tier.as_str()), ("ada@example.com", "Starter"));
    let told = format!("order_events WHERE kind = 'PAYMENT_FAILED' AND order_id = '{}'", cancelled.order_id);
    assert_eq!((bench.count(&told).await, bench.count("order_events").await), (1, 1));
}

#[tokio::test]
async fn shuffled_and_doubled_events_end_the_same() {
    let bench = Bench::start().await;
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for (n, places) in orders.into_iter().enumerate() {
        let id = format!("cs_{n}");
        // Each event has its own time, and two of them say that the order is paid.
        let told = [(COMPLETED, unpaid(&id)), (SUCCEEDED, session(&id)), (COMPLETED, session(&id))];
        for (place, nth) in places.into_iter().enumerate() {
            let (event_type, object) = &told[nth];
            let event = event(&format!("evt_{n}_{place}"), event_type, object);
            bench.process(&with(event, &[("created", json!(1_790_000_000 + nth))])).await;
        }
    }
    let orders = bench.orders(&Caller::staff()).await;
    assert_eq!(orders.len(), 6);
    for order in orders {
        assert_eq!(order.payment_state(), order::PaymentState::Paid);
        assert_eq!(order.pay_time.map(|time| time.seconds), Some(1_790_000_001), "the first that said so");
    }
    assert_eq!(bench.messages().await.len(), 12);
}

#[tokio::test]
async fn a_session_that_sells_something_else_creates_no_order() {
    let bench = Bench::start().await;
    let bare = json!({"id": "cs_9", "mode": "payment", "status": "expired", "payment_status": "unpaid"});
    let growth = json!({"mode": "dfy", "plan": "growth"});
    let theirs = json!({"order_id": NO_ORDER, "subscription_id": NO_ORDER, "plan": "starter"});
    for (n, (event_type, object)) in [
        (COMPLETED, with(session("cs_1"), &[("mode", json!("subscription"))])),
        (
            COMPLETED,
            with(
                session("cs_2"),
                &[("mode", json!("setup")), ("payment_status", json!("no_payment_required"))],
            ),
        ),
        (COMPLETED, with(session("cs_3"), &[("metadata", json!({"mode": "credits"}))])),
        (COMPLETED, with(session("cs_4"), &[("metadata", growth)])),
        (COMPLETED, with(session("cs_5"), &[("metadata", json!({"plan": "starter"}))])),
        (COMPLETED, with(session("cs_6"), &[("metadata", Value::Null)])),
        // Other shops write ids into their metadata too.
        (COMPLETED, with(session("cs_7"), &[("metadata", theirs.clone())])),
        (COMPLETED, with(session("cs_8"), &[("metadata", theirs), ("mode", json!("subscription"))])),
        (EXPIRED, bare),
    ]
    .into_iter()
    .enumerate()
    {
        let event = bench.process(&event(&format!("evt_{n}"), event_type, &object)).await;
        assert_eq!(event.state(), State::Ignored, "{}", event.failure);
        assert_eq!(event.ignore_reason(), IgnoreReason::OtherSale);
    }
    assert!(bench.orders(&Caller::staff()).await.is_empty() && bench.messages().await.is_empty());
}

#[tokio::test]
async fn an_event_that_is_not_understood_is_quarantined_and_others_are_processed() {
    let bench = Bench::start().await;
    let of_one_customer = |object| with(object, &[("customer", json!("cus_1"))]);
    for (n, object) in [
        with(session("cs_1"), &[("mode", Value::Null)]),
        with(session("cs_2"), &[("payment_status", json!("owed"))]),
        with(session("cs_3"), &[("amount_total", Value::Null)]),
        with(session("cs_5"), &[("customer_details", Value::Null)]),
        with(session("cs_6"), &[("currency", json!("pounds"))]),
        json!("cs_7"),
    ]
    .into_iter()
    .enumerate()
    {
        let object = if object.is_object() { of_one_customer(object) } else { object };
        let event = bench.process(&event(&format!("evt_{n}"), COMPLETED, &object)).await;
        assert_eq!(event.state(), State::Quarantined, "{n}");
        assert!(!event.failure.is_empty() && !event.failure.contains("example.com"), "{}", event.failure);
    }
    bench.process(&event("evt_good", COMPLETED, &of_one_customer(session("cs_8")))).await;
    assert_eq!(bench.order().await.stripe_checkout_session_id, "cs_8");
}

#[tokio::test]
async fn a_quarantined_event_makes_one_notice_without_personal_data() {
    let (log, _guard) = Log::start(Level::ERROR);
    let bench = Bench::start().await;
    bench.process(&event("evt_0", COMPLETED, &unpaid("cs_0"))).await;
    // The id is of an order of ours, and the plan is not.
    let ours = json!({"order_id": bench.order().await.order_id, "plan": "growth"});
    let odd = with(session("cs_1"), &[("metadata", ours)]);
    bench.process(&event("evt_1", COMPLETED, &odd)).await;
    bench.receive(&event("evt_1", COMPLETED, &odd)).await;
    let text = log.text();
    assert_eq!(text.matches("the Stripe event was quarantined").count(), 1, "{text}");
    assert!(text.contains("evt_1") && text.contains("metadata.plan"), "{text}");
    assert!(!text.contains("xample.com") && !text.contains("Ada") && !text.contains("cs_1"), "{text}");
}

#[tokio::test]
async fn the_webhooks_trace_continues_into_the_mails() {
    let bench = Bench::start().await;
    let body = event("evt_1", COMPLETED, &session("cs_1")).to_string();
    let signature = sign(SECRET, levqor_runtime::clock::Clock::default().now().timestamp(), body.as_bytes());
    let request = levqor_proto_billing::v1::IngestStripeEventRequest { body: body.into(), signature };
    let mut request = Caller::service("gateway", "billing").request(request);
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let parent = MetadataValue::try_from(format!("00-{trace_id}-b7ad6b7169203331-01")).expect("a value");
    request.metadata_mut().insert("traceparent", parent);
    bench.client().ingest_stripe_event(request).await.expect("journaled");
    bench.settled("evt_1").await;
    let traces: Vec<String> =
        sqlx::query_scalar("SELECT trace_parent FROM runtime.work WHERE rpc LIKE '%/SendMessage'")
            .fetch_all(bench.service.db.pool())
            .await
            .expect("deferred calls");
    assert_eq!(traces.len(), 2);
    assert!(traces.iter().all(|trace| trace.contains(trace_id)), "{traces:?}");
}
