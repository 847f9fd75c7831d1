//! Who of the staff has seen whose data: every RPC that shows something personal leaves an entry in the audit chain of its
//! service. The RPCs, and how to call them, come from the descriptors.

use levqor_runtime::{
    access::{Access, Host, Method, Repeat},
    audit::{self, Chain},
    context::Role,
    db::Db,
};
use prost_reflect::{FieldDescriptor, Kind};
use serde_json::Value;

use crate::{
    fakes::mail::webhooks::{Webhook, event},
    harness::Mesh,
    journeys::routes::templates,
    stripe::paid_checkout,
};

/// Every RPC that people may read something personal with.
fn shows_personal_data(method: &Method) -> bool {
    let for_people = matches!(method.access, Access::AtLeast(_) | Access::Public);
    method.shows_personal_data && method.repeat == Repeat::Safe && for_people
}

/// Who read what, the oldest first.
async fn reads(db: &Db) -> Vec<(String, Value)> {
    let sql =
        "SELECT actor, ids FROM runtime.audit_entries WHERE action = 'personal_data.read' ORDER BY sequence";
    sqlx::query_as(sql).fetch_all(db.pool()).await.expect("entries")
}

/// The first row of a list.
async fn first(mesh: &Mesh, list: &str) -> Value {
    let page = mesh.staff().get(list).await;
    let rows = page.json.as_object().and_then(|page| page.values().find_map(Value::as_array));
    rows.and_then(|rows| rows.first()).unwrap_or_else(|| panic!("{list} has no row: make one here")).clone()
}

/// How staff call an RPC here: its path, and the name and value of an id that the answer shows. The ids in a path are those
/// of the first row of the list before them: `/v1/orders/{order_id}` is about the first of `/v1/orders`.
async fn example(mesh: &Mesh, method: &Method) -> (String, String, String) {
    let (_, template) = templates(method).pop().unwrap_or_else(|| panic!("{} has no route", method.rpc));
    let id = |row: &Value, name: &str| row[name].as_str().expect("an id").to_owned();
    if let Some((list, (name, rest))) =
        template.split_once("/{").and_then(|(list, rest)| Some((list, rest.split_once('}')?)))
    {
        let id = id(&first(mesh, list).await, name);
        (format!("{list}/{id}{rest}"), name.to_owned(), id)
    } else {
        let row = method.descriptor.output().fields().find(FieldDescriptor::is_list).map(|rows| rows.kind());
        let Some(Kind::Message(row)) = row else { panic!("{}: neither an id nor a list", method.rpc) };
        let name = row.get_field(1).expect("an id").name().to_owned();
        let id = id(&first(mesh, &template).await, &name);
        (template, name, id)
    }
}

#[tokio::test]
async fn every_read_of_personal_data_by_staff_is_in_the_audit_chain_and_none_by_a_customer() {
    let mesh = Mesh::start().await;
    assert_eq!(mesh.deliver(&paid_checkout("1", "ada")).await.status, 200);
    let sent = event("email.sent", "em_1", 0, &Value::Null);
    assert_eq!(mesh.tell(&Webhook::of(&sent.to_string())).await.status, 200);
    mesh.settle().await;
    for method in levqor_gateway::methods().iter().filter(|method| shows_personal_data(method)) {
        let rpc = &method.rpc;
        let (path, key, id) = example(&mesh, method).await;
        let db = match &method.host {
            Host::Service(service) if service == "billing" => mesh.billing_db(),
            _ => mesh.notifications_db(),
        };
        let before = reads(db).await.len();
        assert_eq!(mesh.staff().get(&path).await.status, 200, "{rpc}");
        // Bob finds nothing of Ada's, and may call no RPC of the staff's.
        let is_own_list = method.access == Access::AtLeast(Role::Customer) && !path.contains(&id);
        let expected = if is_own_list { 2 } else { 4 };
        assert_eq!(mesh.customer("bob").get(&path).await.status / 100, expected, "{rpc}");
        let after = reads(db).await;
        let [(actor, ids)] = &after[before..] else { panic!("{rpc}: {:?}", &after[before..]) };
        assert_eq!((actor.as_str(), ids["rpc"].as_str()), ("user:staff", Some(rpc.as_str())));
        assert!(ids[&key].as_str().is_some_and(|ids| ids.contains(&id)), "{rpc}: {ids}");
    }
    // What was filtered by may be personal, and is not recorded.
    for path in ["/v1/orders?customer_email=ada@example.com", "/v1/messages?recipient=ada@example.com"] {
        assert_eq!(mesh.staff().get(path).await.status, 200, "{path}");
    }
    // A customer who reads what is theirs leaves no entry.
    let order = first(&mesh, "/v1/orders").await["order_id"].as_str().expect("an id").to_owned();
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
