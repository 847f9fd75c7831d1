//! The rights besides a copy and an erasure, in every service: a wrong name is corrected, a restriction keeps the data from being used, and
//! a legal hold keeps it from being erased.

use chrono::TimeDelta;
use levqor_runtime::testing::{count, eventually, execute};
use serde_json::json;

use super::personal_data::until;
use crate::{harness::Mesh, stripe};

/// Waits until every database has this many rows.
async fn everywhere(mesh: &Mesh, rows: &str, expected: i64) {
    for db in mesh.databases() {
        eventually("every service knows", || async { (count(db, rows).await == expected).then_some(()) })
            .await;
    }
}

/// Ada and Bob have each bought something, and have a ticket.
async fn mesh_with_customers() -> Mesh {
    let mesh = Mesh::start().await;
    for name in ["ada", "bob"] {
        assert_eq!(mesh.deliver(&stripe::paid_checkout(name, name)).await.status, 200);
        mesh.settle().await;
        // Reading claims the order for the account.
        assert_eq!(mesh.customer(name).get("/v1/orders").await.list("orders").len(), 1);
        let ticket = json!({"subject": "Help", "text": "It does not work."});
        assert_eq!(mesh.customer(name).post("/v1/tickets", ticket).await.status, 200);
    }
    mesh.settle().await;
    mesh
}

#[tokio::test]
async fn a_wrong_name_is_corrected_in_every_service_and_other_peoples_names_are_not() {
    let mesh = mesh_with_customers().await;
    let asked = json!({"right": "RIGHT_RECTIFICATION", "corrected_name": "Ada Lovelace"});
    let created = mesh.customer("ada").post("/v1/data-requests", asked).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let id = created.str("/data_request/data_request_id").to_owned();
    let accept = format!("/v1/data-requests/{id}:accept");
    assert_eq!(mesh.customer("ada").post(&accept, json!({})).await.status, 403, "staff accept it");
    assert_eq!(mesh.staff().post(&accept, json!({})).await.status, 200);
    let done = until(&mesh, &id, "STATE_DONE").await;
    let receipt = done.json["data_request"]["rectified"].as_array().cloned().unwrap_or_default();
    for (service, table) in [("billing", "orders"), ("support", "tickets")] {
        let line = receipt.iter().find(|line| line["service"] == service && line["table"] == table);
        assert_eq!(line.map(|line| line["rows"].clone()), Some(json!(1)), "{}", done.text);
    }
    for (db, table) in [(mesh.billing_db(), "orders"), (mesh.support_db(), "tickets")] {
        let corrected = format!("{table} WHERE customer_name = 'Ada Lovelace'");
        assert_eq!(count(db, &corrected).await, 1, "{table}");
        let hers = format!("{corrected} AND owner_sub = 'ada'");
        assert_eq!(count(db, &hers).await, 1, "{table}");
    }
    mesh.settle().await;
    mesh.finish().await;
}

#[tokio::test]
async fn a_wrong_address_is_replaced_in_rows_without_an_owner() {
    let mesh = mesh_with_customers().await;
    // Ada bought again, and mistyped her address; another person bought with a similar address.
    for (name, buyer) in [("typo", "adda"), ("other", "jim.adda")] {
        assert_eq!(mesh.deliver(&stripe::paid_checkout(name, buyer)).await.status, 200);
    }
    mesh.settle().await;
    assert_eq!(mesh.customer("ada").get("/v1/orders").await.list("orders").len(), 1);
    for (wrong, expected) in [("adda@example.com", 2), ("bob@example.com", 2)] {
        let asked = json!({"email": "ada@example.com", "right": "RIGHT_RECTIFICATION", "wrong_email": wrong});
        let entered = mesh.staff().post_with_key(wrong, "/v1/data-requests:enter", asked).await;
        assert_eq!(entered.status, 200, "{}", entered.text);
        let id = entered.str("/data_request/data_request_id").to_owned();
        let accepted = mesh.staff().post(&format!("/v1/data-requests/{id}:accept"), json!({})).await;
        assert_eq!(accepted.status, 200, "{}", accepted.text);
        until(&mesh, &id, "STATE_DONE").await;
        let hers = mesh.customer("ada").get("/v1/orders").await;
        assert_eq!(hers.list("orders").len(), expected, "{wrong}: {}", hers.text);
    }
    assert_eq!(mesh.customer("bob").get("/v1/orders").await.list("orders").len(), 1, "he had claimed it");
    let others = "orders WHERE customer_email = 'jim.adda@example.com'";
    assert_eq!(count(mesh.billing_db(), others).await, 1);
    mesh.settle().await;
    mesh.finish().await;
}

#[tokio::test]
async fn a_restriction_is_in_force_in_every_service_until_seven_days_after_its_notice() {
    let mesh = mesh_with_customers().await;
    let asked = json!({"right": "RIGHT_RESTRICTION"});
    let created = mesh.customer("ada").post("/v1/data-requests", asked).await;
    let id = created.str("/data_request/data_request_id").to_owned();
    assert_eq!(mesh.staff().post(&format!("/v1/data-requests/{id}:accept"), json!({})).await.status, 200);
    until(&mesh, &id, "STATE_DONE").await;
    let stands = "runtime.holds WHERE stands AND kind = 'RESTRICTION' AND email = 'ada@example.com'";
    everywhere(&mesh, stands, 1).await;
    let stopped = "suppressions WHERE reason = 'RESTRICTION'";
    assert_eq!(count(mesh.notifications_db(), stopped).await, 1, "no advertising is sent");
    let path = "/v1/restrictions?email=ada@example.com";
    let restriction = mesh.staff().get(path).await.str("/restrictions/0/restriction_id").to_owned();
    let lift = format!("/v1/restrictions/{restriction}:lift");
    let lifted = mesh.staff().post(&lift, json!({"reasons": "Your data is right."})).await;
    assert_eq!(lifted.status, 200, "{}", lifted.text);
    mesh.settle().await;
    let notice = "messages WHERE template = 'restriction_ending'";
    assert_eq!(count(mesh.notifications_db(), notice).await, 1, "she is told before");
    assert_eq!(count(mesh.billing_db(), stands).await, 1, "it stands until then");
    mesh.advance(TimeDelta::days(8)).await;
    everywhere(&mesh, stands, 0).await;
    assert_eq!(count(mesh.notifications_db(), stopped).await, 0);
    mesh.settle().await;
    // A backup that is older than the end brings the restriction back, until the next day.
    let restore = "UPDATE runtime.holds SET stands = true, change_time = change_time - interval '9 days'";
    execute(mesh.notifications_db(), restore).await;
    mesh.advance(TimeDelta::days(1)).await;
    everywhere(&mesh, stands, 0).await;
    mesh.settle().await;
    mesh.finish().await;
}

#[tokio::test]
async fn a_legal_hold_is_in_force_in_every_service_until_its_release() {
    let mesh = mesh_with_customers().await;
    let hold = json!({"matter": "case-7", "reason": "A claim.", "emails": ["ada@example.com"]});
    let placed = mesh.staff().post_with_key("case-7", "/v1/legal-holds", hold).await;
    assert_eq!(placed.status, 200, "{}", placed.text);
    let id = placed.str("/legal_hold/legal_hold_id").to_owned();
    let stands = "runtime.holds WHERE stands AND email = 'ada@example.com'";
    everywhere(&mesh, stands, 1).await;
    assert_eq!(mesh.staff().post(&format!("/v1/legal-holds/{id}:release"), json!({})).await.status, 200);
    everywhere(&mesh, "runtime.holds WHERE stands", 0).await;
    mesh.settle().await;
    mesh.finish().await;
}
