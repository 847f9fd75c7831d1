//! The audit chain records which staff have seen whose data: every RPC that shows personal data appends an entry to the chain of
//! its service. The RPCs and their examples come from the descriptors.

use levqor_runtime::{
    access::{Access, Host, Method, Repeat},
    audit::{self, Chain},
    context::Role,
    db::Db,
    testing::has_word,
};
use serde_json::Value;

use super::{
    fixtures::{self, Fixture},
    rpcs::{List, file_of, fill, mesh_with_rows, methods, route},
};

/// Every RPC that people may read something personal with.
fn shows_personal_data(method: &Method) -> bool {
    // A link is a permission of its own, for everybody who has it.
    let by_link = method
        .descriptor
        .input()
        .fields()
        .any(|field| field.name().ends_with("token") && field.name() != "page_token");
    let for_people = matches!(method.access, Access::AtLeast(_) | Access::Public) && !by_link;
    // A template's preview shows a sample, and no personal data.
    let of_sample = method.descriptor.name() == "GetTemplatePreview";
    // Only admins list audit entries; a test of compliance sees that each list is recorded.
    let of_audit = method.descriptor.name() == "ListAuditEntries";
    // What names nothing is about the caller's own things.
    let names_something =
        List::of(method).is_some() || route(method).is_some_and(|(_, path)| path.contains('{'));
    method.shows_personal_data
        && method.repeat == Repeat::Safe
        && for_people
        && !of_sample
        && !of_audit
        && names_something
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
    let mesh = mesh_with_rows().await;
    for method in methods().iter().filter(|method| shows_personal_data(method)) {
        let (name, list) = (method.descriptor.name(), List::about(method));
        let id = list.first_id(&mesh.staff().get(&list.path_of("ada")).await);
        let lists = List::of(method).is_some();
        let (_, path) = route(method).expect("a route");
        let file =
            if path.contains("{file_id}") { file_of(&mesh, "ada", &path, &id).await } else { String::new() };
        let path = if lists {
            list.path_of("ada")
        } else {
            fill(&path.replace("{file_id}", &file), &id) + &Fixture::read(&fixtures::file(method)).query()
        };
        let db = match &method.host {
            Host::Service(service) if service == "billing" => mesh.billing_db(),
            Host::Service(service) if service == "support" => mesh.support_db(),
            Host::Service(service) if service == "compliance" => mesh.compliance_db(),
            _ => mesh.notifications_db(),
        };
        let before = reads(db).await.len();
        assert_eq!(mesh.staff().get(&path).await.status, 200, "{name}");
        assert_eq!(
            mesh.customer("bob").get(&path).await.status / 100,
            if lists && method.access == Access::AtLeast(Role::Customer) { 2 } else { 4 },
            "{name}"
        );
        let after = reads(db).await;
        let [(actor, ids)] = &after[before..] else { panic!("{name}: {:?}", &after[before..]) };
        assert_eq!((actor.as_str(), ids["rpc"].as_str()), ("staff staff", Some(method.rpc.as_str())));
        assert!(ids[&list.id].as_str().is_some_and(|ids| ids.contains(&id)), "{name}: {ids}");
    }
    // A customer who reads their own data leaves no entry.
    let before = reads(mesh.billing_db()).await.len();
    let order = mesh.customer("ada").get("/v1/orders").await.str("/orders/0/order_id").to_owned();
    for path in [format!("/v1/orders/{order}"), "/v1/orders".to_owned()] {
        assert_eq!(mesh.customer("ada").get(&path).await.status, 200);
    }
    assert_eq!(reads(mesh.billing_db()).await.len(), before);
    for db in mesh.databases() {
        let all = reads(db).await;
        assert!(all.iter().all(|(_, ids)| !has_word(&ids.to_string(), "ada")), "{all:?}");
        let mut conn = db.acquire().await.expect("a connection");
        assert!(matches!(audit::verify(&mut conn).await.expect("verified"), Chain::Whole { .. }));
    }
    mesh.finish().await;
}
