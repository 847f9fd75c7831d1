//! Events of types that this version does not handle: they are ignored, and a version that handles them processes them.

use chrono::TimeDelta;
use levqor_proto_billing::v1::stripe_event::State;
use levqor_runtime::{clock::Clock, testing::eventually, work::Source};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::support::{Bench, Idle, event, session, subscription, with};

const COMPLETED: &str = "checkout.session.completed";
/// What an older version without support for checkout sessions does.
const IGNORE_ALL: &str =
    "UPDATE stripe_events SET state = 'IGNORED', process_time = now() WHERE state = 'PENDING'";
const IGNORED: &str = "stripe_events WHERE state = 'IGNORED'";
const ORDERS: &str = "orders";
const MAILS: &str = "runtime.work WHERE rpc LIKE '%/SendMessage'";
/// A person was erased, an hour from now.
const ERASED: &str = "INSERT INTO runtime.receipts (receipt_id, table_name, changed_rows, complete_time)
     VALUES (gen_random_uuid(), '', 0, runtime.now() + interval '1 hour')";
/// An instant long ago.
const LONG_AGO: i64 = 1_600_000_000;

impl Idle {
    /// Stores an event that arrived four days ago and, if `ignored`, was ignored by an older version.
    async fn store_old(&self, event: &Value, ignored: bool) {
        self.store(event, "cus_1").await;
        self.execute(
            "UPDATE stripe_events SET receive_time = now() - interval '4 days' WHERE state = 'PENDING'",
        )
        .await;
        if ignored {
            self.execute(IGNORE_ALL).await;
        }
        // The service looks for ignored events once a minute.
        self.clock.advance(chrono::TimeDelta::seconds(60));
    }

    /// How many notices of this kind were deferred.
    async fn notices(&self, kind: &str) -> i64 {
        let notices = "runtime.work WHERE rpc LIKE '%/NotifyOperators' AND idempotency_key LIKE";
        self.count(&format!("{notices} '%{kind}%'")).await
    }
}

/// An event of long ago.
fn old(id: &str, event_type: &str, object: &Value) -> Value {
    with(event(id, event_type, object), &[("created", json!(LONG_AGO))])
}

#[tokio::test]
async fn an_event_of_an_ignored_type_is_ignored_with_a_reason() {
    let bench = Bench::start().await;
    for (n, event_type) in ["payment_intent.created", "checkout.session.reinvented"].into_iter().enumerate() {
        let event = bench.process(&event(&format!("evt_{n}"), event_type, &session("cs_1"))).await;
        assert_eq!((event.state(), event.attempts), (State::Ignored, 0), "{event_type}");
        assert!(event.process_time.is_some());
    }
    assert!(bench.messages().await.is_empty());
}

#[tokio::test]
async fn a_backlog_of_unknown_types_is_ignored_and_delays_no_other_event() {
    let idle = Idle::start(&[]).await;
    idle.execute(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body)
         SELECT 'evt_' || n, now(), 'customer.reinvented', false, 'cus_' || n, '{}'
         FROM generate_series(1, 2000) AS n",
    )
    .await;
    idle.store(&event("evt_paid", COMPLETED, &session("cs_1")), "cs_1").await;
    // The first claim ignores ten events under leases. After it saw them, each claim ignores five hundred more.
    for ignored in [10, 520, 1030, 1540, 2000] {
        idle.work().await;
        assert_eq!(idle.count(IGNORED).await, ignored);
    }
    assert_eq!(idle.event("evt_1").await, ("IGNORED".to_owned(), 1, String::new()));
    assert_eq!(idle.count(ORDERS).await, 1);
    assert_eq!(idle.count("runtime.leases").await, 0);
}

#[tokio::test]
async fn events_that_an_older_version_ignored_are_processed_at_the_start() {
    let idle = Idle::start(&[]).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle.store(&event("evt_2", "customer.reinvented", &json!({"id": "cus_1"})), "cus_1").await;
    idle.execute(IGNORE_ALL).await;
    idle.work().await;
    assert_eq!(idle.event("evt_1").await, ("PROCESSED".to_owned(), 1, String::new()));
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (1, 1));
}

#[tokio::test]
async fn events_that_an_older_replica_ignores_during_an_upgrade_are_processed_within_a_minute() {
    let idle = Idle::start(&[]).await;
    idle.work().await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    idle.execute(IGNORE_ALL).await;
    idle.work().await;
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (1, 0), "not with every claim");
    idle.clock.advance(chrono::TimeDelta::seconds(60));
    idle.work().await;
    assert_eq!((idle.count(IGNORED).await, idle.count(ORDERS).await), (0, 1));
}

