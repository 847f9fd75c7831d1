//! A customer buys, gets a copy of all their data, and has it erased: none of their data remains, and all data of others does.

use std::io::{Cursor, Read};

use chrono::TimeDelta;
use levqor_runtime::{
    db::Db,
    testing::{self, eventually},
};
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Mesh},
    stripe,
};

/// Waits until a data request is in this state.
pub(super) async fn until(mesh: &Mesh, id: &str, state: &str) -> Answer {
    eventually("the data request is in its state", || async {
        let found = mesh.staff().get(&format!("/v1/data-requests/{id}")).await;
        (found.str("/data_request/state") == state).then_some(found)
    })
    .await
}

/// Makes a data request of this customer. Returns its id.
pub(super) async fn request(mesh: &Mesh, name: &str, right: &str) -> String {
    let created = mesh.customer(name).post("/v1/data-requests", json!({"right": right})).await;
    assert_eq!(created.status, 200, "{}", created.text);
    created.str("/data_request/data_request_id").to_owned()
}

/// The columns of all databases, and how many rows of each mention this text.
pub(super) async fn mentions(databases: &[Db], text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for db in databases {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
             WHERE table_schema IN ('public', 'runtime') AND table_type = 'BASE TABLE'",
        )
        .fetch_all(db.pool())
        .await
        .expect("tables");
        for table in tables {
            // `bytea` is shown in hex by default; `escape` keeps what people can read.
            let rows = format!(
                "{table} AS t WHERE strpos(lower(t::text), lower('{text}')) > 0
                 OR strpos(lower(t::text), encode('{text}', 'hex')) > 0"
            );
            if testing::count(db, &rows).await > 0 {
                found.push(table);
            }
        }
    }
    found
}

/// What this customer asks in the chat.
fn question(name: &str) -> String {
    format!("I am {name}. When does the delivery time begin?")
}

