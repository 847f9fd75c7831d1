//! The order and the repetition of a message's events do not change its final state.

use std::collections::BTreeMap;

use levqor_proto_notifications::v1::{DeliveryReport, GetMessageResponse};
use levqor_runtime::testing::eventually;
use proptest::{
    prelude::{Just, Strategy, any},
    sample::Index,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    Notified,
    fake_mail::{
        FakeMail,
        webhooks::{Webhook, event, no_such_address},
    },
};

/// All events that can come about a mail. Some come twice, with different times.
fn all(mail: &str) -> Vec<Webhook> {
    let soft = json!({"bounce": {"type": "Transient", "subType": "General"}});
    let told = [
        ("email.delivery_delayed", 3, Value::Null),
        ("email.delivery_delayed", 1, Value::Null),
        ("email.delivered", 5, Value::Null),
        ("email.bounced", 4, soft),
        ("email.bounced", 6, no_such_address()),
        ("email.bounced", 7, no_such_address()),
        ("email.complained", 9, Value::Null),
        ("email.opened", 8, Value::Null),
    ];
    told.into_iter()
        .map(|(kind, second, more)| Webhook::of(&event(kind, mail, second, &more).to_string()))
        .collect()
}

/// The events that come, their order, and the events that come again.
fn story() -> impl Strategy<Value = (Vec<usize>, usize, Vec<Index>)> {
    let order = Just((0..8).collect::<Vec<usize>>()).prop_shuffle();
    (order, 1..=8usize, proptest::collection::vec(any::<Index>(), 0..5))
}

/// The expected outcome and reports of a message that got these events.
fn expected(told: &[usize]) -> (Option<&'static str>, BTreeMap<&'static str, u32>) {
    const OF: [(&str, u32); 7] = [
        ("DELIVERY_OUTCOME_DELAYED", 3),
        ("DELIVERY_OUTCOME_DELAYED", 1),
        ("DELIVERY_OUTCOME_DELIVERED", 5),
        ("DELIVERY_OUTCOME_BOUNCED_SOFT", 4),
        ("DELIVERY_OUTCOME_BOUNCED_HARD", 6),
        ("DELIVERY_OUTCOME_BOUNCED_HARD", 7),
        ("DELIVERY_OUTCOME_COMPLAINED", 9),
    ];
    let mut reports = BTreeMap::new();
    for (name, second) in told.iter().filter_map(|n| OF.get(*n)) {
        let first = reports.entry(*name).or_insert(*second);
        *first = (*first).min(*second);
    }
    let gravest = OF.into_iter().rev().map(|(name, _)| name).find(|name| reports.contains_key(name));
    (gravest, reports)
}

fn seen(shown: &GetMessageResponse) -> BTreeMap<&'static str, u32> {
    let second = |report: &DeliveryReport| {
        let seconds = report.report_time.as_ref().expect("a time").seconds;
        u32::try_from(seconds % 60).expect("a second")
    };
    shown.delivery_reports.iter().map(|report| (report.outcome().as_str_name(), second(report))).collect()
}

async fn run(
    notified: &Notified,
    (order, count, again): (Vec<usize>, usize, Vec<Index>),
) -> Result<(), TestCaseError> {
    let id = notified.pending().await;
    notified.deliver(&id).await.expect("delivered");
    let webhooks = all(&notified.message(&id).await.provider_message_id);
    let mut told: Vec<_> = order.into_iter().take(count).collect();
    let repeated: Vec<_> = again.iter().map(|index| *index.get(&told)).collect();
    let kinds = told.len();
    told.extend(repeated);
    let mut new = 0;
    for n in &told {
        new += usize::from(!notified.ingest(&webhooks[*n]).await.expect("taken").duplicate);
    }
    proptest::prop_assert_eq!(new, kinds);
    eventually("all are done with", || async {
        let open = notified.count("provider_events WHERE settle_time IS NULL").await;
        (open == 0).then_some(())
    })
    .await;
    let (gravest, reports) = expected(&told);
    let shown = notified.shown(&id).await;
    proptest::prop_assert_eq!(seen(&shown), reports);
    let outcome = shown.message.expect("a message").delivery_outcome().as_str_name();
    proptest::prop_assert_eq!(outcome, gravest.unwrap_or("DELIVERY_OUTCOME_UNSPECIFIED"));
    Ok(())
}

/// Runs 40 cases; `PROPTEST_CASES` sets another number.
#[test]
fn any_order_and_any_repetition_end_the_same() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let provider = FakeMail::start();
    let notified = tokio.block_on(Notified::start_with(&provider, "24"));
    let default = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let cases = Config::default().cases;
    let config = if cases == 256 { default } else { Config { cases, ..default } };
    let outcome = TestRunner::new(config).run(&story(), |story| tokio.block_on(run(&notified, story)));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
