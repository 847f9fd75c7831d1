//! Staff look into the journal and replay an event.

use serde_json::json;

use crate::{
    harness::Mesh,
    stripe::{event, paid_checkout},
};

#[tokio::test]
async fn staff_list_get_and_replay_events_and_nothing_happens_twice() {
    let mesh = Mesh::start().await;
    mesh.deliver(&paid_checkout("1", "alice")).await;
    mesh.settle().await;
    let staff = mesh.staff();
    let list = staff.get("/v1/stripe-events?type=checkout.session.completed").await;
    assert_eq!(list.str("/stripe_events/0/event_id"), "evt_1");
    let replayed = staff.post("/v1/stripe-events/evt_1:replay", json!({})).await;
    assert_eq!(
        (replayed.status, replayed.str("/stripe_event/state")),
        (200, "STATE_PENDING"),
        "{}",
        replayed.text
    );
    mesh.settle().await;
    assert_eq!(staff.get("/v1/stripe-events/evt_1").await.str("/stripe_event/state"), "STATE_PROCESSED");
    assert_eq!(staff.get("/v1/orders").await.list("orders").len(), 1);
    assert_eq!(staff.get("/v1/messages").await.list("messages").len(), 2);
    assert_eq!(staff.post("/v1/stripe-events/evt_none:replay", json!({})).await.status, 404);
    mesh.finish().await;
}

#[tokio::test]
async fn pages_lead_through_all_events() {
    let mesh = Mesh::start().await;
    for n in 0..5 {
        let kind = "customer.updated";
        mesh.deliver(&event(&n.to_string(), kind, &json!({"id": format!("cus_{n}"), "object": "customer"})))
            .await;
    }
    mesh.settle().await;
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = mesh.staff().get(&format!("/v1/stripe-events?page_size=2&page_token={token}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        seen.extend(
            page.list("stripe_events").iter().filter_map(|e| e["event_id"].as_str().map(str::to_owned)),
        );
        token = page.str("/next_page_token").to_owned();
        if token.is_empty() {
            break;
        }
    }
    seen.sort();
    assert_eq!(seen, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]);
    mesh.finish().await;
}

#[tokio::test]
async fn bad_input_names_the_field() {
    let mesh = Mesh::start().await;
    let staff = mesh.staff();
    for (path, field) in [
        ("/v1/stripe-events?page_size=-1", "page_size"),
        ("/v1/stripe-events?page_token=zz", "page_token"),
        ("/v1/stripe-events?state=NONE", "state"),
        ("/v1/stripe-events?colour=red", "colour"),
        ("/v1/orders/not-a-uuid", "order_id"),
        ("/v1/messages/not-a-uuid", "message_id"),
        ("/v1/messages?recipient=nobody", "recipient"),
    ] {
        let answer = staff.get(path).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text);
        assert_eq!(answer.str("/errors/0/field"), field, "{path}: {}", answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(
            !answer.str("/trace_id").is_empty() || !answer.str("/request_id").is_empty(),
            "{}",
            answer.text
        );
    }
    let unknown = staff.post("/v1/stripe-events/evt_1:replay", json!({"force": true})).await;
    assert_eq!((unknown.status, unknown.str("/errors/0/field")), (400, "force"), "{}", unknown.text);
    mesh.finish().await;
}