#[tokio::test]
async fn a_customer_gets_a_copy_of_everything_and_is_erased_from_everywhere() {
    let mesh = Mesh::start().await;
    for name in ["ada", "bob"] {
        assert_eq!(mesh.deliver(&stripe::paid_checkout(name, name)).await.status, 200);
        mesh.settle().await;
        // Reading claims the order for the account.
        assert_eq!(mesh.customer(name).get("/v1/orders").await.list("orders").len(), 1);
        let choices = json!({"choices": [{"purpose": "CONSENT_PURPOSE_COOKIES_ANALYTICS", "given": true}]});
        assert_eq!(mesh.customer(name).post("/v1/consents", choices).await.status, 200);
        let objection = json!({"scope": "OBJECTION_SCOPE_ALL", "objects": true});
        assert_eq!(mesh.customer(name).post("/v1/objections", objection).await.status, 200);
        let chat = mesh.customer(name).post("/v1/conversations", json!({"text": question(name)})).await;
        assert_eq!(chat.status, 200, "{}", chat.text);
        for subject in ["Help", "Help again"] {
            let ticket = json!({"subject": subject, "text": format!("I am {name} and it does not work.")});
            assert_eq!(mesh.customer(name).post("/v1/tickets", ticket).await.status, 200);
        }
    }
    mesh.settle().await;
    let others = mentions(mesh.databases(), "bob@example.com").await;

    // The copy holds orders, mails, chats and tickets.
    let id = request(&mesh, "ada", "RIGHT_ACCESS").await;
    until(&mesh, &id, "STATE_DONE").await;
    let archive = mesh.customer("ada").download(&format!("/v1/data-requests/{id}/export:download")).await;
    let mut zip = zip::ZipArchive::new(Cursor::new(archive)).expect("a ZIP");
    for (name, pointer, expected) in [
        ("billing/orders.json", "/0/customer_email", "ada@example.com"),
        ("notifications/messages.json", "/0/recipient", "ada@example.com"),
        ("support/tickets.json", "/0/customer_email", "ada@example.com"),
        ("support/conversations.json", "/0/customer_email", "ada@example.com"),
        ("support/turns.json", "/0/customer_text", question("ada").as_str()),
    ] {
        let mut text = String::new();
        zip.by_name(name).expect(name).read_to_string(&mut text).expect("text");
        let rows: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(rows.pointer(pointer).and_then(Value::as_str), Some(expected), "{name}");
        assert!(!text.contains("bob@") && !text.contains("I am bob"), "{name}");
    }

    // The erasure waits for an open order.
    mesh.advance(TimeDelta::days(2)).await;
    let id = request(&mesh, "ada", "RIGHT_ERASURE").await;
    let path = format!("/v1/data-requests/{id}");
    let approved = eventually("the preview is not stale when she approves", || async {
        // Work that became due when time advanced may change her rows in between.
        let preview = mesh.customer("ada").get(&format!("{path}/erasure-preview")).await;
        assert!(preview.str("/obstacles/0").starts_with("ORDER_OPEN order "), "{}", preview.text);
        let approval = json!({"preview_hash": preview.str("/preview_hash")});
        let approved = mesh.customer("ada").post(&format!("{path}:approve"), approval).await;
        (approved.str("/reason") != "ERASURE_PREVIEW_STALE").then_some(approved)
    })
    .await;
    assert_eq!(approved.str("/data_request/state"), "STATE_SCHEDULED", "{}", approved.text);
    mesh.advance(TimeDelta::days(8)).await;
    until(&mesh, &id, "STATE_WAITING").await;

    // The order ends, and the erasure continues by itself.
    let end = "UPDATE orders SET fulfilment_state = 'ENDED' WHERE customer_email = 'ada@example.com'";
    testing::execute(mesh.billing_db(), end).await;
    mesh.advance(TimeDelta::days(2)).await;
    until(&mesh, &id, "STATE_IN_PROGRESS").await;
    eventually("the last mail to her is under way", || async {
        (testing::count(mesh.compliance_db(), "erasures WHERE step = 'TOLD'").await == 1).then_some(())
    })
    .await;
    mesh.advance(TimeDelta::minutes(15)).await;
    let done = until(&mesh, &id, "STATE_DONE").await;
    assert!(done.text.contains("\"orders\""), "the receipt names the tables: {}", done.text);

    mesh.settle().await;
    assert_eq!(
        mentions(mesh.databases(), "ada@example.com").await,
        Vec::<String>::new(),
        "nothing of her is left"
    );
    assert_eq!(mentions(mesh.databases(), &question("ada")).await, Vec::<String>::new(), "nor of her chat");
    assert_eq!(testing::count(mesh.support_db(), "turns WHERE customer_text LIKE 'I am bob%'").await, 1);
    let proof = "declarations WHERE owner_sub IS NULL AND email IS NULL AND address_hash IS NOT NULL";
    assert_eq!(testing::count(mesh.compliance_db(), proof).await, 5, "the proof names nobody");
    for db in mesh.databases() {
        assert_eq!(testing::count(db, "runtime.objections WHERE owner_sub = 'ada'").await, 0);
    }
    assert_eq!(testing::count(mesh.billing_db(), "orders WHERE owner_sub = 'bob'").await, 1);
    for table in others {
        assert!(
            mentions(mesh.databases(), "bob@example.com").await.contains(&table),
            "{table} lost somebody else's rows"
        );
    }
    let tickets = mesh.staff().get("/v1/tickets").await;
    assert_eq!(tickets.list("tickets").len(), 4, "erased tickets can still be read: {}", tickets.text);
    assert_eq!(mesh.customer("bob").get("/v1/orders").await.list("orders").len(), 1);

    // An event of the time before, which Stripe delivers late, does not bring her back.
    assert_eq!(mesh.deliver(&stripe::paid_checkout("late", "ada")).await.status, 200);
    mesh.settle().await;
    let scrubbed =
        "stripe_events WHERE ignore_reason = 'SUBJECT_ERASED' AND body IS NULL AND object_id IS NULL";
    assert_eq!(testing::count(mesh.billing_db(), scrubbed).await, 1);
    assert_eq!(mentions(mesh.databases(), "ada@example.com").await, Vec::<String>::new());
    mesh.finish().await;
}
