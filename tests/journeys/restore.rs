//! Databases are restored from a backup of the time before an erasure. The ledger of erasures is not part of the backup: the
//! services compare their databases with it before they serve, and the person is erased again.

use std::net::SocketAddr;

use chrono::TimeDelta;
use levqor_billing::Billing;
use levqor_compliance::Compliance;
use levqor_proto::billing::v1::{ListOrdersRequest, billing_service_client::BillingServiceClient};
use levqor_runtime::{
    client::{Address, Addresses},
    clock::Clock,
    db::{DatabaseUrl, Db},
    lifecycle::Measurement,
    testing::{self, Caller, eventually},
};
use serde_json::json;

use super::personal_data::{mentions, request, until};
use crate::{
    databases::{databases, of},
    harness::{self, Mesh, STORAGE_KEY},
    stripe,
};

const ADA: &str = "ada@example.com";
const OTHER_STORAGE_KEY: &str = "AGE-SECRET-KEY-1QYPQXPQ9QCRSSZG2PVXQ6RS0ZQG3YYC5Z5TPWXQERGD3C8G7RUSQGPQYEE";
const STANDING: &str = "runtime.holds WHERE stands";

/// Erases Ada, whose order has ended.
async fn erase(mesh: &Mesh) {
    let id = request(mesh, "ada", "RIGHT_ERASURE").await;
    let path = format!("/v1/data-requests/{id}");
    let preview = mesh.customer("ada").get(&format!("{path}/erasure-preview")).await;
    let approval = json!({"preview_hash": preview.str("/preview_hash")});
    let approved = mesh.customer("ada").post(&format!("{path}:approve"), approval).await;
    assert_eq!(approved.str("/data_request/state"), "STATE_SCHEDULED", "{}", approved.text);
    mesh.advance(TimeDelta::days(8)).await;
    until(mesh, &id, "STATE_IN_PROGRESS").await;
    eventually("the last mail to her is under way", || async {
        (testing::count(mesh.compliance_db(), "erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    mesh.advance(TimeDelta::minutes(15)).await;
    until(mesh, &id, "STATE_DONE").await;
    mesh.settle().await;
}

#[tokio::test]
async fn erased_people_stay_erased_after_a_restore() {
    let databases = databases().await;
    let mesh = Mesh::start_on(databases.clone()).await;
    for name in ["ada", "bob"] {
        assert_eq!(mesh.deliver(&stripe::paid_checkout(name, name)).await.status, 200);
        mesh.settle().await;
        assert_eq!(mesh.customer(name).get("/v1/orders").await.list("orders").len(), 1);
        let ticket = json!({"subject": "Help", "text": format!("I am {name} and it does not work.")});
        assert_eq!(mesh.customer(name).post("/v1/tickets", ticket).await.status, 200);
    }
    let hold = place_hold(&mesh).await;
    let end = "UPDATE orders SET fulfilment_state = 'ENDED' WHERE customer_email = 'ada@example.com'";
    testing::execute(mesh.billing_db(), end).await;
    let files = Box::pin(mesh.stop()).await;
    let mut backup = Vec::new();
    for database in &databases {
        backup.push(testing::copy_of(database).await);
    }

    let mesh = Mesh::start_again(databases.clone(), files).await;
    erase(&mesh).await;
    assert_eq!(mentions(mesh.databases(), ADA).await, Vec::<String>::new());
    let folder = mesh.files().to_owned();
    let files = Box::pin(mesh.stop()).await;
    assert_is_not_ready_without_its_ledger(of("compliance", &databases), of("compliance", &backup), &folder)
        .await;

    // After the restore she is back.
    open_work(&backup.iter().map(testing::connect).collect::<Vec<_>>()).await;
    let stubborn = testing::copy_of(of("billing", &backup)).await;
    let restored: Vec<_> = backup.iter().map(testing::connect).collect();
    let back = mentions(&restored, ADA).await;
    for table in ["public.orders", "public.messages", "public.tickets"] {
        assert!(back.iter().any(|found| found == table), "{table} is not in the backup: {back:?}");
    }

    // Without the ledger, no request is served. Nothing listens on port 1.
    let nowhere = Address::Fixed(SocketAddr::from(([127, 0, 0, 1], 1)));
    let peers = Addresses([("compliance".to_owned(), vec![nowhere])].into());
    let billing_url = of("billing", &backup);
    let alone = harness::start_unready::<Billing>(harness::port().await, billing_url, &peers, &[]).await;
    eventually("the tables are measured", || async { alone.readiness.measured().map(drop) }).await;
    assert!(!alone.readiness.is_sound(), "it is not ready");
    let channel = alone.chassis().channels.get("billing").expect("its own channel");
    let refused = BillingServiceClient::new(channel)
        .list_orders(Caller::staff().request(ListOrdersRequest::default()))
        .await;
    assert_eq!(testing::reason(&testing::refused(refused)), "NOT_READY");
    assert!(
        mentions(&restored, ADA).await.iter().any(|table| table == "public.orders"),
        "she is still there"
    );
    alone.drain().await;

    // The restore is made eight days and an hour after the backup: three quarters of an hour after the erasure.
    for db in &restored {
        testing::advance(db, TimeDelta::days(8) + TimeDelta::hours(1)).await;
    }

    // With it, she is erased before a request is served, and no other person is.
    let mesh = Mesh::start_again(backup, files).await;
    assert_eq!(mentions(mesh.databases(), ADA).await, Vec::<String>::new(), "nothing of her is left");
    let (billing, compliance) = (of("billing", &restored), of("compliance", &restored));
    for (db, ended) in [
        (billing, "stripe_events WHERE ignore_reason = 'SUBJECT_ERASED' AND body IS NULL"),
        (billing, "stripe_operations WHERE state = 'REFUSED' AND form IS NULL AND owner_sub IS NULL"),
        (compliance, "data_requests WHERE state = 'CANCELLED' AND owner_sub IS NULL"),
    ] {
        assert_eq!(testing::count(db, ended).await, 1, "{ended}");
    }
    release_hold(&mesh, &hold).await;
    assert_serves_nobody_while_something_is_left(&mesh, &stubborn).await;
    assert_eq!(mesh.customer("bob").get("/v1/orders").await.list("orders").len(), 1);
    assert_eq!(mesh.customer("ada").get("/v1/orders").await.list("orders").len(), 0);
    assert_only_what_she_bought_later_comes(&mesh).await;
    mesh.finish().await;
}

/// Compliance without the ledger in which it recorded the erasure: it is not ready, and marks no person as erased.
async fn assert_is_not_ready_without_its_ledger(now: &DatabaseUrl, restored: &DatabaseUrl, folder: &str) {
    let empty = format!("{folder}/empty");
    let storage = |folder, key| vec![("LEVQOR_STORAGE_DIR", folder), ("LEVQOR_STORAGE_KEY", key)];
    for (case, database, settings) in [
        ("without a storage", now, Vec::new()),
        ("with an empty storage", now, storage(empty.as_str(), STORAGE_KEY)),
        ("with another key", now, storage(folder, OTHER_STORAGE_KEY)),
        ("with another key after a restore", restored, storage(folder, OTHER_STORAGE_KEY)),
    ] {
        let db = testing::connect(database);
        let complete = "runtime.receipts WHERE complete_time IS NOT NULL";
        let before = testing::count(&db, complete).await;
        let (port, nobody) = (harness::port().await, Addresses::default());
        let alone = harness::start_unready::<Compliance>(port, database, &nobody, &settings).await;
        eventually("it has compared itself", || async {
            alone.readiness.measured().filter(Measurement::is_sound).map(drop)
        })
        .await;
        assert!(!alone.readiness.is_sound(), "{case} it is not ready");
        assert_eq!(testing::count(&db, complete).await, before, "{case}");
        alone.drain().await;
    }
}

/// Places a legal hold on another person, and waits until every service has it. Returns its id.
async fn place_hold(mesh: &Mesh) -> String {
    let hold = json!({"matter": "case-7", "reason": "A claim.", "emails": ["mallory@example.com"]});
    let placed = mesh.staff().post_with_key("case-7", "/v1/legal-holds", hold).await;
    assert_eq!(placed.status, 200, "{}", placed.text);
    holds_stand(mesh, 1).await;
    mesh.settle().await;
    placed.str("/legal_hold/legal_hold_id").to_owned()
}

/// Releases it in the mesh that runs.
async fn release_hold(mesh: &Mesh, id: &str) {
    let released = mesh.staff().post(&format!("/v1/legal-holds/{id}:release"), json!({})).await;
    assert_eq!(released.status, 200, "{}", released.text);
    holds_stand(mesh, 0).await;
}

/// Waits until every service has this number of holds in force.
async fn holds_stand(mesh: &Mesh, expected: i64) {
    for db in mesh.databases() {
        eventually("every service knows", || async {
            (testing::count(db, STANDING).await == expected).then_some(())
        })
        .await;
    }
}

/// Stripe sends the events again that the restore lost: a purchase before the erasure is ignored, and one after it is mirrored.
async fn assert_only_what_she_bought_later_comes(mesh: &Mesh) {
    assert_eq!(mesh.deliver(&stripe::paid_checkout("before", "ada")).await.status, 200);
    let mut bought = stripe::paid_checkout("after", "ada");
    let later = Clock::default().now() + TimeDelta::days(8) + TimeDelta::minutes(40);
    bought["created"] = json!(later.timestamp());
    assert_eq!(mesh.deliver(&bought).await.status, 200);
    mesh.settle().await;
    for (name, orders) in [("before", 0), ("after", 1)] {
        let found = format!("orders WHERE stripe_checkout_session_id = 'cs_test_{name}'");
        assert_eq!(testing::count(mesh.billing_db(), &found).await, orders, "bought {name} the erasure");
    }
}

/// Leaves work of Ada's that is not finished, as a backup may have it: rows whose erasure would wait for an end of their own.
async fn open_work(restored: &[Db]) {
    let (billing, compliance) = (of("billing", restored), of("compliance", restored));
    // It is retried after a month.
    testing::execute(
        billing,
        "UPDATE stripe_events SET state = 'PENDING', process_time = NULL, due_time = runtime.now() + interval '30 days'
         WHERE strpos(lower(encode(body, 'escape')), 'ada@example.com') > 0;
         INSERT INTO stripe_operations
             (operation_id, kind, state, about, path, form, owner_sub, create_time, update_time)
         VALUES (gen_random_uuid(), 'CUSTOMER_UPDATE', 'REQUESTED', gen_random_uuid(), '/customers/cus_ada',
                 'email=ada@example.com', 'ada', runtime.now(), runtime.now())",
    )
    .await;
    testing::execute(
        compliance,
        "INSERT INTO data_requests
             (data_request_id, owner_sub, email, entitlement, origin, state, subject, create_time, due_time)
         VALUES (gen_random_uuid(), 'ada', 'ada@example.com', 'ERASURE', 'ACCOUNT', 'AWAITING_APPROVAL', '{}',
                 runtime.now(), runtime.now() + interval '1 month')",
    )
    .await;
}

/// A database that does not let go of a row: its service is never ready.
async fn assert_serves_nobody_while_something_is_left(mesh: &Mesh, stubborn: &DatabaseUrl) {
    let db = testing::connect(stubborn);
    assert_eq!(testing::count(&db, STANDING).await, 1, "the backup has a hold");
    testing::execute(
        &db,
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keep BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION keep()",
    )
    .await;
    let peers = Addresses([("compliance".to_owned(), vec![Address::Fixed(mesh.compliance_addr())])].into());
    let files = [("LEVQOR_STORAGE_DIR", mesh.files())];
    let billing = harness::start_unready::<Billing>(harness::port().await, stubborn, &peers, &files).await;
    // What its database lets go of is erased, in vain.
    eventually("it has compared itself", || async {
        let ended = "stripe_operations WHERE state = 'REFUSED' AND owner_sub IS NULL";
        (testing::count(&db, ended).await == 1).then_some(())
    })
    .await;
    assert!(!billing.readiness.is_sound(), "it is not ready");
    assert_eq!(testing::count(&db, "runtime.receipts WHERE complete_time IS NOT NULL").await, 0);
    assert!(mentions(std::slice::from_ref(&db), ADA).await.contains(&"public.orders".to_owned()));
    // Once the row can be erased, it serves.
    testing::execute(&db, "DROP TRIGGER keep ON orders").await;
    eventually("it is ready", || async { billing.readiness.is_sound().then_some(()) }).await;
    assert_eq!(mentions(std::slice::from_ref(&db), ADA).await, Vec::<String>::new());
    assert_eq!(testing::count(&db, STANDING).await, 0, "the hold that was released since has ended");
    // If the ledger is lost later, running services continue to serve.
    let (ledger, away) = (format!("{}/ledger", mesh.files()), format!("{}/away", mesh.files()));
    std::fs::rename(&ledger, &away).expect("moved away");
    let lost = Clock::default().now();
    eventually("it is measured again", || async {
        billing.readiness.measured().filter(|it| it.time >= lost && it.is_sound()).map(drop)
    })
    .await;
    assert!(billing.readiness.is_compared(), "it serves on");
    std::fs::rename(&away, &ledger).expect("moved back");
    billing.drain().await;
}
