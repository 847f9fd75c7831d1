//! `GetSubscription`: customers get the mirrored state of their own subscription.

use std::collections::BTreeSet;

use levqor_proto_billing::v1::{
    GetSubscriptionRequest,
    stripe_event::{IgnoreReason, State as EventState},
    subscription::{AddOn, Plan, State, Term},
};
use levqor_runtime::testing::Caller;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::{Shop, event, reason, refused, session, subscription, with};

#[tokio::test]
async fn every_state_of_stripes_is_mirrored_and_the_customer_gets_one_mail_for_begin_and_end() {
    let shop = Shop::open().await;
    for (status, state) in [
        ("incomplete", State::Incomplete),
        ("trialing", State::Trialing),
        ("active", State::Active),
        ("past_due", State::PastDue),
        ("unpaid", State::Unpaid),
        ("paused", State::Paused),
        ("active", State::Active),
        ("canceled", State::Canceled),
    ] {
        shop.subscribe(&subscription(status, &[("PRO", 4900), ("ADDON_SLA_99_9", 19_900)])).await;
        let found = shop.subscription().await.expect("a subscription");
        assert_eq!((found.state(), found.plan(), found.term()), (state, Plan::Pro, Term::Monthly));
        assert_eq!(found.add_ons, [i32::from(AddOn::Sla999)]);
    }
    let keys: Vec<_> = shop.bench.messages().await.into_iter().map(|(key, _)| key).collect();
    let names: Vec<_> = keys.iter().filter_map(|key| key.split(':').next()).collect();
    assert_eq!(names, ["subscription_ended", "subscription_started"]);
    let begun = "runtime.audit_entries WHERE action IN ('subscription.begin', 'subscription.end')";
    assert_eq!(shop.bench.count(begun).await, 2);
}

#[tokio::test]
async fn another_persons_subscription_reads_the_same_as_none() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    for other in [Caller::customer("bob", "bob@example.com"), Caller::unverified("eve", "ada@example.com")] {
        let request = other.request(GetSubscriptionRequest::default());
        let status = refused(shop.subscriptions().get_subscription(request).await);
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "SUBSCRIPTION_NOT_FOUND"));
    }
    assert!(shop.subscription().await.is_some());
}

