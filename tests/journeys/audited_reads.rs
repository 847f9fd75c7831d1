//! Who of the staff has seen whose data: every RPC that shows something personal leaves an entry in the audit chain of its
//! service. The RPCs come from the descriptors, so a new one fails here until it has an example.

use levqor_runtime::{
    access::{Access, Host, Method, Repeat},
    audit::{self, Chain},
    db::Db,
};
use serde_json::Value;

use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::Mesh,
    stripe::paid_checkout,
};

/// Every RPC that people may read something personal with.
fn shows_personal_data(method: &Method) -> bool {
    let for_people = matches!(method.access, Access::AtLeast(_) | Access::Public);
    method.shows_personal_data && method.repeat == Repeat::Safe && for_people
}

/// Who read what, the oldest first.
async fn reads(db: &Db) -> Vec<(String, Value)> {
    let sql = "SELECT split_part(actor, ':', 1) || ' ' || sub, ids FROM runtime.audit_entries
               JOIN runtime.audit_actors ON pseudonym = actor
               WHERE action = 'personal_data.read' ORDER BY sequence";
    sqlx::query_as(sql).fetch_all(db.pool()).await.expect("entries")
}

#[tokio::test]
async fn every_read_of_personal_data_by_staff_is_in_the_audit_chain_and_none_by_a_customer() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    let sent = event("email.sent", "em_1", 0, &Value::Null);
    assert_eq!(mesh.tell(&Webhook::of(&sent.to_string())).await.status, 200);
    mesh.settle().await;
    let first = async |list: &str, id: &str| mesh.staff().get(list).await.str(id).to_owned();
    let order = first("/v1/orders", "/orders/0/order_id").await;
    let event = first("/v1/stripe-events", "/stripe_events/0/event_id").await;
    let message = first("/v1/messages", "/messages/0/message_id").await;
    let provider_event = first("/v1/provider-events", "/provider_events/0/provider_event_id").await;
    let examples = [
        ("GetOrder", format!("/v1/orders/{order}"), "order_id", &order),
        ("ListOrders", "/v1/orders?customer_email=ada@example.com".to_owned(), "order_id", &order),
        ("GetStripeEvent", format!("/v1/stripe-events/{event}"), "event_id", &event),
        ("ListStripeEvents", "/v1/stripe-events".to_owned(), "event_id", &event),
        ("GetMessage", format!("/v1/messages/{message}"), "message_id", &message),
        ("GetMessagePreview", format!("/v1/messages/{message}/preview"), "message_id", &message),
        ("ListMessages", "/v1/messages?recipient=ada@example.com".to_owned(), "message_id", &message),
        (
            "GetProviderEvent",
            format!("/v1/provider-events/{provider_event}"),
            "provider_event_id",
            &provider_event,
        ),
    ];
    for method in levqor_gateway::methods().iter().filter(|method| shows_personal_data(method)) {
        let name = method.descriptor.name();
        let (_, path, key, id) =
            examples.iter().find(|(of, ..)| *of == name).unwrap_or_else(|| panic!("{name} has no example"));
        let db = match &method.host {
            Host::Service(service) if service == "billing" => mesh.billing_db(),
            _ => mesh.notifications_db(),
        };
        let before = reads(db).await.len();
        assert_eq!(mesh.staff().get(path).await.status, 200, "{name}");
        assert_eq!(
            mesh.customer("bob").get(path).await.status / 100,
            if name == "ListOrders" { 2 } else { 4 }
        );
        let after = reads(db).await;
        let [(actor, ids)] = &after[before..] else { panic!("{name}: {:?}", &after[before..]) };
        assert_eq!((actor.as_str(), ids["rpc"].as_str()), ("staff staff", Some(method.rpc.as_str())));
        assert!(ids[key].as_str().is_some_and(|ids| ids.contains(id.as_str())), "{name}: {ids}");
    }
    // A customer who reads what is theirs leaves no entry.
    let before = reads(mesh.billing_db()).await.len();
    for path in [format!("/v1/orders/{order}"), "/v1/orders".to_owned()] {
        assert_eq!(mesh.customer("ada").get(&path).await.status, 200);
    }
    assert_eq!(reads(mesh.billing_db()).await.len(), before);
    for db in [mesh.billing_db(), mesh.notifications_db()] {
        let all = reads(db).await;
        assert!(all.iter().all(|(_, ids)| !ids.to_string().contains("ada")), "{all:?}");
        let mut conn = db.acquire().await.expect("a connection");
        assert!(matches!(audit::verify(&mut conn).await.expect("verified"), Chain::Whole { .. }));
    }
    mesh.finish().await;
}