#[tokio::test]
async fn a_long_list_is_taken_up_whole() {
    let idle = Idle::start(&[]).await;
    idle.execute(
        "INSERT INTO stripe_events (event_id, create_time, type, livemode, lease_key, body, state, process_time)
         SELECT 'evt_' || n, now(), 'checkout.session.completed', false, 'cs_1', '{}', 'IGNORED', now()
         FROM generate_series(1, 1100) AS n",
    )
    .await;
    for left in [600, 100, 0] {
        idle.journal.claim(1).await.expect("claimed");
        assert_eq!(idle.count(IGNORED).await, left);
    }
}

#[tokio::test]
async fn an_ignored_event_whose_object_is_gone_stays_ignored() {
    for (key, expected) in [(false, "IGNORED"), (true, "PENDING")] {
        // With a key the object could be fetched, if Stripe were reachable.
        let idle =
            if key { Idle::start_with_stripe("http://127.0.0.1:1").await } else { Idle::start(&[]).await };
        idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
        idle.execute(IGNORE_ALL).await;
        idle.execute("UPDATE stripe_events SET body = NULL").await;
        // As an erasure leaves an event.
        idle.store(&event("evt_2", COMPLETED, &session("cs_2")), "erased").await;
        idle.execute(IGNORE_ALL).await;
        idle.execute("UPDATE stripe_events SET body = NULL, object_id = NULL WHERE event_id = 'evt_2'").await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await.0, expected);
        assert_eq!(idle.event("evt_2").await.0, "IGNORED");
    }
}

#[tokio::test]
async fn a_late_or_repeated_event_waits_while_it_is_unknown_whether_its_person_was_erased() {
    let bench = Bench::start().await;
    // A person was erased, and compliance does not answer.
    bench.execute(ERASED).await;
    let now = json!(Clock::default().now().timestamp());
    let at_once = with(event("evt_1", COMPLETED, &session("cs_1")), &[("created", now)]);
    assert_eq!(bench.process(&at_once).await.state(), State::Processed, "it came at once");
    bench.receive(&event("evt_2", COMPLETED, &session("cs_2"))).await;
    bench
        .execute(
            "INSERT INTO stripe_events
                 (event_id, create_time, type, livemode, object_id, lease_key, body, taken_up)
             SELECT 'evt_3', runtime.now(), type, livemode, 'cs_3', 'cs_3',
                    convert_to(replace(convert_from(body, 'UTF8'), 'cs_2', 'cs_3'), 'UTF8'), true
             FROM stripe_events WHERE event_id = 'evt_2'",
        )
        .await;
    bench.advance(TimeDelta::zero()).await;
    for late in ["evt_2", "evt_3"] {
        let tried = eventually("it was tried", || async {
            Some(bench.event(late).await).filter(|event| event.attempts > 0)
        });
        assert_eq!(tried.await.state(), State::Pending, "{late}");
    }
    assert_eq!(bench.count(ORDERS).await, 1);
    // No person was erased since then.
    bench.execute("UPDATE runtime.receipts SET complete_time = to_timestamp(0)").await;
    bench.advance(TimeDelta::minutes(5)).await;
    for late in ["evt_2", "evt_3"] {
        assert_eq!(bench.settled(late).await.state(), State::Processed, "{late}");
    }
    assert_eq!(bench.count(ORDERS).await, 3);
}

#[tokio::test]
async fn an_event_that_arrived_at_once_and_waited_for_the_worker_is_late_too() {
    // Billing has no address of compliance, so it does not know who was erased.
    let idle = Idle::start(&[]).await;
    idle.execute(ERASED).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cs_1").await;
    let waited = "UPDATE stripe_events
                  SET create_time = now() - interval '2 minutes', receive_time = now() - interval '2 minutes'";
    idle.execute(waited).await;
    idle.work().await;
    let (state, attempts, failure) = idle.event("evt_1").await;
    assert_eq!((state.as_str(), attempts), ("PENDING", 1), "{failure}");
    assert_eq!(failure, "the ledger of erasures cannot be read");
    assert_eq!(idle.count(ORDERS).await, 0);
}

#[tokio::test]
async fn an_old_ignored_sale_is_mirrored_and_only_operators_get_a_notice() {
    // An event that was not ignored waited for a replay, and its customer has got no mail yet.
    for (ignored, mails, flows) in [(true, 0, 0), (false, 2, 2)] {
        let idle = Idle::start(&[]).await;
        idle.store_old(&old("evt_1", COMPLETED, &session("cs_1")), ignored).await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await.0, "PROCESSED");
        assert_eq!(idle.count("orders WHERE payment_state = 'PAID'").await, 1);
        assert_eq!((idle.count(MAILS).await, idle.count("order_flows").await), (mails, flows), "{ignored}");
        assert_eq!(idle.notices("NEW_ORDER").await, 1, "the work is owed");
        let unasked = "runtime.work WHERE position('The customer got no mail'::bytea IN request) > 0";
        assert_eq!(idle.count(unasked).await, i64::from(ignored), "operators ask the customer");
    }
}