#[tokio::test]
async fn staff_get_the_subscription_of_a_customer_by_owner_or_by_address_and_customers_only_their_own() {
    let shop = Shop::open().await;
    shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
    assert!(shop.subscription().await.is_some(), "reading it claims it");
    let by = |owner_sub: &str, customer_email: &str| GetSubscriptionRequest {
        owner_sub: owner_sub.to_owned(),
        customer_email: customer_email.to_owned(),
    };
    for of_ada in [by("ada", ""), by("", "ada@example.com")] {
        let got = shop.subscriptions().get_subscription(Caller::staff().request(of_ada.clone())).await;
        assert!(got.expect("found").into_inner().subscription.is_some());
        let bob = Caller::customer("bob", "bob@example.com").request(of_ada);
        let status = refused(shop.subscriptions().get_subscription(bob).await);
        assert_eq!(reason(&status), "SUBSCRIPTION_NOT_FOUND");
    }
    for nobodys in [by("bob", ""), by("", "bob@example.com")] {
        let status = refused(shop.subscriptions().get_subscription(Caller::staff().request(nobodys)).await);
        assert_eq!(reason(&status), "SUBSCRIPTION_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_subscription_to_something_else_is_not_ours() {
    let shop = Shop::open().await;
    let other = with(subscription("active", &[("NOBODYS", 500)]), &[("id", json!("sub_2"))]);
    shop.answer("GET", "/v1/subscriptions/sub_2", 200, other.clone()).await;
    let seen = shop.bench.process(&event("evt_1", "customer.subscription.created", &other)).await;
    assert_eq!((seen.state(), seen.ignore_reason()), (EventState::Ignored, IgnoreReason::OtherSale));
    // A link made by staff names one of our plans, with another price: it was paid, so operators get a notice.
    let labels = json!({"mode": "subscription", "plan": "growth"});
    let sold = [("mode", json!("subscription")), ("metadata", labels), ("subscription", json!("sub_2"))];
    let sold = with(session("cs_2"), &sold);
    shop.answer("GET", "/v1/checkout/sessions/cs_2", 200, sold.clone()).await;
    let seen = shop.bench.process(&event("evt_2", "checkout.session.completed", &sold)).await;
    assert_eq!(seen.state(), EventState::Quarantined, "{}", seen.failure);
    assert!(shop.subscription().await.is_none());
}

#[tokio::test]
async fn a_change_is_mailed_once_from_its_event_even_if_it_was_undone_since() {
    let shop = Shop::open().await;
    let now = subscription("active", &[("GROWTH", 7900)]);
    shop.subscribe(&now).await;
    let ending =
        with(now.clone(), &[("cancel_at_period_end", json!(true)), ("cancel_at", json!(4_000_000_000_i64))]);
    let mut told = event("evt_ending", "customer.subscription.updated", &ending);
    told["data"]["previous_attributes"] = json!({"cancel_at_period_end": false, "cancel_at": null});
    let changed = subscription("active", &[("PRO", 4900)]);
    let mut change = event("evt_changed", "customer.subscription.updated", &changed);
    change["data"]["previous_attributes"] = json!({"items": now["items"]});
    let mut resumed = event("evt_resumed", "customer.subscription.updated", &now);
    resumed["data"]["previous_attributes"] =
        json!({"cancel_at_period_end": true, "cancel_at": 4_000_000_000_i64});
    for event in [&told, &change, &told, &resumed] {
        shop.bench.process(event).await;
    }
    let keys: Vec<_> = shop.bench.messages().await.into_iter().map(|(key, _)| key).collect();
    let of = |name: &str| keys.iter().filter(|key| key.starts_with(name)).count();
    let told = ["subscription_ending", "subscription_changed", "subscription_resumed"].map(of);
    assert_eq!((told, keys.len()), ([1, 1, 1], 4), "{keys:?}");
    let found = shop.subscription().await.expect("a subscription");
    assert_eq!((found.plan(), found.cancel_time), (Plan::Growth, None), "the fetched state decides");
}

#[tokio::test]
async fn the_end_of_a_trial_is_mailed_once_and_only_if_payments_follow() {
    let shop = Shop::open().await;
    let end = 4_000_000_000_i64;
    let trial = |more: &[(&str, Value)]| with(subscription("trialing", &[("PRO", 4900)]), more);
    let over = trial(&[("trial_end", json!(1_000_000_000))]);
    let cancelled = trial(&[("trial_end", json!(end)), ("cancel_at", json!(end))]);
    let goes_on = trial(&[("trial_end", json!(end))]);
    for (id, of, expected) in [
        ("evt_over", &over, 0),
        ("evt_cancelled", &cancelled, 0),
        ("evt_first", &goes_on, 1),
        ("evt_again", &goes_on, 1),
    ] {
        shop.subscribe(of).await;
        shop.bench.process(&event(id, "customer.subscription.trial_will_end", of)).await;
        let messages = shop.bench.messages().await;
        let keys = messages.iter().map(|(key, _)| key).filter(|key| key.starts_with("trial_ending:"));
        let told: BTreeSet<_> = keys.collect();
        assert_eq!(told.len(), expected, "{id}");
    }
}

/// The thin twin of a snapshot event. It may name the snapshot.
fn thin(id: &str, names: Option<&str>) -> Value {
    let mut thin = json!({
        "id": id, "object": "v2.core.event", "type": "v1.customer.subscription.updated", "livemode": false,
        "created": "2026-09-21T14:13:20.250Z", "context": null,
        "related_object": {"id": "sub_1", "type": "subscription", "url": "/v1/subscriptions/sub_1"},
    });
    if let Some(snapshot) = names {
        thin["snapshot_event"] = json!(snapshot);
    }
    thin
}

#[tokio::test]
async fn a_thin_event_has_the_effect_of_its_snapshot_event_and_both_have_it_once() {
    let shop = Shop::open().await;
    let now = subscription("active", &[("GROWTH", 7900)]);
    shop.subscribe(&now).await;
    let changed = |id: &str| {
        let mut changed =
            event(id, "customer.subscription.updated", &subscription("active", &[("PRO", 4900)]));
        changed["data"]["previous_attributes"] = json!({"items": now["items"]});
        changed
    };
    let (named, unnamed, other) = (changed("evt_named"), changed("evt_unnamed"), changed("evt_other"));
    let mut of_another = changed("evt_of_another");
    of_another["data"]["object"]["id"] = json!("sub_2");
    shop.answer("GET", "/v1/events/evt_named", 200, named.clone()).await;
    // The event is on the second page.
    shop.answer_page("/v1/events", "evt_of_another", &[&unnamed]).await;
    let first = json!({"object": "list", "data": [of_another], "has_more": true});
    shop.answer("GET", "/v1/events", 200, first).await;
    let told =
        [named.clone(), thin("evt_thin_1", Some("evt_named")), thin("evt_thin_2", None), unnamed, named];
    for event in &told {
        let seen = shop.bench.process(event).await;
        assert_eq!(seen.state(), EventState::Processed);
    }
    let gone = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    shop.answer("GET", "/v1/events/evt_other", 404, gone).await;
    // An event that cannot be read any more: the subscription is mirrored, and nobody gets a mail.
    let seen = shop.bench.process(&thin("evt_thin_3", Some(other["id"].as_str().expect("an id")))).await;
    assert_eq!(seen.state(), EventState::Processed);
    let messages = shop.bench.messages().await;
    let changed: Vec<_> =
        messages.iter().filter(|(key, _)| key.starts_with("subscription_changed:")).collect();
    let one = |id: &str| {
        let told: Vec<_> =
            changed.iter().filter(|(key, _)| key.ends_with(id)).map(|(_, told)| told).collect();
        assert!(
            !told.is_empty() && told.iter().all(|one| *one == told[0]),
            "{id}: the same, under the same key"
        );
        told.len()
    };
    assert_eq!(one(":evt_named") + one(":evt_unnamed"), changed.len(), "{changed:?}");
}
