//! `ListStripeEvents`: the journal, newest first, page by page, for staff.

use levqor_proto_billing::v1::{
    ListStripeEventsRequest, ListStripeEventsResponse, StripeEvent, stripe_event::State,
};
use levqor_runtime::testing::Caller;
use serde_json::json;
use tonic::Status;

use crate::support::{Bench, event, refused, violated};

impl Bench {
    async fn list_events(
        &self,
        caller: &Caller,
        request: ListStripeEventsRequest,
    ) -> Result<ListStripeEventsResponse, Status> {
        Ok(self.client().list_stripe_events(caller.request(request)).await?.into_inner())
    }
}

fn ids(events: &[StripeEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event_id.as_str()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let bench = Bench::start().await;
    for n in 0..5 {
        bench.receive(&event(&format!("evt_{n}"), "a.b", &json!({"id": "o_1"}))).await;
    }
    // The sequence number orders events of the same time.
    bench.execute("UPDATE stripe_events SET receive_time = '2026-01-01'").await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let request = ListStripeEventsRequest { page_size: 2, page_token, ..Default::default() };
        let page = bench.list_events(&Caller::staff(), request).await.expect("a page");
        assert_eq!(page.stripe_events.len(), expected);
        seen.extend(page.stripe_events);
        page_token = page.next_page_token;
    }
    assert_eq!(page_token, "");
    assert_eq!(ids(&seen), ["evt_4", "evt_3", "evt_2", "evt_1", "evt_0"]);
}

#[tokio::test]
async fn events_are_filtered_by_state_and_type() {
    let bench = Bench::start().await;
    bench.process(&event("evt_1", "a.b", &json!({"id": "o_1"}))).await;
    bench.process(&event("evt_2", "a.c", &json!({"id": "o_1"}))).await;
    bench.process(&event("evt_3", "checkout.session.completed", &json!({"id": "cs_1"}))).await;
    for (state, event_type, expected) in [
        (State::Unspecified, "", vec!["evt_3", "evt_2", "evt_1"]),
        (State::Quarantined, "", vec!["evt_3"]),
        (State::Processed, "", vec![]),
        (State::Ignored, "a.b", vec!["evt_1"]),
        (State::Pending, "", vec![]),
        (State::Unspecified, "a", vec![]),
    ] {
        let request = ListStripeEventsRequest {
            state: state.into(),
            r#type: event_type.to_owned(),
            ..Default::default()
        };
        let list = bench.list_events(&Caller::staff(), request).await.expect("a list");
        assert_eq!(ids(&list.stripe_events), expected, "{state:?} {event_type}");
    }
}

#[tokio::test]
async fn pages_of_one_type_hold_events_of_every_state() {
    let bench = Bench::start().await;
    for n in 1..=5 {
        bench.receive(&event(&format!("evt_{n}"), "a.b", &json!({"id": "o_1"}))).await;
        bench.receive(&event(&format!("evt_other_{n}"), "a.c", &json!({"id": "o_1"}))).await;
    }
    bench
        .execute(
            "UPDATE stripe_events SET state = 'PENDING', process_time = NULL, due_time = '2999-01-01' WHERE event_id = 'evt_2';
             UPDATE stripe_events SET state = 'PROCESSED' WHERE event_id = 'evt_3';
             UPDATE stripe_events SET state = 'QUARANTINED', process_time = NULL, failure = 'why' WHERE event_id = 'evt_4'",
        )
        .await;
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let r#type = "a.b".to_owned();
        let request = ListStripeEventsRequest { r#type, page_size: 2, page_token, ..Default::default() };
        let page = bench.list_events(&Caller::staff(), request).await.expect("a page");
        assert_eq!(page.stripe_events.len(), expected);
        seen.extend(page.stripe_events);
        page_token = page.next_page_token;
    }
    assert_eq!(page_token, "");
    assert_eq!(ids(&seen), ["evt_5", "evt_4", "evt_3", "evt_2", "evt_1"]);
}

#[tokio::test]
async fn every_mistake_of_a_request_is_named_at_once() {
    let bench = Bench::start().await;
    let request = ListStripeEventsRequest {
        state: 99,
        r#type: "a\u{1}".to_owned(),
        page_size: -1,
        page_token: "nonsense".to_owned(),
    };
    let status = refused(bench.list_events(&Caller::staff(), request).await);
    assert_eq!(violated(&status), ["state", "type", "page_size", "page_token"]);
}

#[tokio::test]
async fn a_list_never_fails_for_one_row() {
    let bench = Bench::start().await;
    for n in 0..3 {
        bench.receive(&event(&format!("evt_{n}"), "a.b", &json!({"id": "o_1"}))).await;
    }
    // A newer replica may store a reason that this version does not know.
    bench.execute("UPDATE stripe_events SET ignore_reason = 'NEW' WHERE event_id = 'evt_1'").await;
    let request = ListStripeEventsRequest::default();
    let list = bench.list_events(&Caller::staff(), request).await.expect("a list");
    assert_eq!(ids(&list.stripe_events), ["evt_2", "evt_0"]);
}