#[tokio::test]
async fn an_old_ignored_refund_is_mirrored_without_a_mail() {
    let idle = Idle::start(&[]).await;
    idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cus_1").await;
    idle.work().await;
    let before = idle.count(MAILS).await;
    let refund = json!({
        "id": "re_1", "object": "refund", "amount": 900, "currency": "gbp", "payment_intent": "pi_cs_1",
        "status": "succeeded", "metadata": {}, "created": LONG_AGO, "livemode": false,
    });
    idle.store_old(&old("evt_2", "refund.created", &refund), true).await;
    idle.work().await;
    assert_eq!(idle.count("orders WHERE payment_state = 'PARTIALLY_REFUNDED'").await, 1);
    assert_eq!(idle.count("order_events WHERE kind = 'REFUNDED'").await, 1, "the history has it");
    assert_eq!(idle.count(MAILS).await, before);
}

#[tokio::test]
async fn beside_a_withdrawal_a_failed_refund_makes_a_notice_unless_it_is_old() {
    for (state, amount, notice) in [("FAILED", 9900, "withdrawal-failed"), ("COMPLETED", 0, "refund-failed")]
    {
        for (ignored, told) in [(true, 0), (false, 1)] {
            let idle = Idle::start(&[]).await;
            idle.store(&event("evt_1", COMPLETED, &session("cs_1")), "cus_1").await;
            idle.work().await;
            let withdrawal = format!(
                "INSERT INTO withdrawals (withdrawal_id, order_id, state, rule, currency, amount_minor, statement,
                                          create_time, update_time)
                 SELECT gen_random_uuid(), order_id, '{state}', 'RIGHT', 'GBP', {amount}, 'I withdraw.', create_time,
                        create_time
                 FROM orders"
            );
            idle.execute(&withdrawal).await;
            let refund = json!({
                "id": "re_1", "object": "refund", "amount": 900, "currency": "gbp", "payment_intent": "pi_cs_1",
                "status": "failed", "failure_reason": "declined", "metadata": {}, "created": LONG_AGO,
                "livemode": false,
            });
            idle.store_old(&old("evt_2", "refund.failed", &refund), ignored).await;
            idle.work().await;
            assert_eq!(idle.count("withdrawal_refunds").await, 1, "{state}");
            let notices = idle.notices(&format!("WITHDRAWAL:{notice}")).await;
            assert_eq!(notices, told, "{state}, ignored: {ignored}");
            assert_eq!(idle.notices("WITHDRAWAL").await, told, "{state}, ignored: {ignored}");
        }
    }
}

#[tokio::test]
async fn old_ignored_disputes_give_operators_a_notice_only_if_they_are_open() {
    for (status, state, told) in [("needs_response", "OPEN", 1), ("lost", "LOST", 0)] {
        let idle = Idle::start(&[]).await;
        let dispute = json!({
            "id": "dp_1", "object": "dispute", "amount": 9900, "currency": "gbp", "status": status, "reason": "fraudulent",
            "charge": "ch_1", "payment_intent": "pi_cs_1", "livemode": false,
        });
        idle.store_old(&old("evt_1", "charge.dispute.created", &dispute), true).await;
        idle.work().await;
        assert_eq!(idle.count(&format!("disputes WHERE state = '{state}'")).await, 1);
        assert_eq!(idle.notices("DISPUTE").await, told, "{status}");
    }
}

#[tokio::test]
async fn an_old_ignored_subscription_is_mirrored_without_a_mail() {
    for (status, state) in [("active", "ACTIVE"), ("canceled", "CANCELED")] {
        let stripe = MockServer::start().await;
        let end = if status == "canceled" { json!(LONG_AGO) } else { Value::Null };
        let now = with(
            subscription(status, &[("GROWTH", 7900)]),
            &[("start_date", json!(LONG_AGO)), ("ended_at", end)],
        );
        let shown = ResponseTemplate::new(200).set_body_json(now.clone());
        Mock::given(path("/v1/subscriptions/sub_1")).respond_with(shown).mount(&stripe).await;
        let base = stripe.uri();
        let idle = Idle::start(&[
            ("STRIPE_SECRET_KEY", "sk_test_1"),
            ("STRIPE_API_BASE", base.as_str()),
            ("STRIPE_PRICE_GROWTH", "price_growth"),
        ])
        .await;
        // The event also reports a step, about which customers get a mail.
        let ending =
            with(now, &[("cancel_at_period_end", json!(true)), ("cancel_at", json!(4_000_000_000_i64))]);
        let mut told = old("evt_1", "customer.subscription.updated", &ending);
        told["data"]["previous_attributes"] = json!({"cancel_at_period_end": false, "cancel_at": null});
        idle.store_old(&told, true).await;
        idle.work().await;
        assert_eq!(idle.event("evt_1").await.0, "PROCESSED");
        assert_eq!(idle.count(&format!("subscriptions WHERE state = '{state}'")).await, 1);
        assert_eq!(idle.count("runtime.audit_entries WHERE action = 'subscription.begin'").await, 1);
        assert_eq!(idle.count(MAILS).await, 0, "{status}");
    }
}
